"""A hundred thousand orders that have ended cost a start and a submit nothing: neither rows nor plans."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, insert, select, text, update
from sqlalchemy.pool import Pool

from services.kit.database import Database
from services.trading.orders.tables import INTENTS, ORDERS
from tests.trading.orders.support import ALPHA, House, intent, open_database

pytestmark = pytest.mark.slow

DOUBLINGS = 17  # 131,072 orders
WORKING = 3
_NAMES = {"client_order_id", "intent_id", "venue_order_id"}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A book with a few orders that work, and with very many that have ended."""
    database = open_database(tmp_path_factory.mktemp("full") / "trading.db")
    house = House(database)
    house.begun()
    _end(database)
    for _ in range(WORKING):
        house.opened()
    house.crash()
    yield house
    database.close()


def _end(database: Database) -> None:
    """Make the one order an ended one of long ago, and double it under other names until there are enough."""
    ended = {"status": "filled", "standing": "open", "ended_at_us": 1, "submitted_at_us": 1, "venue_order_id": "old"}
    with database.transaction() as connection:
        connection.execute(update(ORDERS).values(ended))
        for doubling in range(DOUBLINGS):
            for table in (ORDERS, INTENTS):
                columns = [column + f"-{doubling}" if column.name in _NAMES else column for column in table.columns]
                names = [column.name for column in table.columns]
                connection.execute(insert(table).from_select(names, select(*columns)))
        connection.execute(text("ANALYZE"))


@pytest.fixture
def statements(full: House) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that SQLite runs, its parameters written into it."""
    seen: list[tuple[str, Any]] = []
    traced: list[sqlite3.Connection] = []

    def trace(connection: sqlite3.Connection, *_: object) -> None:
        traced.append(connection)
        connection.set_trace_callback(lambda statement: seen.append((statement, ())))

    full.database.close()  # so that every connection is a new one
    event.listen(Pool, "checkout", trace)
    yield seen
    event.remove(Pool, "checkout", trace)
    for connection in traced:
        connection.set_trace_callback(None)


def _scans(house: House, statements: list[tuple[str, Any]]) -> list[str]:
    """What the plans of these statements read from end to end."""
    plans: list[str] = []
    with house.database.reading() as connection:
        for statement, parameters in list(statements):
            if statement.startswith(("SELECT", "UPDATE", "INSERT", "DELETE")):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans += [row[3] for row in rows if row[3].startswith("SCAN")]
    return plans


def test_a_start_reads_what_works_and_nothing_else(full: House, statements: list[tuple[str, Any]]) -> None:
    working = len(full.book.working.orders())
    full.crash()
    assert (len(full.book.working.orders()), working >= WORKING) == (working, True)
    # An index on working orders alone is read whole: it is as long as they are many.
    assert _scans(full, statements) == ["SCAN orders USING INDEX orders_working"]


def test_the_whole_way_of_an_order_reads_no_table_from_end_to_end(
    full: House, statements: list[tuple[str, Any]]
) -> None:
    order, _ = full.book.begin(intent(), ALPHA, 0)
    full.opened()
    full.book.of_intent(order.intent_id)
    full.fills(order, 4, 4)
    full.book.cancel_requested(order.client_order_id, "kim")
    full.fills(order, 6, 10)
    full.compares(full.says(order))
    assert len(statements) > 40
    assert _scans(full, statements) == []


def test_a_submit_takes_few_statements(full: House, statements: list[tuple[str, Any]]) -> None:
    full.opened()
    ours = [statement for statement, _ in statements if statement.startswith(("SELECT", "UPDATE", "INSERT"))]
    assert len(ours) <= 8
