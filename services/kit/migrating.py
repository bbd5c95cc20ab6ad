"""Alembic, called from the program: the kit's migrations and a service's own, in one transaction under a lock."""

import logging
from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, text

from services.kit.database_errors import DatabaseNewerError, place_of

_log = logging.getLogger("services.kit.migrating")
_HOME = Path(__file__).parent / "migrations"
_WAIT_FOR_OTHERS_MILLISECONDS = 60_000


def upgrade(connection: Connection, *, service: str, versions: Sequence[Path], url: URL) -> None:
    """Bring every branch to its head, inside the transaction that `connection` is in.

    Raises:
        DatabaseNewerError: The database holds a revision that this code does not know.
    """
    _lock(connection, service)
    # Alembic says in several lines at each start that there was nothing to do; we say when there was.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = _config(versions)
    before = _heads(connection)
    _refuse_newer(before, ScriptDirectory.from_config(config), url)
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")
    after = _heads(connection)
    if after != before:
        _log.info("migrated %s from %s to %s", place_of(url), _listed(before) or "nothing", _listed(after))


def prepare_schema(connection: Connection, service: str) -> None:
    """Make the service's Postgres schema where it is missing."""
    _lock(connection, service)
    quoted = connection.dialect.identifier_preparer.quote_identifier(service)
    exists = connection.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": service}).scalar()
    if not exists:
        connection.execute(text(f"CREATE SCHEMA {quoted}"))


def _lock(connection: Connection, service: str) -> None:
    # On SQLite the transaction holds the only write lock already.
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = {_WAIT_FOR_OTHERS_MILLISECONDS}"))
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
            {"name": f"sightline migrations {service}"},
        )


def _config(versions: Sequence[Path]) -> Config:
    config = Config()
    config.set_main_option("script_location", _escape(_HOME))
    config.set_main_option("path_separator", "newline")
    places = [_HOME / "versions", *versions]
    config.set_main_option("version_locations", "\n".join(_escape(place) for place in places))
    return config


def _escape(path: Path) -> str:
    return str(path).replace("%", "%%")


def _heads(connection: Connection) -> frozenset[str]:
    return frozenset(MigrationContext.configure(connection).get_current_heads())


def _listed(revisions: frozenset[str]) -> str:
    return ", ".join(sorted(revisions))


def _refuse_newer(heads: frozenset[str], scripts: ScriptDirectory, url: URL) -> None:
    for revision in sorted(heads):
        try:
            scripts.get_revision(revision)
        except CommandError as error:
            raise DatabaseNewerError(
                f"The database {place_of(url)} is at revision {revision}, which this version of Sightline does not"
                " know: a newer version has migrated it. Start that version, or restore the backup made before it."
            ) from error
