"""SQLite as Sightline uses it: WAL, one writer at a time, readers that never wait for it."""

import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from services.kit.prepared import run_text
from telemetry.private_file import make_private_file

DURABLE = "sightline_durable"
_SYNCHRONOUS = "sightline_synchronous"
_WAL_LIMIT_BYTES = 64 * 1024 * 1024


def writing_engine(url: URL, busy_timeout_seconds: float) -> Engine:
    """An engine of one connection whose transactions take the write lock when they begin.

    Taking it later would let two readers that both turn writers end in a busy error that waiting cannot cure. One
    connection, because SQLite has one writer anyway; `Database` hands it on in turns, where SQLite's own busy handler
    polls and a pool gives it to whoever asks at the right moment.
    """
    engine = _engine(url, busy_timeout_seconds, connections=1, read_only=False)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def reading_engine(url: URL, busy_timeout_seconds: float, connections: int) -> Engine:
    """An engine whose transactions see one consistent snapshot and cannot write."""
    engine = _engine(url, busy_timeout_seconds, connections=connections, read_only=True)
    event.listen(engine, "begin", _begin_deferred)
    return engine


def _engine(url: URL, busy_timeout_seconds: float, *, connections: int, read_only: bool) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=busy_timeout_seconds,
        hide_parameters=True,
        # The driver must not begin transactions of its own: the begin events do, in the mode that each engine needs.
        connect_args={"timeout": busy_timeout_seconds, "isolation_level": None, "check_same_thread": False},
    )

    def prepare_file(*_: object) -> None:
        _make_private(Path(str(url.database)))

    def prepare_connection(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")

    event.listen(engine, "do_connect", prepare_file)
    event.listen(engine, "connect", prepare_connection)
    return engine


def _make_private(path: Path) -> None:
    # SQLite gives the -wal and -shm files the mode of the database file.
    make_private_file(path)
    path.chmod(0o600)


def _begin_immediate(connection: Connection) -> None:
    wanted = "FULL" if connection.info.get(DURABLE) else "NORMAL"
    # SQLite refuses to change this inside a transaction, so it is set just before.
    if connection.info.get(_SYNCHRONOUS, "NORMAL") != wanted:
        run_text(connection, f"PRAGMA synchronous = {wanted}", {})
        connection.info[_SYNCHRONOUS] = wanted
    run_text(connection, "BEGIN IMMEDIATE", {})


def _begin_deferred(connection: Connection) -> None:
    run_text(connection, "BEGIN", {})
