"""A service's database: SQLite in a file of its own, or Postgres in a schema of its own, by URL."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.kit import migrating, sqlite_engines
from services.kit.database_errors import DatabaseError, DatabaseUrlError, in_plain_words, none_free
from services.kit.shared_sync import SharedSync, sync_file
from services.kit.turns import Turns, TurnTimeoutError

_POSTGRES_SCHEMES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_SQLITE_SCHEMES = frozenset({"sqlite", "sqlite+pysqlite"})
_USE = "Use sqlite:///path/to/file.db or postgresql://user@host/name."


class Database:
    """Transactions on one database. Synchronous: asynchronous code calls it through `asyncio.to_thread`.

    Args:
        url: `sqlite:///file` or `postgresql://user:password@host/name`.
        service: Name of the service; on Postgres, also of the schema that holds its tables.
        versions: Directories of the service's own migrations; the kit's are always included.
        connections: At most this many connections in use at once (SQLite: for reading).
        busy_timeout_seconds: How long to wait for a lock or for a free connection.

    Raises:
        DatabaseUrlError: The URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        versions: Sequence[Path] = (),
        connections: int = 8,
        busy_timeout_seconds: float = 5.0,
    ) -> None:
        self._url = _parse(url)
        self._service = service
        self._versions = tuple(versions)
        self._busy_timeout_seconds = busy_timeout_seconds
        self._turns = Turns()
        self._kept: Connection | None = None
        self._log: Path | None = None  # of SQLite, once it was asked for: finding it takes eight calls of the system
        self._shared_sync = SharedSync(self._sync_now)
        if self._url.get_backend_name() == "sqlite":
            self._writing = sqlite_engines.writing_engine(self._url, busy_timeout_seconds)
            self._reading = sqlite_engines.reading_engine(self._url, busy_timeout_seconds, connections)
        else:
            self._writing = _postgres_engine(self._url, service, connections, busy_timeout_seconds)
            self._reading = self._writing.execution_options(postgresql_readonly=True)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._url.get_backend_name()

    def migrate(self) -> None:
        """Bring the tables up to date; of several processes that start at once, one does it and the others wait.

        Raises:
            DatabaseNewerError: A newer Sightline has migrated this database.
            DatabaseError: It cannot be reached or written.
        """
        if self.dialect == "postgresql":
            with self._in_plain_words(), self._writing.begin() as connection:
                migrating.prepare_schema(connection, self._service)
            # The driver learns its default schema at the first connection, which may have come before the schema.
            self._writing.dispose()
        with self.transaction(durable=True) as connection:
            migrating.upgrade(connection, service=self._service, versions=self._versions, url=self._url)

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction that may write; committed at the end of the block, rolled back when the block raises.

        Args:
            durable: Return only when the commit would survive a power cut. Otherwise it survives the end of the
                process, but the last moments before a power cut may be lost; never is the database damaged.

        Raises:
            DatabaseError: The database is locked, full or away. Errors of a statement come as SQLAlchemy raises them.
        """
        if self.dialect == "sqlite":
            with self._turn(), self._in_plain_words(), self._kept_connection() as connection:
                connection.info[sqlite_engines.DURABLE] = durable
                with connection.begin():
                    yield connection
            return
        with self._in_plain_words(), self._writing.connect() as connection, connection.begin():
            connection.exec_driver_sql(f"SET LOCAL synchronous_commit TO {'on' if durable else 'off'}")
            yield connection

    def sync(self) -> None:
        """Return when all that was committed before this call would survive a power cut.

        A durable transaction keeps every other writer waiting while the disk writes. Committing without and then
        calling this does not, and all threads that call it at the same time wait for one flush.

        Raises:
            DatabaseError: The database is away, or the disk failed: what was committed may be lost in a power cut.
        """
        self._shared_sync.wait()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that cannot write; on SQLite it never waits for a writer.

        Raises:
            DatabaseError: As for `transaction`.
        """
        with self._in_plain_words(), self._reading.connect() as connection, connection.begin():
            yield connection

    def ping(self) -> None:
        """Make sure that the database answers.

        Raises:
            DatabaseError: It does not.
        """
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give all connections back, once whoever writes has ended. A later call opens new ones."""
        if self.dialect == "sqlite":
            with suppress(DatabaseError), self._turn():
                self._give_up_kept()
        self._reading.dispose()
        self._writing.dispose()

    def _sync_now(self) -> None:
        if self.dialect == "postgresql":
            # Its commit waits until the log is on disk up to its own place, which is after all that came before.
            with self.transaction(durable=True) as connection:
                connection.exec_driver_sql("SELECT pg_logical_emit_message(true, 'sightline', '')")
            return
        # Commits are in the write-ahead log, or SQLite has synced and moved them into the database before it began
        # the log anew. It syncs the log's header itself, so that a log that was synced can be read.
        path = Path(str(self._url.database))
        try:
            if self._log is None:
                real = path.resolve()
                self._log = real.with_name(f"{real.name}-wal")
            sync_file(self._log)
        except OSError as error:
            raise DatabaseError(
                f"The database {path} cannot be written to disk for good: {error.strerror}. Check the disk."
            ) from error

    @contextmanager
    def _kept_connection(self) -> Iterator[Connection]:
        """The one connection that writes to SQLite: taking it out of a pool and back costs as much as a small write.

        Whoever has the turn has it. It is given up when anything goes wrong with it.
        """
        connection = self._kept or self._writing.connect()
        self._kept = None
        with ExitStack() as unless_well:
            unless_well.callback(connection.close)
            yield connection
            unless_well.pop_all()
        self._kept = connection

    def _give_up_kept(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """SQLite has one writer at a time: the threads of this process queue up for it."""
        with ExitStack() as held:
            try:
                held.enter_context(self._turns.turn(timeout_seconds=self._busy_timeout_seconds))
            except TurnTimeoutError:
                raise none_free(self._url) from None
            yield

    def _in_plain_words(self) -> AbstractContextManager[None]:
        return _translating(self._url)


@contextmanager
def _translating(url: URL) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        known = in_plain_words(error, url)
        if known is None:
            raise
        raise known from error
    except OSError as error:
        # Making the file or its directory failed; a caller's own OSError has another file name and passes on.
        if url.get_backend_name() != "sqlite" or not _concerns(error, url):
            raise
        raise DatabaseError(
            f"The database {url.database} cannot be created: {error.strerror}. Check its directory."
        ) from error


def _concerns(error: OSError, url: URL) -> bool:
    database = Path(str(url.database))
    return error.filename is not None and Path(str(error.filename)) in {database, *database.parents}


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseUrlError(f"The database URL cannot be read. {_USE}") from None
    if parsed.drivername in _SQLITE_SCHEMES:
        if parsed.database in {None, "", ":memory:"}:
            raise DatabaseUrlError(f"The database URL names no file. {_USE}")
        return parsed
    if parsed.drivername in _POSTGRES_SCHEMES:
        return parsed.set(drivername="postgresql+psycopg")
    raise DatabaseUrlError(f"Sightline has no driver for {parsed.drivername!r} databases. {_USE}")


def _postgres_engine(url: URL, service: str, connections: int, busy_timeout_seconds: float) -> Engine:
    milliseconds = int(busy_timeout_seconds * 1000)
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=busy_timeout_seconds,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "connect_timeout": max(2, int(busy_timeout_seconds)),
            "application_name": f"sightline-{service}",
            "options": f"-c search_path={service} -c lock_timeout={milliseconds}",
        },
    )
