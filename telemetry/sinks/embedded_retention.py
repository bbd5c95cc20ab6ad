"""Keeps the embedded store within its age and size: oldest first, in small steps, by one process at a time."""

import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass

from telemetry.sinks.embedded_file import StoreFile
from telemetry.sinks.embedded_text import drop_unused

INTERVAL_SECONDS = 60.0
LEASE_SECONDS = 150.0
BUDGET_SECONDS = 0.25  # the thread that delivers telemetry waits this long at most, then goes on with its work
LOG_STEP_ROWS = 2_000
TRACE_STEP_ROWS = 200
SAMPLE_STEP_MS = 3_600_000
FREE_PAGES_KEPT = 1_024
VACUUM_STEP_PAGES = 500
SIZE_TARGET_RATIO = 0.95
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the store may keep."""

    retention_seconds: float
    max_bytes: int


class Upkeep:
    """Prunes from time to time, on the thread of whichever writer comes by."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._holder = secrets.token_hex(8)
        self._turn = threading.Lock()
        self._next_at = 0.0

    def run_if_due(self, file: StoreFile, now_ns: int) -> None:
        """Do a bounded piece of work if a minute has passed and no other process does it. Raises sqlite3.Error."""
        if time.monotonic() < self._next_at or not self._turn.acquire(blocking=False):
            return
        try:
            self._next_at = time.monotonic() + INTERVAL_SECONDS
            if self._lease(file, now_ns) and not self.run(file, now_ns):
                self._next_at = time.monotonic() + 1.0
        finally:
            self._turn.release()

    def run(self, file: StoreFile, now_ns: int, budget_seconds: float = BUDGET_SECONDS) -> bool:
        """Prune until nothing is left to do (True) or the budget is spent (False)."""
        deadline = time.monotonic() + budget_seconds
        horizon_ns = now_ns - int(self._limits.retention_seconds * 1e9)
        while _oldest_ns(file.connection()) < horizon_ns:
            _prune_step(file, horizon_ns)
            if time.monotonic() > deadline:
                return False
        if _used_bytes(file.connection()) > self._limits.max_bytes:
            while _used_bytes(file.connection()) > self._limits.max_bytes * SIZE_TARGET_RATIO:
                if not _prune_step(file, _NEVER_NS):
                    break
                if time.monotonic() > deadline:
                    return False
        return _vacuum(file.connection(), deadline)

    def _lease(self, file: StoreFile, now_ns: int) -> bool:
        with file.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO leases (name, holder, expires_ns) VALUES ('upkeep', ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_ns = excluded.expires_ns "
                "WHERE leases.holder = excluded.holder OR leases.expires_ns < ?",
                (self._holder, now_ns + int(LEASE_SECONDS * 1e9), now_ns),
            )
            return cursor.rowcount == 1


_NEVER_NS = 2**63 - 1
_OLDEST = {
    "logs": "SELECT min(time_ns) FROM logs",
    "traces": "SELECT min(start_ns) FROM traces",
    # The key begins with the series, so the oldest sample is found by one probe for each series.
    "samples": "SELECT min((SELECT min(time_ms) FROM samples WHERE series_id = series.id)) * 1000000 FROM series",
}


def _oldest(connection: sqlite3.Connection) -> tuple[int, str]:
    found = ((connection.execute(sql).fetchone()[0], table) for table, sql in _OLDEST.items())
    return min(((_NEVER_NS if oldest is None else oldest, table) for oldest, table in found), default=(_NEVER_NS, ""))


def _oldest_ns(connection: sqlite3.Connection) -> int:
    return _oldest(connection)[0]


def _used_bytes(connection: sqlite3.Connection) -> int:
    def pragma(name: str) -> int:
        value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")


def _prune_step(file: StoreFile, before_ns: int) -> bool:
    """Delete a little of what is oldest, and nothing that is younger than `before_ns`; False when there is none."""
    with file.transaction() as connection:
        oldest_ns, table = _oldest(connection)
        if oldest_ns >= before_ns:
            return False
        if table == "logs":
            _prune_logs(connection, before_ns)
        elif table == "traces":
            _prune_traces(connection, before_ns)
        else:
            _prune_samples(connection, min(before_ns // _NS_PER_MS + 1, oldest_ns // _NS_PER_MS + SAMPLE_STEP_MS))
    return True


def _prune_logs(connection: sqlite3.Connection, before_ns: int) -> None:
    connection.execute(
        "DELETE FROM logs WHERE id IN ("
        "SELECT id FROM logs INDEXED BY logs_by_time WHERE time_ns < ? ORDER BY time_ns LIMIT ?)",
        (before_ns, LOG_STEP_ROWS),
    )
    drop_unused(connection)


def _prune_traces(connection: sqlite3.Connection, before_ns: int) -> None:
    doomed = connection.execute(
        "SELECT id FROM traces WHERE start_ns < ? ORDER BY start_ns LIMIT ?", (before_ns, TRACE_STEP_ROWS)
    ).fetchall()
    connection.executemany("DELETE FROM spans WHERE trace = ?", doomed)
    connection.executemany("DELETE FROM traces WHERE id = ?", doomed)


def _prune_samples(connection: sqlite3.Connection, before_ms: int) -> None:
    # Rows of `series` stay: writers remember their numbers, and there are never many.
    series = connection.execute("SELECT id FROM series").fetchall()
    connection.executemany(
        "DELETE FROM samples WHERE series_id = ? AND time_ms < ?", [(number, before_ms) for (number,) in series]
    )


def _vacuum(connection: sqlite3.Connection, deadline: float) -> bool:
    while connection.execute("PRAGMA freelist_count").fetchone()[0] > FREE_PAGES_KEPT:
        connection.execute(f"PRAGMA incremental_vacuum({VACUUM_STEP_PAGES})").fetchall()
        if time.monotonic() > deadline:
            return False
    return True
