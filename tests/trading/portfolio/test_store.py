"""Positions on disk, on both databases."""

import threading
from datetime import timedelta
from decimal import Decimal
from functools import reduce
from itertools import groupby

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from services.contracts.orders import Fill
from services.kit.database import Database
from services.trading.portfolio import position as arithmetic
from services.trading.portfolio import store
from services.trading.portfolio.position import Position, cash_by_venue
from services.trading.portfolio.sessions import day_result, session_date
from services.trading.portfolio.store import Told
from services.trading.portfolio.tables import METADATA
from tests.trading.portfolio.fills import AAPL, ALPHA, BETA, MSFT, NOON, fill

TODAY = session_date(NOON)
DAY = timedelta(days=1)
KEY = (ALPHA, AAPL)


def book(database: Database, *fills: Fill) -> Position:
    with database.transaction() as connection:
        for each in fills:
            position = store.book(connection, each)
    return position


def test_tables_when_migrated_then_they_are_as_the_code_has_them(database: Database) -> None:
    with database.reading() as connection:
        ours = set(METADATA.tables)
        options = {
            "include_object": lambda _made, name, kind, *_: kind != "table" or name in ours,
            "compare_type": True,
        }
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
    assert differences == []


def test_fill_when_booked_then_the_position_is_returned_and_kept(database: Database) -> None:
    position = book(database, fill(10, 100), fill("-2.5", 104, fee="0.01"))
    assert (position.quantity, position.realised) == (Decimal("7.5"), 10)
    with database.reading() as connection:
        assert store.positions(connection) == (position,)


def test_fill_when_its_transaction_is_undone_then_nothing_is_booked(database: Database) -> None:
    def booked_and_lost() -> None:
        with database.transaction() as connection:
            store.book(connection, fill(10, 100))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        booked_and_lost()
    with database.reading() as connection:
        assert store.positions(connection) == ()
        assert store.lines(connection, TODAY) == {}


def test_positions_when_asked_for_by_venue_then_the_others_stay_out(database: Database) -> None:
    book(database, fill(1, 1), fill(2, 1, venue=BETA), fill(3, 1, symbol=MSFT))
    with database.reading() as connection:
        assert [each.quantity for each in store.positions(connection, ALPHA)] == [1, 3]
        assert len(store.positions(connection)) == 3


def test_session_when_opened_twice_then_what_it_began_with_stays(database: Database) -> None:
    book(database, fill(10, 100, at=NOON - DAY))
    with database.transaction() as connection:
        store.open_session(connection, TODAY, {AAPL: Decimal(105)})
        store.open_session(connection, TODAY, {AAPL: Decimal(200)})
        assert store.lines(connection, TODAY)[KEY].opening_price == 105


def test_day_when_opened_and_traded_then_its_result_is_of_that_day_alone(database: Database) -> None:
    book(database, fill(10, 100, at=NOON - DAY))
    with database.transaction() as connection:
        store.open_session(connection, TODAY, {AAPL: Decimal(105)})
        store.book(connection, fill(-4, 110, fee="1"))
        result = day_result(store.lines(connection, TODAY), store.positions(connection), {AAPL: Decimal(106)})
        assert result.total == 4 * 5 + 6 * 1 - 1
        assert store.realised_since(connection, TODAY - DAY) == {TODAY - DAY: 0, TODAY: 39}


def test_late_fill_when_booked_then_it_counts_to_its_own_session(database: Database) -> None:
    book(database, fill(10, 100, at=NOON - DAY))
    with database.transaction() as connection:
        store.open_session(connection, TODAY, {AAPL: Decimal(105)})
        store.book(connection, fill(10, 101, at=NOON - DAY))
        yesterday, today = store.lines(connection, TODAY - DAY)[KEY], store.lines(connection, TODAY)[KEY]
        assert (yesterday.flow, today.flow, today.opening_quantity) == (-2010, 0, 20)
        result = day_result(store.lines(connection, TODAY), store.positions(connection), {AAPL: Decimal(105)})
        assert result.total == 0


def test_day_trades_when_counted_then_by_venue_and_from_a_session_on(database: Database) -> None:
    for at in (NOON - DAY, NOON):
        book(database, fill(1, 1, at=at), fill(-1, 1, at=at))
    book(database, fill(1, 1, venue=BETA), fill(-1, 1, venue=BETA))
    with database.reading() as connection:
        assert store.day_trades(connection, TODAY - DAY) == {ALPHA: 2, BETA: 1}
        assert store.day_trades(connection, TODAY) == {ALPHA: 1, BETA: 1}
        assert store.day_trades(connection, TODAY + DAY) == {}


