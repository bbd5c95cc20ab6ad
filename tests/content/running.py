"""The content service as a process, and the operator's command beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import typer
from typer.testing import CliRunner, Result

from services.console.cli import build
from services.console.stack.identities import OPERATOR, ensure_identities
from services.console.stack.record import RunRecord, Unit
from services.kit.callers import read_private_key
from services.kit.clock import SystemClock
from services.kit.identity import CallerSigner
from services.kit.secret_files import read_secret
from tests.kit.running import ROOT, started
from tests.kit.web import SignedBy


@dataclass
class Platform:
    """A directory as `sightline up` leaves it, with what runs recorded in it."""

    directory: Path

    def __post_init__(self) -> None:
        self.data_dir = self.directory / "var"
        self.secrets_dir = self.data_dir / "secrets"
        self.secrets_dir.mkdir(parents=True, mode=0o700)
        ensure_identities(self.secrets_dir, owner=None)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(ROOT),
            "SIGHTLINE_DATA_DIR": str(self.data_dir),
            "SIGHTLINE_SECRETS_DIR": str(self.secrets_dir),
        }

    @property
    def telemetry_file(self) -> Path:
        return self.data_dir / "telemetry" / "telemetry.db"

    def record(self, **ports: int) -> None:
        """Have these services run at these ports, as far as commands can tell."""
        units = [
            Unit(name=name, purpose="", ready="", ports={name: port}, depends_on=(), stop_seconds=1)
            for name, port in ports.items()
        ]
        run_dir = self.data_dir / "run"
        run_dir.mkdir(exist_ok=True)
        RunRecord(mode="native", units=tuple(units)).save(run_dir)

    def command(self) -> typer.Typer:
        return build((), SystemClock(), self.environ)

    def sightline(self, *arguments: str) -> Result:
        return CliRunner().invoke(self.command(), list(arguments))

    def signed(self, audience: str) -> SignedBy:
        key = read_private_key(read_secret(self.secrets_dir / "identity" / f"{OPERATOR}.pem"))
        return SignedBy(CallerSigner(OPERATOR, key, SystemClock()), audience=audience)


@contextmanager
def running_content(platform: Platform) -> Iterator[str]:
    """The service over the checkout's documentation, without a bus; gives its address."""
    environ = platform.environ | {"SIGHTLINE_PORT": "0", "SIGHTLINE_NATS_URL": "nats://127.0.0.1:1"}
    with started("services.content", environ) as content:
        platform.record(content=urlsplit(content.url).port or 0)
        yield content.url
