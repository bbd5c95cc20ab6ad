"""The auth service as a whole, in this process, over files of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.bootstrap import build
from services.auth.settings import AuthSettings
from services.kit.app import ServiceApp
from services.kit.callers import CallerEntry, generate_identity, read_private_key, write_callers
from services.kit.clock import Clock, SystemClock
from services.kit.identity import CallerSigner
from services.kit.secret_files import read_secret, write_new_secret
from services.kit.settings import load
from tests.kit.web import AppClient, SignedBy

SCOPES = ("auth:read", "auth:operate", "auth:lease", "auth:step_up", "preflight:run")


@dataclass
class AuthHome:
    """Data and secrets of an auth service, with a caller named operator who may do everything."""

    directory: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        operator = generate_identity(self.secrets_dir, "operator")
        stranger = generate_identity(self.secrets_dir, "stranger")
        generate_identity(self.secrets_dir, "auth")
        entries = {
            "operator": CallerEntry(public_key=operator, scopes=SCOPES),
            "stranger": CallerEntry(public_key=stranger, scopes=("alerts:read",)),
        }
        write_callers(self.secrets_dir / "callers.json", entries)
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_new_secret(self.secrets_dir / "verdict_key", pem.decode())
        self.environ = {
            "SIGHTLINE_DATA_DIR": str(self.directory / "var"),
            "SIGHTLINE_SECRETS_DIR": str(self.secrets_dir),
            # Nothing listens there: a platform that runs on this machine is not for tests to call.
            "SIGHTLINE_NATS_URL": "nats://127.0.0.1:1",
            "SIGHTLINE_CONSOLE_URL": "http://127.0.0.1:1",
            "SIGHTLINE_PORT": "0",
            "SIGHTLINE_CONSOLE": "off",
            **self.environ,
        }

    @property
    def secrets_dir(self) -> Path:
        return self.directory / "secrets"

    @property
    def process_environ(self) -> dict[str, str]:
        """The environment for a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
        return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **self.environ}

    def settings(self, **changes: str) -> AuthSettings:
        return load(AuthSettings, {**self.environ, **changes})

    def signed(self, caller: str = "operator", clock: Clock | None = None) -> SignedBy:
        key = read_private_key(read_secret(self.secrets_dir / "identity" / f"{caller}.pem"))
        return SignedBy(CallerSigner(caller, key, clock or SystemClock()), audience="auth")

    def client(self, app: ServiceApp, caller: str = "operator") -> AppClient:
        return AppClient(app, self.signed(caller))

    @contextmanager
    def app(self, *, after: bool = True, **changes: str) -> Iterator[ServiceApp]:
        """The application; closed as at the end of its lifespan, unless `after` says that others run that."""
        app = build(self.settings(**changes))
        try:
            yield app
        finally:
            if after:
                AppClient(app).start_and_stop()
