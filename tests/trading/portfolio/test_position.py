"""Positions: average cost, turns through zero, fees, splits, and the sum that always holds."""

from decimal import Decimal
from fractions import Fraction
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.orders import Fill
from services.trading.portfolio.position import Position, adopt, apply, cash_by_venue, plain, split, unrealised
from tests.trading.portfolio.fills import AAPL, ALPHA, BETA, MSFT, fill

NOTHING = Position(venue=ALPHA, symbol=AAPL)
UNHURRIED = settings(deadline=None)


def after(*fills: Fill) -> Position:
    return reduce(apply, fills, NOTHING)


def test_position_when_bought_twice_then_the_price_is_the_mean() -> None:
    held = after(fill(10, 100), fill(30, 120))
    assert (held.quantity, held.average_price) == (40, 115)


def test_position_when_sold_in_part_then_the_mean_stays_and_profit_is_realised() -> None:
    held = after(fill(10, 100), fill(-4, 110))
    assert (held.quantity, held.average_price, held.realised) == (6, 100, 40)


def test_position_when_sold_whole_then_nothing_is_left_of_its_cost() -> None:
    held = after(fill(3, "0.01"), fill(7, 100), fill(-3, 50), fill(-7, 60))
    assert (held.quantity, held.cost, held.average_price) == (0, 0, 0)
    assert held.realised == Decimal(3 * 50 + 7 * 60) - Decimal("700.03")


def test_position_when_it_turns_then_the_old_one_is_realised_and_the_new_one_begins_at_the_price() -> None:
    held = after(fill(10, 100), fill(-25, 110))
    assert (held.quantity, held.average_price, held.realised) == (-15, 110, 100)


def test_short_position_when_bought_back_lower_then_it_has_earned() -> None:
    held = after(fill(-10, 100), fill(4, 90))
    assert (held.quantity, held.average_price, held.realised) == (-6, 100, 40)


def test_short_position_when_it_turns_then_it_is_long_at_the_price() -> None:
    held = after(fill(-10, 100), fill(15, 90))
    assert (held.quantity, held.average_price, held.realised) == (5, 90, 100)


def test_fees_when_paid_then_they_are_not_in_the_profit_and_are_in_the_cash() -> None:
    held = after(fill(10, 100, fee="0.35"), fill(-10, 101, fee="0.35"))
    assert (held.realised, held.fees, held.cash) == (10, Decimal("0.70"), Decimal("9.30"))


@pytest.mark.parametrize(("quantity", "mark", "worth"), [(10, "110", "100"), (-10, "110", "-100"), (10, "90", "-100")])
def test_unrealised_when_the_price_moves_then_it_follows_the_side(quantity: int, mark: str, worth: str) -> None:
    assert unrealised(after(fill(quantity, 100)), Decimal(mark)) == Decimal(worth)


def test_fill_when_it_is_for_something_else_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="none of AAPL at alpha"):
        apply(NOTHING, fill(1, 1, symbol=MSFT))
    with pytest.raises(ValueError, match="none of AAPL at alpha"):
        apply(NOTHING, fill(1, 1, venue=BETA))


def test_split_when_booked_then_there_are_more_shares_at_the_same_cost() -> None:
    held = split(after(fill(10, 100)), Decimal(4))
    assert (held.quantity, held.cost, held.average_price) == (40, 1000, 25)


@pytest.mark.parametrize("ratio", ["0", "-2", "NaN", "Infinity"])
def test_split_when_the_ratio_makes_no_sense_then_it_is_refused(ratio: str) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        split(NOTHING, Decimal(ratio))


def test_adopted_shares_when_taken_over_then_neither_cash_nor_profit_comes_of_it() -> None:
    held = adopt(after(fill(5, 100, fee="1")), Decimal(20), Decimal(40))
    assert (held.quantity, held.average_price, held.realised, held.cash) == (20, 40, 0, -501)
    sold = apply(held, fill(-20, 50))
    assert (sold.realised, sold.cash) == (200, 499)


