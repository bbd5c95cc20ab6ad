"""The keys with which callers sign, and the file that says who may do what."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from services.console.stack.errors import StackError
from services.kit.callers import (
    CallerEntry,
    IdentityKeyError,
    generate_identity,
    public_key_text,
    read_private_key,
    write_callers,
)
from services.kit.secret_files import read_secret

CALLERS_FILE = "callers.json"
IDENTITY_DIRECTORY = "identity"
OPERATOR = "operator"

# What each caller may do, and no more. The operator is the person at the `sightline` command.
SCOPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "auth": ("telemetry:read",),
        "automation": (
            "auth:step_up",
            "alerts:read",
            "telemetry:read",
            "auth:read",
            "auth:operate",
            "knowledge:read",
            "documents:read",
            "documents:write",
            "anomalies:read",
            "diagnoses:run",
            "trading:read",
            "trading:cancel",
            "trading:halt",
            "trading:resume",
            "trading:strategies",
            "events:read",
            "events:operate",
        ),
        "console": ("alerts:read", "trading:read"),
        "trading": ("auth:read", "auth:lease", "preflight:run"),
        "content": ("alerts:read", "telemetry:read", "trading:read", "auth:read", "anomalies:read"),
        # They tell what they find and reach nothing that trades or logs in.
        "agents": ("knowledge:read",),
        # Another program that starts pipelines and watches them, such as Prefect or Airflow (examples/).
        "scheduler": ("pipelines:read", "pipelines:run"),
        OPERATOR: (
            "alerts:read",
            "events:read",
            "events:operate",
            "telemetry:read",
            "auth:read",
            "auth:operate",
            "preflight:run",
            "trading:read",
            "trading:order",
            "trading:cancel",
            "trading:halt",
            "trading:resume",
            "venue:operate",
            "knowledge:read",
            "documents:read",
            "documents:write",
            "anomalies:read",
            "diagnoses:run",
            "trading:strategies",
            "pipelines:read",
            "pipelines:run",
            "approvals:read",
            "approvals:decide",
            "incidents:read",
        ),
    }
)

_Entries = TypeAdapter(dict[str, CallerEntry])


def ensure_identities(directory: Path, *, owner: tuple[int, int] | None) -> list[str]:
    """Make missing keys and bring the callers' file up to them; callers that a person added stay as they are.

    Args:
        directory: Holds `identity/` and the callers' file.
        owner: User and group id to hand files to; None keeps them ours.

    Returns:
        What was written, relative to `directory`.

    Raises:
        StackError: A key or the callers' file cannot be used.
        SecretFileError: A key lies open to others.
    """
    written = []
    entries = _entries(directory / CALLERS_FILE)
    wanted = dict(entries)
    for name, scopes in SCOPES.items():
        key = directory / IDENTITY_DIRECTORY / f"{name}.pem"
        if not key.exists():
            written.append(f"{IDENTITY_DIRECTORY}/{name}.pem")
        wanted[name] = CallerEntry(public_key=_public_key(directory, key, owner), scopes=scopes)
    if wanted != entries:
        write_callers(directory / CALLERS_FILE, wanted)
        written.append(CALLERS_FILE)
    if owner is not None:
        # Every time and all of them: a run that was cut short may have left some behind.
        keys = (directory / IDENTITY_DIRECTORY).glob("*.pem")
        for path in (directory / IDENTITY_DIRECTORY, directory / CALLERS_FILE, *keys):
            os.chown(path, *owner)
    return written


def _public_key(directory: Path, key: Path, owner: tuple[int, int] | None) -> str:
    try:
        if not key.exists():
            return generate_identity(directory, key.stem)
        # With an owner, the file is another user's by now and root reads it: its owner is no sign of tampering.
        return public_key_text(read_private_key(read_secret(key) if owner is None else key.read_text()))
    except IdentityKeyError as error:
        raise StackError(f"{key}: {error.detail}") from error


def _entries(path: Path) -> dict[str, CallerEntry]:
    if not path.exists():
        return {}
    try:
        return _Entries.validate_json(path.read_bytes())
    except ValidationError as error:
        raise StackError(
            f"{path} is not a valid callers' file", remedy=f"correct it, or remove {path} and run `sightline up`"
        ) from error
