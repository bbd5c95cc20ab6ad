"""The embedded store's file: its tables, and how a process opens it.

One SQLite file holds the telemetry of all services of a host. The text index (`embedded_text`) costs half of the
write rate (57,000 rows/s against 120,000, in SQLite alone) and 40 % more file, and turns a search for rare text in
100,000 lines from 37 ms into under one. It keeps no positions, because every hit is checked against the line: with
them the rate would be 43,000 and the file half as large again.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from telemetry.private_file import make_private_file
from telemetry.sinks.embedded_text import searchable

BUSY_TIMEOUT_SECONDS = 2.0
SCHEMA_VERSION = 1

# A line is identified by its stream, its time and a digest of the rest, so a batch that is replayed after an unclear
# outcome changes nothing. Loki does the same. The index that says so is the one that windows are read by.
_VERSION_1 = """
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    service_name TEXT NOT NULL,
    env TEXT NOT NULL,
    level TEXT NOT NULL,
    logger TEXT NOT NULL,
    UNIQUE (service_name, env, level, logger)
);
CREATE TABLE logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns INTEGER NOT NULL,
    stream_id INTEGER NOT NULL REFERENCES streams,
    digest INTEGER NOT NULL,
    trace_id BLOB,
    span_id BLOB,
    line TEXT NOT NULL,
    fields TEXT
);
CREATE UNIQUE INDEX logs_by_time ON logs (time_ns, stream_id, digest);
CREATE INDEX logs_by_trace ON logs (trace_id, time_ns) WHERE trace_id IS NOT NULL;
CREATE TABLE text_segments (
    number INTEGER PRIMARY KEY,
    first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL,
    oldest_ns INTEGER NOT NULL,
    newest_ns INTEGER NOT NULL
);
CREATE TABLE traces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    trace_id BLOB NOT NULL UNIQUE,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    root_service_name TEXT NOT NULL DEFAULT '',
    root_name TEXT NOT NULL DEFAULT ''
);
CREATE INDEX traces_by_start ON traces (start_ns);
CREATE TABLE spans (
    trace INTEGER NOT NULL REFERENCES traces,
    span_id BLOB NOT NULL,
    parent_span_id BLOB,
    service_name TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    status_message TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (trace, span_id)
) WITHOUT ROWID;
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    metric TEXT NOT NULL,
    labels TEXT NOT NULL,
    UNIQUE (metric, labels)
);
CREATE TABLE samples (
    series_id INTEGER NOT NULL REFERENCES series,
    time_ms INTEGER NOT NULL,
    value REAL,
    PRIMARY KEY (series_id, time_ms)
) WITHOUT ROWID;
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    expires_ns INTEGER NOT NULL
) WITHOUT ROWID;
"""

_MIGRATIONS = (_VERSION_1,)


class StoreVersionError(Exception):
    """The file was written by a newer release."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the store, making directory (0700), file (0600) and tables where they are missing.

    Safe for any number of processes at once. Raises sqlite3.Error, OSError, TimeoutError or StoreVersionError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _creation_lock(path):
        make_private_file(path)  # SQLite gives its -wal and -shm files the mode of the main one
        connection = _connect(f"{path.absolute().as_uri()}?mode=rw")
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open an existing store without being able to change it. Raises sqlite3.Error or StoreVersionError."""
    connection = _connect(f"{path.absolute().as_uri()}?mode=ro")
    try:
        _check_version(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(uri: str) -> sqlite3.Connection:
    # One thread at a time uses a connection, but not always the same one.
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)


def _version(connection: sqlite3.Connection) -> int:
    with closing(connection.execute("PRAGMA user_version")) as rows:
        version: int = rows.fetchone()[0]
    return version


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise StoreVersionError(f"{path} was written by a newer release: upgrade this one, or move the file away")
    return version


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.create_function("searchable", 1, searchable, deterministic=True)
    version = _check_version(connection, path)
    if version == 0:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # can only be chosen before the first table
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    # Four times the default: checkpoints cost a few per cent of the write rate less.
    connection.execute("PRAGMA wal_autocheckpoint=4000")
    connection.execute("PRAGMA journal_size_limit=67108864")
    # Some builds overwrite what is deleted; secrets are blanked before they come here, so that buys nothing.
    connection.execute("PRAGMA secure_delete=OFF")
    for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN EXCLUSIVE; {script} PRAGMA user_version={number}; COMMIT;")


@contextmanager
def _creation_lock(path: Path) -> Iterator[None]:
    """Let one process at a time make the file: SQLite refuses, without waiting, to switch to WAL in a race."""
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(handle, path)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    pause = threading.Event()
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} is being opened by another process that does not finish") from None
            pause.wait(0.01)
        else:
            return
