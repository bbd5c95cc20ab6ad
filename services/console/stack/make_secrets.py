"""Makes what secrets are missing: `python -m services.console.stack.make_secrets --directory D [--compose]`.

Safe to repeat: what exists is kept, so a secret is never changed behind the back of who uses it. No file ends in a
line break, which Alertmanager before 0.27 would take for a part of the secret.
"""

import argparse
import base64
import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.console.stack.errors import StackError
from services.console.stack.files import write_atomically
from services.console.stack.identities import CALLERS_FILE, IDENTITY_DIRECTORY, ensure_identities
from services.contracts.orders import PAPER_VENUES
from services.kit.secret_files import SecretFileError, read_secret

SLACK_FILE = "slack_webhook_url"
PAPER_LOGIN = "robinhood-paper"
ALPACA_FILE = "alpaca_paper_keys"
_LOCAL_SLACK = re.compile(r"^http://(127\.0\.0\.1|automation):\d+/local/slack$")
_RANDOM_BYTES = 32
_KEY_ID_BYTES = 9
_SEED_BYTES = 20


def _random() -> str:
    return secrets.token_urlsafe(_RANDOM_BYTES)


def _wrapping_key() -> str:
    return base64.b64encode(secrets.token_bytes(_RANDOM_BYTES)).decode()


def _signing_key() -> str:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode().strip()


def _paper_accounts() -> str:
    """An account at each local paper venue: key ids look as Alpaca's for paper money do."""
    accounts = [
        {
            "venue": name,
            "name": name,
            "key_id": f"PK{secrets.token_hex(_KEY_ID_BYTES).upper()}",
            "secret_key": secrets.token_urlsafe(_RANDOM_BYTES),
            "cash": "100000",
        }
        for name in PAPER_VENUES
    ]
    return json.dumps(accounts)


def _paper_logins() -> str:
    """A customer of the simulated Robinhood whose login takes a password and an authenticator's code."""
    login = {
        "name": PAPER_LOGIN,
        "password": secrets.token_urlsafe(_RANDOM_BYTES),
        "totp_seed": base64.b32encode(secrets.token_bytes(_SEED_BYTES)).decode(),
    }
    return json.dumps([login])


_GENERATED: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "nats_token": _random,
        "alertmanager_token": _random,
        "grafana_admin_password": _random,
        "postgres_password": _random,
        "vault_key": _wrapping_key,
        "verdict_key": _signing_key,
        "twilio_auth_token": _random,
        "paper_accounts.json": _paper_accounts,
        "paper_logins.json": _paper_logins,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One directory of secrets, closed to all but one user.

    Attributes:
        directory: Below the secrets directory, "" for that itself.
        owner: User and group id that its files are handed to; None keeps them ours.
        files: What lies in it.
        identities: Whether callers' keys lie in it.
    """

    directory: str
    owner: tuple[int, int] | None
    files: tuple[str, ...]
    identities: bool = False


# A native run: one user runs everything and reads one directory.
NATIVE = (Consumer(directory="", owner=None, files=(*_GENERATED, SLACK_FILE, "authorization.conf"), identities=True),)

COMPOSE_AUTH = (10001, 10001)

# The compose stack: one volume per consumer, owned by the user of the image that reads it. Where several hold the same
# secret, the first in this order decides.
COMPOSE = (
    Consumer(directory="alertmanager", owner=(65534, 65534), files=("alertmanager_token", SLACK_FILE)),
    Consumer(directory="grafana", owner=(472, 472), files=("grafana_admin_password",)),
    Consumer(directory="postgres", owner=(999, 999), files=("postgres_password", "pgpass")),
    Consumer(
        directory="services",
        owner=(10001, 10001),
        files=("nats_token", "alertmanager_token", SLACK_FILE, "pgpass"),
        identities=True,
    ),
    # Beside the services' own: what opens the vault and signs verdicts is for auth alone.
    Consumer(
        directory="auth",
        owner=COMPOSE_AUTH,
        files=("vault_key", "verdict_key", "twilio_auth_token", "paper_accounts.json", "paper_logins.json"),
    ),
    # The simulated brokers sign text messages as auth expects them, and know the paper accounts.
    Consumer(
        directory="venue",
        owner=(10001, 10001),
        files=("twilio_auth_token", "paper_accounts.json", "paper_logins.json"),
    ),
    Consumer(directory="nats", owner=(0, 0), files=("authorization.conf",)),
)


def ensure_secrets(
    directory: Path, consumers: Sequence[Consumer], *, slack_url: str, slack_is_given: bool
) -> list[str]:
    """Make what is missing.

    Args:
        directory: The secrets directory.
        consumers: `NATIVE` or `COMPOSE`.
        slack_url: Where Slack messages go.
        slack_is_given: The operator chose `slack_url`: it replaces what is there. Otherwise it is the local catcher's
            address, and replaces only an earlier address of that.

    Returns:
        Paths of the files written, relative to `directory`.

    Raises:
        StackError: A directory or file lies open to others, or cannot be written.
    """
    try:
        for consumer in consumers:
            _make_directory(directory / consumer.directory, consumer.owner)
        values = {name: _existing(directory, consumers, name) or make() for name, make in _GENERATED.items()}
        present = _existing(directory, consumers, SLACK_FILE)
        keep = present and not slack_is_given and not _LOCAL_SLACK.match(present)
        values[SLACK_FILE] = present if keep else slack_url
        values["authorization.conf"] = f'authorization {{ token: "{values["nats_token"]}" }}'
        values["pgpass"] = f"postgres:5432:*:sightline:{values['postgres_password']}"
        written: list[str] = []
        for consumer in consumers:
            written += _write(directory, consumer, values)
            if consumer.identities:
                written += ensure_identities(directory / consumer.directory, owner=consumer.owner)
    except SecretFileError as error:
        raise StackError(error.detail) from error
    except OSError as error:
        raise StackError(
            f"cannot write secrets below {directory}: {error.strerror} ({error.filename})",
            remedy="make the directory writable for this user, or set SIGHTLINE_SECRETS_DIR",
        ) from error
    return written


def keep_alpaca_keys(directory: Path, keys: str, *, owner: tuple[int, int] | None = None) -> None:
    """Put the keys of Alpaca's paper account, KEY_ID:SECRET_KEY, where auth finds them. Raises StackError."""
    try:
        write_atomically(directory / ALPACA_FILE, keys.encode(), mode=0o600, owner=owner)
    except OSError as error:
        raise StackError(
            f"cannot write {directory / ALPACA_FILE}: {error.strerror}",
            remedy="make the directory writable for this user, or set SIGHTLINE_SECRETS_DIR",
        ) from error


