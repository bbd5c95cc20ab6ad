"""Rows of the books, written as they change and read once at the start."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from services.contracts.market import Bar, Instrument, Symbol
from services.venue.broker.accounts import PaperAccount
from services.venue.broker.books import Books, Changes
from services.venue.broker.orders import Execution, PaperOrder
from services.venue.broker.tables import ACCOUNTS, EXECUTIONS, MARKETS, ORDERS

_Row = dict[str, object]
Rows = dict[str, dict[str, _Row]]
"""Rows by table and key within the venue."""


@dataclass(frozen=True, slots=True)
class Market:
    """What is stored of a symbol."""

    instrument: Instrument
    bar: Bar | None


_TABLES: Final = (ACCOUNTS, ORDERS, EXECUTIONS, MARKETS)
_ACCOUNT: Final = TypeAdapter(PaperAccount)
_ORDER: Final = TypeAdapter(PaperOrder)
_EXECUTION: Final = TypeAdapter(Execution)
_MARKET: Final = TypeAdapter(Market)


def rows_of(venue: str, changes: Changes, instruments: Mapping[Symbol, Instrument], books: Books) -> Rows:
    """Changes as rows, made at once: what is written later is how things stand now."""
    return {
        "paper_accounts": {
            each.account_id: _row(_ACCOUNT, each, venue=venue, account_id=each.account_id)
            for each in changes.accounts.values()
        },
        "paper_orders": {each.order_id: _order_row(venue, each) for each in changes.orders.values()},
        "paper_executions": {
            each.execution_id: _row(
                _EXECUTION, each, venue=venue, execution_id=each.execution_id, sequence=each.sequence
            )
            for each in changes.executions.values()
        },
        "paper_markets": {
            symbol: _row(
                _MARKET,
                Market(instruments[symbol], books.prices.newest(symbol)),
                venue=venue,
                symbol=symbol,
            )
            for symbol in changes.markets
        },
    }


def merge(rows: Rows, newer: Rows) -> None:
    """Put newer rows in the place of older ones of the same key."""
    for table, found in newer.items():
        rows.setdefault(table, {}).update(found)


def write(connection: Connection, rows: Rows) -> None:
    """Store rows, over those of the same key."""
    for table in _TABLES:
        found = rows.get(table.name)
        if found:
            _upsert(connection, table, found.values())


def load(connection: Connection, venue: str, books: Books) -> list[Instrument]:
    """Fill empty books with what is stored; gives the instruments."""
    for document in _documents(connection, ACCOUNTS, venue):
        books.put_account(_ACCOUNT.validate_json(document))
    instruments = []
    for document in _documents(connection, MARKETS, venue):
        market = _MARKET.validate_json(document)
        instruments.append(market.instrument)
        if market.bar is not None:
            books.prices.add(market.bar)
    for document in _documents(connection, ORDERS, venue, by="sequence"):
        books.put_order(_ORDER.validate_json(document))
    for document in _documents(connection, EXECUTIONS, venue, by="sequence"):
        books.add_execution(_EXECUTION.validate_json(document))
    books.changes = Changes()
    return instruments


def _order_row(venue: str, order: PaperOrder) -> _Row:
    return _row(
        _ORDER,
        order,
        venue=venue,
        order_id=order.order_id,
        sequence=order.sequence,
        account_id=order.account_id,
        client_order_id=order.client_order_id,
    )


def _row(adapter: TypeAdapter[Any], value: object, **columns: object) -> _Row:
    return {**columns, "document": adapter.dump_json(value).decode()}


def _upsert(connection: Connection, table: Table, rows: Iterable[_Row]) -> None:
    insert = postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = insert(table)
    statement = statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={"document": statement.excluded["document"]}
    )
    connection.execute(statement, list(rows))


def _documents(connection: Connection, table: Table, venue: str, *, by: str | None = None) -> Iterable[str]:
    query = select(table.c.document).where(table.c.venue == venue)
    if by is not None:
        query = query.order_by(table.c[by])
    return connection.execute(query).scalars()
