"""Group commit: one flush of the disk for all who wait at the same time, and never one that began too early."""

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from services.kit import shared_sync
from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.kit.shared_sync import SharedSync, sync_file

WAITERS = 4
SECONDS = 5.0


class Disk:
    """A disk that takes as long as a test lets it, and fails when told."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.flushes = 0
        self.failing = False

    def flush(self) -> None:
        self.flushes += 1
        failing = self.failing
        self.begun.release()
        assert self.may_end.acquire(timeout=SECONDS)
        if failing:
            raise OSError(5, "Input/output error")


class Waiter(threading.Thread):
    """Calls `wait`, and keeps what it raised."""

    def __init__(self, sync: SharedSync) -> None:
        super().__init__()
        self._sync = sync
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._sync.wait()
        except OSError as error:
            self.error = error


def _while_one_flushes(disk: Disk, sync: SharedSync) -> tuple[Waiter, list[Waiter]]:
    """One that flushes, and others that came while it did."""
    first = Waiter(sync)
    assert disk.begun.acquire(timeout=SECONDS)
    others = [Waiter(sync) for _ in range(WAITERS)]
    deadline = time.monotonic() + SECONDS
    while len(sync._changed._waiters) < WAITERS:  # type: ignore[attr-defined]  # nothing else tells that all wait
        assert time.monotonic() < deadline
    return first, others


def test_wait_when_a_flush_runs_then_the_next_one_serves_all_who_came_meanwhile() -> None:
    disk = Disk()
    sync = SharedSync(disk.flush)
    first, others = _while_one_flushes(disk, sync)
    disk.may_end.release()
    assert disk.begun.acquire(timeout=SECONDS)
    first.join(SECONDS)
    assert [first.is_alive(), *(other.is_alive() for other in others)] == [False, *[True] * WAITERS]
    disk.may_end.release()
    for other in others:
        other.join(SECONDS)
    assert disk.flushes == 2


def test_wait_when_the_flush_fails_then_each_who_waited_for_it_hears_of_it() -> None:
    disk = Disk()
    sync = SharedSync(disk.flush)
    disk.failing = True
    disk.may_end.release(1 + WAITERS)
    waiters = [Waiter(sync) for _ in range(1 + WAITERS)]
    for waiter in waiters:
        waiter.join(SECONDS)
    assert all(waiter.error is not None for waiter in waiters)


def test_wait_when_a_flush_has_failed_then_the_next_one_is_tried_anew() -> None:
    disk = Disk()
    sync = SharedSync(disk.flush)
    disk.failing = True
    disk.may_end.release(2)
    with pytest.raises(OSError, match="Input/output"):
        sync.wait()
    disk.failing = False
    sync.wait()
    assert disk.flushes == 2


def test_sync_file_when_there_is_none_then_nothing_happens(tmp_path: Path) -> None:
    sync_file(tmp_path / "missing")


def test_sync_when_something_was_committed_then_the_log_that_holds_it_is_flushed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[str, bytes]] = []

    def note(number: int) -> None:
        path = Path(f"/proc/self/fd/{number}").resolve()
        flushed.append((path.name, path.read_bytes()))

    monkeypatch.setattr(shared_sync, "_SYNC", note)
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE notes (name TEXT)"))
        connection.execute(text("INSERT INTO notes VALUES ('a very particular name')"))
    database.sync()
    ((name, content),) = flushed
    assert name.endswith("-wal")
    assert b"a very particular name" in content


def test_sync_when_the_disk_fails_then_the_error_names_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_number: int) -> None:
        raise OSError(5, "Input/output error")

    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE notes (name TEXT)"))
    monkeypatch.setattr(shared_sync, "_SYNC", fail)
    with pytest.raises(DatabaseError, match=r"ledger\.db cannot be written to disk for good: Input/output error"):
        database.sync()


@pytest.mark.needs("initdb", "postgres")
def test_sync_when_commits_on_postgres_did_not_wait_then_their_log_is_flushed(postgres_database: Database) -> None:
    with postgres_database.transaction() as connection:
        connection.execute(text("CREATE TABLE notes (name TEXT)"))
        connection.execute(text("INSERT INTO notes SELECT repeat('x', 1000) FROM generate_series(1, 1000)"))
        written = connection.execute(text("SELECT pg_current_wal_insert_lsn()")).scalar_one()
    postgres_database.sync()
    with postgres_database.reading() as connection:
        query = text("SELECT pg_current_wal_flush_lsn() >= CAST(:written AS pg_lsn)")
        assert connection.execute(query, {"written": written}).scalar_one()
