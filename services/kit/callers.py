"""Who may call: names, public keys and scopes, from one file that is read again whenever it changes."""

import base64
import binascii
import json
import logging
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from services.contracts.ids import CallerName
from services.kit.errors import StartError, UnavailableError
from services.kit.secret_files import SecretFileError, read_secret, read_trusted, write_new_secret

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,63}$"
SCOPE_PATTERN = r"^[a-z][a-z_]*:[a-z][a-z_]*$"

_log = logging.getLogger("services.identity")


class CallersFileError(StartError):
    """The callers' file cannot be used; the message says where and why."""

    code = "bad_callers_file"
    title = "The callers' file is not valid"


class IdentityKeyError(StartError):
    """A private key cannot be used."""

    code = "bad_identity_key"
    title = "The identity's key is not valid"


class CallerEntry(BaseModel):
    """One caller as it stands in the file; `public_key` is the 32 bytes of an Ed25519 key in URL-safe base64."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    public_key: str
    scopes: tuple[Annotated[str, StringConstraints(pattern=SCOPE_PATTERN)], ...]


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """A caller whose signature can be checked."""

    name: CallerName
    public_key: Ed25519PublicKey
    scopes: frozenset[str]


_Entries = TypeAdapter(dict[Annotated[str, StringConstraints(pattern=NAME_PATTERN)], CallerEntry])


class Callers:
    """The callers of a file. A change of the file counts from the next look-up on.

    A file that becomes unusable later does not lock everyone out: the callers of its last good state remain, the
    fault is logged once and `check` reports it.

    Raises:
        CallersFileError: The file cannot be used at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _fingerprint(path)
        self._callers = read_callers(path)
        self._fault = ""

    def find(self, name: str) -> KnownCaller | None:
        """The caller of that name, or None. One `stat` per call; reads the file only when it changed."""
        self._refresh()
        return self._callers.get(name)

    def check(self) -> None:
        """Raise `UnavailableError` while the file is not usable."""
        self._refresh()
        if self._fault:
            raise UnavailableError(self._fault)

    def _refresh(self) -> None:
        fingerprint = _fingerprint(self._path)
        if fingerprint == self._seen:
            return
        self._seen = fingerprint
        try:
            self._callers = read_callers(self._path)
        except CallersFileError as error:
            self._fault = error.detail
            _log.error("the callers' file changed and cannot be used, its last good state stays: %s", error.detail)
            return
        self._fault = ""
        _log.info("the callers' file changed and was read: %d callers", len(self._callers))


def read_callers(path: Path) -> Mapping[str, KnownCaller]:
    """Read and check a callers' file. Raises `CallersFileError`."""
    try:
        content = read_trusted(path)
    except SecretFileError as error:
        raise CallersFileError(error.detail) from None
    try:
        entries = _Entries.validate_python(json.loads(content, object_pairs_hook=_without_doubles))
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise CallersFileError(f"{path}: {lines}") from None
    except ValueError as error:
        raise CallersFileError(f"{path} is not valid JSON: {error}") from None
    return {name: _known(path, name, entry) for name, entry in entries.items()}


def write_callers(path: Path, callers: Mapping[str, CallerEntry]) -> None:
    """Write a callers' file, mode 0644, in one step: a reader sees the old file or the new one."""
    content = json.dumps({name: entry.model_dump(mode="json") for name, entry in sorted(callers.items())}, indent=2)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{content}\n")
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o644)
    Path(temporary).replace(path)


def generate_identity(secrets_dir: Path, name: str) -> str:
    """Make the key of a caller, `identity/<name>.pem`, mode 0600; a key that is there already stays.

    Returns the public key as the callers' file wants it. Raises `IdentityKeyError` or `SecretFileError`.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise IdentityKeyError(f"A caller's name looks like `console`; {name!r} does not.")
    path = secrets_dir / "identity" / f"{name}.pem"
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        write_new_secret(path, pem.decode())
    except FileExistsError:
        return public_key_text(read_private_key(read_secret(path)))
    return public_key_text(read_private_key(pem.decode()))


def read_private_key(pem: str) -> Ed25519PrivateKey:
    """The private key of a PEM text. Raises `IdentityKeyError`, which holds nothing of it."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise IdentityKeyError(
            "The identity's file is not a PEM private key; remove it and run `sightline up`."
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityKeyError("The identity's key is not an Ed25519 key; remove it and run `sightline up`.")
    return key


def public_key_text(key: Ed25519PrivateKey) -> str:
    """The public half as the callers' file wants it."""
    return base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")


def _known(path: Path, name: str, entry: CallerEntry) -> KnownCaller:
    try:
        raw = base64.b64decode(entry.public_key + "=" * (-len(entry.public_key) % 4), altchars=b"-_", validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw)
    except (binascii.Error, ValueError):
        raise CallersFileError(f"{path}: {name}.public_key is not an Ed25519 key in URL-safe base64.") from None
    return KnownCaller(CallerName(name), key, frozenset(entry.scopes))


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _fingerprint(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
