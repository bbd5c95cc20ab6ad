"""Where studies are kept: in files of this machine, or in a database that many workers share."""

import fcntl
import json
import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy import make_url, text
from sqlalchemy.exc import ArgumentError

from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.database_errors import DatabaseUrlError
from services.trading.tuning.errors import StudyBusyError
from services.trading.tuning.ledger import VERSIONS, Ledger

_SERVICE: Final = "tuning"
_SAMPLER_SCHEMA: Final = "tuning_sampler"


class Home(Protocol):
    """Keeps the ledger and what the sampler remembers.

    Attributes:
        shared: Whether other workers may be at the same study.
        worker: A number that differs between workers, for their seeds.
        ledger: Of all studies that are kept here.
    """

    @property
    def shared(self) -> bool: ...

    @property
    def worker(self) -> int: ...

    @property
    def ledger(self) -> Ledger: ...

    def storage(self, study: str) -> AbstractContextManager[BaseStorage]:
        """What the sampler remembers of a study, while this worker is at it.

        Raises:
            StudyBusyError: Another process is, where they cannot share.
        """

    def close(self) -> None:
        """Give what is open back."""


@contextmanager
def opened(url: str, directory: Path, clock: Clock) -> Iterator[Home]:
    """The home at a database's URL, or in a directory where the URL is empty.

    Raises:
        DatabaseUrlError: The URL is none that can be used.
        DatabaseError: The database cannot be reached, or the ledger not be made.
    """
    home: Home = DatabaseHome(url, clock) if url else FileHome(directory, clock)
    try:
        yield home
    finally:
        home.close()


class FileHome:
    """Files in one directory: a ledger, and a journal for each study. One process at a time works on a study.

    Args:
        directory: Made if it is missing.
        clock: For the ledger.

    Raises:
        DatabaseError: The ledger cannot be made or read.
    """

    shared = False
    worker = 0

    def __init__(self, directory: Path, clock: Clock) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._database = _migrated(f"sqlite:///{directory / 'ledger.db'}")
        self.ledger = Ledger(self._database, clock)

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def storage(self, study: str) -> Iterator[BaseStorage]:
        journal = self._directory / f"{study}.journal"
        with (self._directory / f"{study}.lock").open("a+") as lock:
            _take(lock.fileno(), study)
            _without_torn_end(journal)
            _be_quiet()
            yield JournalStorage(_Journal(journal))


class DatabaseHome:
    """A Postgres that several workers share.

    Args:
        url: Such as `postgresql://user@host/name`; SQLite is refused, it is what files are for.
        clock: For the ledger.

    Raises:
        DatabaseUrlError: The URL is none that can be used.
        DatabaseError: The database cannot be reached.
    """

    shared = True

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = _postgres_url(url)
        self._database = _migrated(self._url)
        self.ledger = Ledger(self._database, clock)
        self.worker = zlib.crc32(f"{socket.gethostname()}:{os.getpid()}".encode())

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def storage(self, study: str) -> Iterator[BaseStorage]:  # noqa: ARG002 -- all studies are in the same tables
        with self._database.transaction() as connection:
            # Workers that start together would make the sampler's tables at the same time.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:study, 0))"), {"study": _SERVICE})
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {_SAMPLER_SCHEMA}"))
        _be_quiet()
        with self._database.transaction() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:study, 0))"), {"study": _SERVICE})
            options = {"connect_args": {"options": f"-csearch_path={_SAMPLER_SCHEMA}"}}
            storage = RDBStorage(make_url(self._url).render_as_string(hide_password=False), engine_kwargs=options)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()


class _Journal(JournalFileBackend):
    """Written without waiting for the disk, which the sampler would do seven times a trial.

    The end of the process loses nothing. What a power cut may lose, the ledger has, and gives back.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), lock_obj=_HeldLock(str(path)))
        self._path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self._path.open("ab") as file:
            file.write(b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs))


class _HeldLock(JournalFileOpenLock):
    """Nothing to take: the whole study is locked for as long as it is open, by a lock that ends with the process."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _take(lock: int, study: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        raise StudyBusyError(
            f"Process {holder} works on {study}. Wait until it ends, or give all workers one Postgres by --storage."
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)


def _without_torn_end(journal: Path) -> None:
    # A crash may end in the middle of a line; what is added to half a line could never be read again.
    if not journal.exists():
        return
    with journal.open("r+b") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)


def _migrated(url: str) -> Database:
    database = Database(url, service=_SERVICE, versions=(VERSIONS,))
    database.migrate()
    return database


def _postgres_url(url: str) -> str:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise DatabaseUrlError(
            "Workers share a Postgres: postgresql://user@host/name. Without --storage a study is kept in files."
        )
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _be_quiet() -> None:
    # The sampler tells every trial by itself; so does our progress.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
