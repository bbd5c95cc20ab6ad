"""What is held, in memory: never older than the last commit that was told of."""

from decimal import Decimal

import pytest

from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.trading.desk.holdings import Holdings
from services.trading.orders.transactions import Readings
from services.trading.portfolio import store
from tests.trading.desk.support import AAPL, ALPHA
from tests.trading.portfolio.fills import fill

KEY = (ALPHA, AAPL)


class Away:
    """A database that can be away."""

    def __init__(self, database: Readings) -> None:
        self._database = database
        self.away = False
        self.asked = 0

    def reading(self):  # type: ignore[no-untyped-def]  # noqa: ANN201 -- what the database gives
        self.asked += 1
        if self.away:
            raise DatabaseError("away")
        return self._database.reading()


def _book(database: Database, quantity: int) -> None:
    with database.transaction() as connection:
        store.book(connection, fill(quantity, 100))


def _shares(holdings: Holdings) -> Decimal | None:
    held = holdings.now().get(KEY)
    return None if held is None else held.quantity


def test_what_is_held_at_the_start_is_known(database: Database) -> None:
    _book(database, 10)
    assert _shares(Holdings(database)) == 10


def test_what_a_commit_changed_is_read_again_and_what_is_closed_is_left_out(database: Database) -> None:
    holdings = Holdings(database)
    seen = [_shares(holdings)]
    for quantity in (10, -4, -6):
        _book(database, quantity)
        holdings.changed([KEY])
        seen.append(_shares(holdings))
    assert seen == [None, 10, 6, None]


def test_nothing_is_read_while_nothing_changes(database: Database) -> None:
    readings = Away(database)
    holdings = Holdings(readings)
    for _ in range(3):
        holdings.now()
    assert readings.asked == 1


def test_what_another_process_did_is_known_once_everything_is_forgotten(database: Database) -> None:
    holdings = Holdings(database)
    holdings.now()
    _book(database, 10)
    holdings.forget()
    assert _shares(holdings) == 10


def test_a_change_that_could_not_be_read_is_read_the_next_time(database: Database) -> None:
    readings = Away(database)
    holdings = Holdings(readings)
    holdings.now()
    _book(database, 10)
    holdings.changed([KEY])
    readings.away = True
    with pytest.raises(DatabaseError):
        holdings.now()
    readings.away = False
    assert _shares(holdings) == 10
