"""The migrations make the very tables that the book works with."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from services.kit.database import Database
from services.trading.orders.tables import METADATA


def test_tables_when_migrated_then_they_are_as_the_code_has_them(database: Database) -> None:
    with database.reading() as connection:
        ours = {table.name for table in METADATA.tables.values()}
        options = {
            "include_object": lambda _made, name, kind, *_: kind != "table" or name in ours,
            "compare_type": True,
        }
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
    assert differences == []
