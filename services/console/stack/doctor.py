"""What is there, what is missing, and what to do about it."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from services.console.stack import make_secrets, processes
from services.console.stack.components import Component
from services.console.stack.discovery import discover, search_path
from services.console.stack.docker import engine_problem
from services.console.stack.layout import HOST, Layout
from services.console.stack.ready import port_is_free
from services.console.stack.record import RunRecord
from services.kit.clock import Clock

_OLDEST_PYTHON = (3, 11)
_LITTLE_DISK_BYTES = 5 * 1024**3
_NO_DISK_BYTES = 512 * 1024**2
_MUCH_SPOOL_BYTES = 8 * 1024**2
# Build systems stamp files with their own clock; a difference of a day is a clock that was never set.
_CLOCK_TOLERANCE = timedelta(days=1)


class Verdict(StrEnum):
    """How a finding weighs."""

    WELL = "ok"
    LACKING = "missing"  # the platform runs without it, with less
    WRONG = "wrong"  # the platform does not start, or does not work as it should


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `remedy` is "" when there is nothing to do."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def examine(components: Sequence[Component], layout: Layout, clock: Clock) -> list[Finding]:
    """Look at everything that the platform needs. Changes nothing."""
    return [
        _python(),
        _checkout(layout),
        _docker(),
        *_components(components, layout),
        _ports(components, layout),
        _disk(layout),
        *_clock(layout, clock),
        *_secrets(layout),
        _store(layout),
        _spool(layout),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= _OLDEST_PYTHON:
        return Finding(subject="python", verdict=Verdict.WELL, detail=version)
    return Finding(
        subject="python",
        verdict=Verdict.WRONG,
        detail=f"{version} is older than 3.11",
        remedy="make the environment anew with `make clean install PYTHON=/path/to/python3.11`",
    )


def _checkout(layout: Layout) -> Finding:
    wanted = ("docker-compose.yml", "nats/nats.conf", "prometheus/prometheus.yml", "prometheus/alertmanager.yml")
    missing = [name for name in wanted if not (layout.root / name).is_file()]
    if missing:
        return Finding(
            subject="configuration",
            verdict=Verdict.WRONG,
            detail=f"{layout.root} lacks {', '.join(missing)}",
            remedy="run sightline from a complete checkout (`git status` tells what was removed)",
        )
    return Finding(subject="configuration", verdict=Verdict.WELL, detail=str(layout.root))


def _docker() -> Finding:
    problem = engine_problem()
    if not problem:
        return Finding(subject="docker", verdict=Verdict.WELL, detail="the engine answers, Compose is there")
    return Finding(
        subject="docker",
        verdict=Verdict.LACKING,
        detail=f"{problem}: `sightline up` runs natively",
        remedy="to run in containers, install Docker with Compose and start the engine",
    )


def _components(components: Sequence[Component], layout: Layout) -> Iterator[Finding]:
    discovery = discover(components, search_path(layout))
    for found in discovery.found:
        detail = f"{found.version} ({found.program})" if found.version else "a module of this environment"
        yield Finding(subject=found.component.name, verdict=Verdict.WELL, detail=detail)
    for absent in discovery.absent:
        component = absent.component
        yield Finding(
            subject=component.name,
            verdict=Verdict.WRONG if component.required else Verdict.LACKING,
            detail=f"{absent.reason}; lost without it: {component.lost or 'the platform'}",
            remedy=absent.remedy,
        )


def _ports(components: Sequence[Component], layout: Layout) -> Finding:
    record = RunRecord.load(layout.run_dir)
    if record is not None:
        ours = ", ".join(str(port) for unit in record.units for port in unit.ports.values())
        return Finding(subject="ports", verdict=Verdict.WELL, detail=f"in use by this platform: {ours or 'see Docker'}")
    taken = []
    for component in components:
        for default in component.ports.values():
            port = layout.port(default)
            if not port_is_free(HOST, port):
                holder = processes.holder_of_port(port)
                by = processes.describe(holder) if holder else "a process of another user"
                taken.append(f"{port} ({component.name}) by {by}")
    if taken:
        return Finding(
            subject="ports",
            verdict=Verdict.WRONG,
            detail=f"taken: {'; '.join(taken)}",
            remedy="stop what holds them, or set SIGHTLINE_PORT_OFFSET=1000",
        )
    return Finding(subject="ports", verdict=Verdict.WELL, detail="all free")


def _disk(layout: Layout) -> Finding:
    free = shutil.disk_usage(_nearest(layout.data_dir)).free
    detail = f"{free / 1024**3:.1f} GiB free for {layout.data_dir}"
    if free >= _LITTLE_DISK_BYTES:
        return Finding(subject="disk", verdict=Verdict.WELL, detail=detail)
    return Finding(
        subject="disk",
        verdict=Verdict.WRONG if free < _NO_DISK_BYTES else Verdict.LACKING,
        detail=f"{detail}: metrics alone may take 4 GB",
        remedy="free space, or set SIGHTLINE_DATA_DIR to another disk",
    )


def _clock(layout: Layout, clock: Clock) -> Iterator[Finding]:
    now = clock.now()
    written = datetime.fromtimestamp((layout.root / "services").stat().st_mtime, UTC)
    synchronised = _is_synchronised()
    if now < written - _CLOCK_TOLERANCE:
        yield Finding(
            subject="clock",
            verdict=Verdict.WRONG,
            detail=f"it says {now:%Y-%m-%d %H:%M} UTC, but this checkout was written on {written:%Y-%m-%d}",
            remedy="set the clock: calls between services are signed for 60 s",
        )
    elif synchronised is False:
        yield Finding(
            subject="clock",
            verdict=Verdict.LACKING,
            detail=f"{now:%Y-%m-%d %H:%M} UTC, not kept by a time server",
            remedy="turn time synchronisation on (`timedatectl set-ntp true`): one-time codes and tokens depend on it",
        )
    else:
        kept = ", kept by a time server" if synchronised else ""
        yield Finding(subject="clock", verdict=Verdict.WELL, detail=f"{now:%Y-%m-%d %H:%M} UTC{kept}")


def _is_synchronised() -> bool | None:
    """What systemd says of time synchronisation; None where there is no systemd to ask."""
    program = shutil.which("timedatectl")
    if program is None:
        return None
    try:
        result = subprocess.run(  # noqa: S603 -- the system's own program with fixed arguments
            [program, "show", "--property=NTPSynchronized", "--value"],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=3.0,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(result.stdout.strip())


def _secrets(layout: Layout) -> Iterator[Finding]:
    if not layout.secrets_dir.is_dir():
        yield Finding(
            subject="secrets",
            verdict=Verdict.LACKING,
            detail=f"{layout.secrets_dir} does not exist yet",
            remedy="`sightline up` makes them",
        )
        return
    problems = make_secrets.problems(layout.secrets_dir)
    for problem in problems:
        what, _, remedy = problem.rpartition("; ")
        yield Finding(subject="secrets", verdict=Verdict.WRONG, detail=what, remedy=remedy)
    if not problems:
        yield Finding(subject="secrets", verdict=Verdict.WELL, detail=f"complete and private in {layout.secrets_dir}")


def _store(layout: Layout) -> Finding:
    file = layout.telemetry_file
    if not file.exists():
        directory = _nearest(file.parent)
        writable = os.access(directory, os.W_OK | os.X_OK)
        detail = "not made yet" if writable else f"{directory} is not writable"
    else:
        detail = _store_problem(file)
        writable = not detail
        detail = detail or f"{file.stat().st_size / 1024**2:.1f} MiB in {file}"
    if writable:
        return Finding(subject="telemetry store", verdict=Verdict.WELL, detail=detail)
    return Finding(
        subject="telemetry store",
        verdict=Verdict.WRONG,
        detail=detail,
        remedy=f"make {layout.data_dir} writable for this user, or set SIGHTLINE_DATA_DIR",
    )


def _store_problem(file: Path) -> str:
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=2.0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        finally:
            connection.close()
    except sqlite3.Error as error:
        return f"{file} cannot be written: {error}"
    return ""


def _spool(layout: Layout) -> Finding:
    spool = layout.data_dir / "spool"
    size = sum(file.stat().st_size for file in spool.rglob("*") if file.is_file())
    detail = f"{size / 1024**2:.1f} MiB wait to be delivered"
    if size < _MUCH_SPOOL_BYTES:
        return Finding(subject="spool", verdict=Verdict.WELL, detail=detail)
    return Finding(
        subject="spool",
        verdict=Verdict.LACKING,
        detail=detail,
        remedy="see with `sightline status` whether Loki is well; the spool empties by itself once it is",
    )


def _nearest(path: Path) -> Path:
    """The path, or the nearest directory above it that exists."""
    return next(candidate for candidate in (path, *path.parents) if candidate.is_dir())
