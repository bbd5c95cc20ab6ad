"""What a session earned."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from services.trading.portfolio.position import Position, apply
from services.trading.portfolio.sessions import SessionLine, day_result, opened, session_date, traded
from tests.trading.portfolio.fills import AAPL, ALPHA, MSFT, fill

NOTHING = Position(venue=ALPHA, symbol=AAPL)
KEY = (ALPHA, AAPL)


@pytest.mark.parametrize(
    ("moment", "session"),
    [
        (datetime(2026, 3, 2, 4, 59, tzinfo=UTC), date(2026, 3, 1)),  # winter: five hours behind
        (datetime(2026, 3, 2, 5, 0, tzinfo=UTC), date(2026, 3, 2)),
        (datetime(2026, 7, 2, 3, 59, tzinfo=UTC), date(2026, 7, 1)),  # summer: four
        (datetime(2026, 7, 2, 4, 0, tzinfo=UTC), date(2026, 7, 2)),
    ],
)
def test_session_when_a_moment_is_given_then_it_is_the_date_in_new_york(moment: datetime, session: date) -> None:
    assert session_date(moment) == session


def test_day_when_a_position_is_carried_over_then_only_the_move_since_the_opening_counts() -> None:
    held = apply(NOTHING, fill(10, 50))
    result = day_result({KEY: opened(held, Decimal(100))}, [held], {AAPL: Decimal(103)})
    assert (result.total, result.realised) == (30, 0)


def test_day_when_carried_shares_are_sold_then_the_result_is_against_the_opening_and_realised_against_cost() -> None:
    held = apply(NOTHING, fill(10, 50))
    sale = fill(-10, 97, fee="1")
    flat = apply(held, sale)
    line = traded(opened(held, Decimal(100)), held, flat, sale)
    result = day_result({KEY: line}, [flat], {})
    assert (result.total, result.realised, result.fees) == (-31, 470, 1)


def test_day_when_bought_and_held_then_the_result_is_unrealised() -> None:
    buy = fill(10, 50, fee="0.50")
    held = apply(NOTHING, buy)
    line = traded(SessionLine(), NOTHING, held, buy)
    assert day_result({KEY: line}, [held], {AAPL: Decimal(48)}).total == Decimal("-20.5")


def test_day_when_a_price_is_missing_then_the_position_counts_at_cost_and_is_named() -> None:
    held = apply(NOTHING, fill(10, 50))
    result = day_result({KEY: opened(held, None)}, [held], {MSFT: Decimal(1)})
    assert (result.total, result.unmarked) == (0, (AAPL,))


def test_day_when_a_session_was_never_opened_then_the_position_began_at_cost() -> None:
    held = apply(NOTHING, fill(10, 50))
    assert day_result({}, [held], {AAPL: Decimal(45)}).total == -50


def _day_trades(*quantities: int, held: int = 0) -> int:
    position = Position(venue=ALPHA, symbol=AAPL, quantity=Decimal(held), cost=Decimal(held))
    line = opened(position, Decimal(1))
    for quantity in quantities:
        execution = fill(quantity, 1)
        after = apply(position, execution)
        line = traded(line, position, after, execution)
        position = after
    return line.day_trades


@pytest.mark.parametrize(
    ("quantities", "held", "count"),
    [
        ((10, -10), 0, 1),
        ((10, -5, -5), 0, 1),
        ((10, -10, 10, -10), 0, 2),
        ((-10, 10), 0, 1),
        ((-10,), 10, 0),
        ((-10, 10), 10, 0),
        ((10, -10), 10, 1),
        ((10, -20, 10), 0, 2),
    ],
)
def test_day_trades_when_what_was_opened_is_closed_then_each_turn_counts_once(
    quantities: tuple[int, ...], held: int, count: int
) -> None:
    assert _day_trades(*quantities, held=held) == count
