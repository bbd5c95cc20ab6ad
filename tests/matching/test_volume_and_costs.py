"""Shares of a bar's volume, slippage and fees."""

from decimal import Decimal

import pytest

from services.contracts.market import Side
from services.matching.costs import Costs
from services.matching.happenings import Filled
from services.matching.rules import FillRule, Rules
from tests.matching.market import BUY, SELL, START, bar, fills, matcher, minute, of, order


def test_orders_share_the_volume_in_time_priority() -> None:
    m = matcher(participation="0.1")
    for name in ("a", "b", "c"):
        m.submit(order(name), START)
    assert fills(m.on_bar(bar(0, "100 101 99 100", volume=159))) == [("a", "10", "100"), ("b", "5", "100")]
    assert fills(m.on_bar(bar(1, "101 102 100 101", volume=159))) == [("b", "5", "101"), ("c", "10", "101")]


def test_a_bar_without_volume_fills_nothing_where_it_is_shared() -> None:
    m = matcher(participation="1")
    m.submit(order("a"), START)
    assert m.on_bar(bar(0, "100 101 99 100", volume=0)) == []


def test_without_a_share_the_volume_does_not_matter() -> None:
    m = matcher()
    m.submit(order("a"), START)
    assert len(fills(m.on_bar(bar(0, "100 101 99 100", volume=0)))) == 1


def test_immediate_orders_share_what_the_last_bar_left() -> None:
    m = matcher(FillRule.IMMEDIATE, participation="0.1")
    m.submit(order("a", quantity="8"), START)
    m.on_bar(bar(0, "100 101 99 100", volume=120))
    assert fills(m.submit(order("b"), minute(1))) == [("b", "4", "100")]
    assert fills(m.on_bar(bar(1, "102 103 101 102", volume=120))) == [("b", "6", "102")]


def test_fractions_of_a_share_fill() -> None:
    m = matcher(participation="0.1")
    m.submit(order("a", quantity="2.5"), START)
    assert fills(m.on_bar(bar(0, "100 101 99 100", volume=25))) == [("a", "2", "100")]
    assert fills(m.on_bar(bar(1, "100 101 99 100", volume=25))) == [("a", "0.5", "100")]


@pytest.mark.parametrize("share", ["0", "1.01", "-1"])
def test_a_share_is_above_zero_and_at_most_one(share: str) -> None:
    with pytest.raises(ValueError, match="participation"):
        Rules(participation=Decimal(share))


@pytest.mark.parametrize(
    ("side", "terms", "price"),
    [
        (BUY, {}, "100.13"),  # 10 basis points are 0.10, two ticks 0.02, and up to a tick
        (SELL, {}, "99.88"),
        (BUY, {"stop": "101"}, "101.13"),
        (BUY, {"limit": "100.05"}, "100.05"),
        (SELL, {"limit": "99.90"}, "99.90"),
        (BUY, {"limit": "99.50"}, "99.50"),
        (SELL, {"stop": "99.50", "limit": "99.45"}, "99.45"),
    ],
    ids=["buy", "sell", "stop", "buy capped", "sell capped", "resting limit", "stop-limit capped"],
)
def test_what_takes_liquidity_slips_and_never_through_its_limit(side: Side, terms: dict[str, str], price: str) -> None:
    m = matcher(slippage_bps="10", slippage_ticks=2)
    m.submit(order("a", side, **terms), START)  # type: ignore[arg-type]
    assert fills(m.on_bar(bar(0, "100.005 102 99 100"))) == [("a", "10", price)]


def test_without_slippage_a_price_between_ticks_stays() -> None:
    m = matcher()
    m.submit(order("a"), START)
    assert fills(m.on_bar(bar(0, "100.00537 102 99 100"))) == [("a", "10", "100.00537")]


def test_below_a_dollar_a_tick_is_a_hundredth_of_a_cent() -> None:
    assert Costs(slippage_ticks=3).slipped(Decimal("0.5"), BUY, None) == Decimal("0.5003")


def test_a_sale_never_brings_less_than_a_tick() -> None:
    assert Costs(slippage_bps=Decimal(10_000)).slipped(Decimal("0.5"), SELL, None) == Decimal("0.0001")


def test_fees_are_per_share_and_by_the_money() -> None:
    m = matcher(fee_per_share="0.005", fee_bps="1")
    m.submit(order("a"), START)
    assert of(Filled, m.on_bar(bar(0, "100 102 99 100")))[0].fee == Decimal("0.15")


def test_the_minimum_is_for_the_order_not_for_each_fill() -> None:
    m = matcher(participation="0.1", fee_per_share="0.2", fee_minimum="1")
    m.submit(order("a"), START)
    told = [each for number in range(4) for each in m.on_bar(bar(number, "100 102 99 100", volume=30))]
    assert [each.fee for each in of(Filled, told)] == [1, Decimal("0.2"), Decimal("0.6"), Decimal("0.2")]


def test_free_costs_nothing() -> None:
    m = matcher()
    m.submit(order("a"), START)
    assert of(Filled, m.on_bar(bar(0, "100 102 99 100")))[0].fee == 0


@pytest.mark.parametrize("name", ["slippage_bps", "slippage_ticks", "fee_per_share", "fee_bps", "fee_minimum"])
def test_costs_are_not_below_zero(name: str) -> None:
    with pytest.raises(ValueError, match="none of them is below zero"):
        Costs(**{name: -1})  # type: ignore[arg-type]
