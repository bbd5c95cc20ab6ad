"""What was started, written down so that `status` and `down` need not guess; and the lock that keeps commands apart."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from services.console.stack.errors import StackError
from services.console.stack.files import write_atomically
from services.console.stack.plan import Plan

_FILE_NAME = "stack.json"
_LOCK_NAME = "lock"


class Unit(BaseModel):
    """One started component: what is needed to see whether it is well, and to stop it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    purpose: str
    ready: str
    ports: Mapping[str, int]
    depends_on: tuple[str, ...]
    stop_seconds: int

    @property
    def port(self) -> int:
        """The main port."""
        return next(iter(self.ports.values()))


class RunRecord(BaseModel):
    """A run of the platform.

    Attributes:
        units: The components of a native run, each after those it depends on; empty with Docker.
        configuration: Digest of every file that the run was started from.
        code: Digest of our own source at the start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["native", "docker"]
    units: tuple[Unit, ...] = ()
    configuration: str = ""
    code: str = ""

    def save(self, run_dir: Path) -> None:
        """Write the record in place of the one before."""
        write_atomically(run_dir / _FILE_NAME, self.model_dump_json(indent=2).encode(), mode=0o600)

    @staticmethod
    def load(run_dir: Path) -> "RunRecord | None":
        """The record of the run that goes on, None when there is none. Raises StackError when it cannot be read."""
        file = run_dir / _FILE_NAME
        if not file.exists():
            return None
        try:
            return RunRecord.model_validate_json(file.read_bytes())
        except (ValidationError, OSError) as error:
            raise StackError(
                f"the record of what was started, {file}, cannot be read: {type(error).__name__}",
                remedy=f"remove {file}, then run `sightline down`",
            ) from error

    @staticmethod
    def remove(run_dir: Path) -> None:
        """Forget the run."""
        (run_dir / _FILE_NAME).unlink(missing_ok=True)


def units_of(plan: Plan) -> tuple[Unit, ...]:
    """The units of a plan, in its order."""
    return tuple(
        Unit(
            name=process.name,
            purpose=process.component.purpose,
            ready=process.ready,
            ports=process.ports,
            depends_on=process.depends_on,
            stop_seconds=process.component.stop_seconds,
        )
        for process in plan.processes
    )


@contextmanager
def exclusively(run_dir: Path) -> Iterator[None]:
    """Keep a second `up` or `down` out while one works. Raises StackError when another is at work."""
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (run_dir / _LOCK_NAME).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise StackError(
                f"another sightline command (pid {lock.read().strip() or 'unknown'}) is starting or stopping the"
                " platform",
                remedy="wait until it has ended, then try again",
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
