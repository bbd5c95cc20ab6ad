"""What can be wrong with a database, in words that say what to do and never hold the URL's password."""

import sqlite3

import psycopg
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.kit.errors import StartError, UnavailableError


class DatabaseError(UnavailableError):
    """The database cannot do its work now; the caller's statement was not at fault."""

    code = "database_unavailable"
    title = "The database is not available"


class DatabaseUrlError(StartError):
    """The URL names no database that Sightline can use."""

    code = "database_url_invalid"


class DatabaseUnreachableError(DatabaseError):
    """No connection could be made, or the one in use was lost."""

    code = "database_unreachable"


class DatabaseBusyError(DatabaseError):
    """A lock or a connection was not to be had in time."""

    code = "database_busy"


class DatabaseReadOnlyError(DatabaseError):
    """A write was tried where only reading is possible."""

    code = "database_read_only"


class DatabaseFullError(DatabaseError):
    """No space is left for the database."""

    code = "database_full"


class DatabaseNewerError(StartError):
    """The database was migrated by a newer Sightline than this one."""

    code = "database_newer"


_DAMAGED = (DatabaseUnreachableError, "The file {place} is damaged or no database. Restore it from a backup.")
_LOCKED = (DatabaseBusyError, "The database {place} stayed locked by another writer. Try again.")
_NOT_WRITABLE = (
    DatabaseReadOnlyError,
    "The database {place} cannot be written here. Check its owner and mode, and that no reading transaction writes.",
)
_SQLITE: dict[int, tuple[type[DatabaseError], str]] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: (DatabaseFullError, "The disk that holds the database {place} is full. Free some space."),
    sqlite3.SQLITE_CANTOPEN: (
        DatabaseUnreachableError,
        "The database {place} cannot be opened. Check that its directory exists and is writable.",
    ),
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_IOERR: (DatabaseUnreachableError, "Reading or writing the database {place} failed. Check its disk."),
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
}


def place_of(url: URL) -> str:
    """Where the database is, without user, password or options."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    port = f":{url.port}" if url.port else ""
    return f"{url.host or 'localhost'}{port}/{url.database or ''}"


def none_free(url: URL) -> DatabaseBusyError:
    """No connection came free in time."""
    return DatabaseBusyError(
        f"No connection to the database {place_of(url)} came free in time. Look for a transaction that is held open too"
        " long, or for one opened inside another."
    )


def in_plain_words(error: DBAPIError | PoolTimeoutError, url: URL) -> DatabaseError | None:
    """The error that stands for a driver's, or None when the statement itself was wrong."""
    place = place_of(url)
    if isinstance(error, PoolTimeoutError):
        return none_free(url)
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original, place)
    if isinstance(original, psycopg.Error):
        return _of_postgres(original, place, str(url.password or ""), lost=error.connection_invalidated)
    return None


def _of_sqlite(error: sqlite3.Error, place: str) -> DatabaseError | None:
    # The primary result code is the low byte of the extended one.
    known = _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if known is None:
        return None
    kind, words = known
    return kind(words.format(place=place))


def _of_postgres(error: psycopg.Error, place: str, password: str, *, lost: bool) -> DatabaseError | None:
    state = error.sqlstate or ""
    if state in {"55P03", "40P01", "40001", "53300", "57014"}:
        return DatabaseBusyError(f"The database {place} could not give a lock or a connection in time. Try again.")
    if state == "53100":
        return DatabaseFullError(f"The disk that holds the database {place} is full. Free some space on it.")
    if state == "25006":
        kind, words = _NOT_WRITABLE
        return kind(words.format(place=place))
    refused = state.startswith(("08", "28", "57P", "3D"))
    if refused or lost or (not state and isinstance(error, psycopg.OperationalError)):
        reason = " ".join(str(error).split()) or type(error).__name__
        if password:
            reason = reason.replace(password, "***")
        return DatabaseUnreachableError(
            f"The database {place} cannot be reached: {reason}. Check that it runs and that its URL is right."
        )
    return None