def problems(directory: Path) -> list[str]:
    """What is wrong with the secrets of a native run, one line each with what to do; empty when all is well."""
    if not directory.is_dir():
        return [f"{directory} does not exist; `sightline up` makes it"]
    found = []
    try:
        _require_closed(directory)
    except StackError as error:
        found.append(f"{error.message}; {error.remedy}")
    for name in (*NATIVE[0].files, *(f"{IDENTITY_DIRECTORY}/{key.name}" for key in _identity_keys(directory))):
        try:
            read_secret(directory / name)
        except SecretFileError as error:
            found.append(error.detail)
    if not (directory / CALLERS_FILE).is_file():
        found.append(f"{directory / CALLERS_FILE} does not exist; `sightline up` makes it")
    return found


def _identity_keys(directory: Path) -> list[Path]:
    return sorted((directory / IDENTITY_DIRECTORY).glob("*.pem"))


def _make_directory(path: Path, owner: tuple[int, int] | None) -> None:
    if owner is None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_closed(path)
        return
    # A fresh volume is root's and open; handing it over is what this program runs as root for.
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    os.chown(path, *owner)


def _require_closed(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StackError(f"{path} is open to others (mode {mode:o})", remedy=f"run `chmod 700 {path}`")


def _existing(directory: Path, consumers: Sequence[Consumer], name: str) -> str:
    for consumer in consumers:
        path = directory / consumer.directory / name
        if name in consumer.files and path.exists():
            return read_secret(path) if consumer.owner is None else path.read_text(encoding="utf-8").strip()
    return ""


def _write(directory: Path, consumer: Consumer, values: Mapping[str, str]) -> list[str]:
    written = []
    for name in consumer.files:
        path = directory / consumer.directory / name
        content = values[name].encode()
        if path.exists() and path.read_bytes().rstrip(b"\n") == content:
            continue
        write_atomically(path, content, mode=0o600, owner=consumer.owner)
        written.append(path.relative_to(directory).as_posix())
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing and say what was made, never what it holds. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m services.console.stack.make_secrets", description="Make missing secrets."
    )
    parser.add_argument("--directory", type=Path, required=True, help="where the secrets lie")
    parser.add_argument("--compose", action="store_true", help="one directory per consumer of the compose stack")
    options = parser.parse_args(arguments)
    host = "automation" if options.compose else "127.0.0.1"
    try:
        written = ensure_secrets(
            options.directory,
            COMPOSE if options.compose else NATIVE,
            slack_url=f"http://{host}:8710/local/slack",
            slack_is_given=False,
        )
        key, secret = os.environ.get("APCA_API_KEY_ID"), os.environ.get("APCA_API_SECRET_KEY")
        if options.compose and key and secret:
            keep_alpaca_keys(options.directory / "auth", f"{key}:{secret}", owner=COMPOSE_AUTH)
    except StackError as error:
        sys.stderr.write(f"{error.message}. {error.remedy}\n")
        return 1
    sys.stdout.write("".join(f"made {name}\n" for name in written) or "all secrets are there\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
