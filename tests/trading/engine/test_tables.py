"""The migrations make the very tables that the engine works with."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from services.kit.database import Database
from services.trading.engine.tables import METADATA


def test_the_migrated_tables_are_as_the_code_has_them(database: Database) -> None:
    with database.reading() as connection:
        ours = {table.name for table in METADATA.tables.values()}
        options = {
            "include_object": lambda _made, name, kind, *_: kind != "table" or name in ours,
            "compare_type": True,
        }
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
    assert differences == []