def test_split_when_told_twice_then_it_is_booked_once(database: Database) -> None:
    book(database, fill(10, 100, at=NOON - DAY))
    with database.transaction() as connection:
        assert store.split(connection, KEY, TODAY, Decimal(2)) is True
        assert store.split(connection, KEY, TODAY, Decimal(2)) is False
        assert store.positions(connection)[0].quantity == 20


def test_split_when_the_session_is_open_then_its_result_does_not_move(database: Database) -> None:
    book(database, fill(10, 100, at=NOON - DAY))
    with database.transaction() as connection:
        store.open_session(connection, TODAY, {AAPL: Decimal(110)})
        store.split(connection, KEY, TODAY, Decimal(2))
        result = day_result(store.lines(connection, TODAY), store.positions(connection), {AAPL: Decimal(55)})
        assert result.total == 0


@pytest.mark.parametrize("session_open", [True, False])
@pytest.mark.parametrize("theirs", ["25", "4", "0", "-3"])
def test_shares_when_adopted_then_the_day_has_earned_nothing_by_it(
    database: Database, theirs: str, *, session_open: bool
) -> None:
    book(database, fill(10, 100, at=NOON - DAY))
    with database.transaction() as connection:
        if session_open:
            store.open_session(connection, TODAY, {AAPL: Decimal(105)})
        told = Told(quantity=Decimal(theirs), average_price=Decimal(60), market_price=Decimal(105))
        position = store.adopt(connection, KEY, TODAY, told)
        assert (position.quantity, position.realised, position.cash) == (Decimal(theirs), 0, -1000)
        result = day_result(store.lines(connection, TODAY), store.positions(connection), {AAPL: Decimal(105)})
        assert result.total == 0


def test_shares_when_gone_without_a_price_then_they_leave_at_cost(database: Database) -> None:
    book(database, fill(10, 100))
    with database.transaction() as connection:
        store.adopt(connection, KEY, TODAY, Told(quantity=Decimal(0), average_price=Decimal(0)))
        assert day_result(store.lines(connection, TODAY), store.positions(connection), {}).total == 0


def test_fills_when_booked_by_many_at_once_then_none_is_lost(database: Database) -> None:
    barrier = threading.Barrier(6)

    def trade() -> None:
        barrier.wait()
        for _ in range(5):
            book(database, fill(1, 10))

    threads = [threading.Thread(target=trade) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        assert store.positions(connection)[0].quantity == 30
        assert store.lines(connection, TODAY)[KEY].flow == -300


executions = st.lists(
    st.builds(
        lambda quantity, price, fee, venue, symbol, day: fill(
            quantity, price, fee=fee, venue=venue, symbol=symbol, at=NOON + day * DAY
        ),
        st.integers(-20, 20).filter(bool),
        st.decimals(1, 200, places=2),
        st.decimals(0, 1, places=2),
        st.sampled_from([ALPHA, BETA]),
        st.sampled_from([AAPL, MSFT]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(executions)
def test_fills_when_booked_in_any_order_then_positions_and_sessions_are_those_of_a_replay(
    database: Database, fills: list[Fill]
) -> None:
    with database.transaction() as connection:
        for table in METADATA.tables.values():
            connection.execute(delete(table))
        for each in fills:
            store.book(connection, each)
        kept = {(each.venue, each.symbol): each for each in store.positions(connection)}
        lines = [store.lines(connection, TODAY + day * DAY) for day in range(4)]
        earned = store.realised_since(connection, TODAY)
    by_key = groupby(sorted(fills, key=lambda each: (each.venue, each.symbol)), lambda each: (each.venue, each.symbol))
    for key, mine in by_key:
        own = list(mine)
        # Sorting is stable: the order within one position is the order of booking.
        assert kept[key] == reduce(arithmetic.apply, own, Position(venue=key[0], symbol=key[1]))
        for day, of_day in enumerate(lines):
            if key in of_day:
                before = [each for each in own if session_date(each.executed_at) < TODAY + day * DAY]
                assert of_day[key].opening_quantity == sum(each.side.sign * each.quantity for each in before)
    assert sum(earned.values()) == sum(each.realised - each.fees for each in kept.values())
    flows = [line.flow for of_day in lines for line in of_day.values()]
    assert sum(flows) == sum(cash_by_venue(kept.values()).values())