def test_cash_when_asked_for_by_venue_then_closed_positions_count_too() -> None:
    elsewhere = apply(Position(venue=BETA, symbol=MSFT), fill(1, 30, venue=BETA, symbol=MSFT))
    other = apply(Position(venue=ALPHA, symbol=MSFT), fill(1, 7, symbol=MSFT))
    assert cash_by_venue([after(fill(1, 10), fill(-1, 12)), other, elsewhere]) == {ALPHA: -5, BETA: -30}


@pytest.mark.parametrize(
    ("number", "text"),
    [("1E+2", "100"), ("1.500", "1.5"), ("-0", "0"), ("0E-12", "0"), ("0.000001", "0.000001"), ("-12.50", "-12.5")],
)
def test_number_when_made_plain_then_equal_ones_are_written_alike(number: str, text: str) -> None:
    assert str(plain(Decimal(number))) == text


quantities = st.decimals("0.000000001", 10**6, places=9) | st.integers(1, 1000).map(Decimal)
money = st.decimals("0.0001", 10**5, places=4)
fills = st.lists(
    st.builds(
        lambda quantity, sign, price, fee: fill(sign * quantity, price, fee=fee),
        quantities,
        st.sampled_from([1, -1]),
        money,
        st.decimals(0, 10, places=4),
    ),
    max_size=30,
)


def _replayed(executions: list[Fill]) -> tuple[Fraction, Fraction, Fraction]:
    """Quantity, mean price and profit by the method's own definition, in exact fractions."""
    held, mean, profit = Fraction(0), Fraction(0), Fraction(0)
    for execution in executions:
        left = Fraction(execution.quantity) * execution.side.sign
        price = Fraction(execution.price)
        if held * left < 0:
            closed = min(abs(held), abs(left)) * (1 if held > 0 else -1)
            profit += closed * (price - mean)
            held -= closed
            left += closed
        if left:
            mean = (held * mean + left * price) / (held + left)
            held += left
    return held, mean, profit


@UNHURRIED
@given(fills)
def test_position_when_any_fills_are_applied_then_it_is_as_a_plain_replay_has_it(executions: list[Fill]) -> None:
    held, mean, profit = _replayed(executions)
    position = after(*executions)
    assert Fraction(position.quantity) == held
    assert abs(Fraction(position.realised) - profit) < Fraction(1, 10**6)
    if held:
        assert abs(Fraction(position.cost) - held * mean) < Fraction(1, 10**6)


@UNHURRIED
@given(fills, money)
def test_position_when_any_fills_are_applied_then_profit_cost_and_fees_add_up_to_the_cash_exactly(
    executions: list[Fill], mark: Decimal
) -> None:
    position = after(*executions)
    flow = sum((-each.side.sign * Fraction(each.quantity) * Fraction(each.price) for each in executions), Fraction(0))
    fees = sum((Fraction(each.fee) for each in executions), Fraction(0))
    assert Fraction(position.cash) == flow - fees
    total = Fraction(position.realised) + Fraction(unrealised(position, mark))
    assert total == flow + Fraction(position.quantity) * Fraction(mark)


@UNHURRIED
@given(fills)
def test_position_when_flat_then_nothing_of_its_cost_is_left(executions: list[Fill]) -> None:
    position = after(*executions)
    if position.quantity:
        closing = fill(-position.quantity, 10)
        position = apply(position, closing)
    assert position.cost == 0


@UNHURRIED
@given(fills, st.integers(2, 10))
def test_split_when_it_comes_between_fills_then_the_profit_is_that_of_prices_so_adjusted(
    executions: list[Fill], ratio: int
) -> None:
    """Splitting the shares is the same as having traded more of them at a lower price from the beginning."""
    adjusted = [each.model_copy(update={"quantity": each.quantity * ratio, "price": each.price}) for each in executions]
    one, other = split(after(*executions), Decimal(ratio)), after(*adjusted)
    assert one.quantity == other.quantity
    assert abs(one.realised * ratio - other.realised) < Decimal("0.001")
