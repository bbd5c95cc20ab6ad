"""Limits: defaults are sane, mistakes are refused, and the digest is the same however they are written."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.trading.risk.limits import Limits, StrategyLimits, VenueLimits, digest
from tests.trading.risk.sights import ALPHA, BETA


def test_limits_when_nothing_is_given_then_each_guards_something() -> None:
    limits = Limits()
    assert 0 < limits.order_notional <= limits.symbol_notional <= limits.gross_exposure
    assert limits.queue_when_closed is False
    assert limits.at(ALPHA).pattern_day_trader is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"order_notional": -1},
        {"order_notional": "NaN"},
        {"gross_exposure": "Infinity"},
        {"price_collar": 0},
        {"price_collar": 1},
        {"open_orders": -1},
        {"signal_age_seconds": 0},
        {"rate_window_seconds": float("inf")},
        {"order_notinal": 5},
        {"strategies": {"Trend Following": {}}},
        {"strategies": {"trend": {"leverage": 9}}},
        {"venues": {"alpha": {"pattern_daytrader": True}}},
    ],
    ids=str,
)
def test_limits_when_one_cannot_be_meant_then_it_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate(wrong)


def test_strategy_when_it_overrides_one_limit_then_the_others_stay_general() -> None:
    limits = Limits(strategies={"trend": StrategyLimits(order_notional=Decimal(5))})
    own = limits.of("trend")
    assert own.order_notional == 5
    assert own.symbol_notional == limits.symbol_notional
    assert limits.of("momentum") == limits


def test_strategy_limits_when_listed_then_each_is_a_general_limit_too() -> None:
    assert set(StrategyLimits.model_fields) <= set(Limits.model_fields)


def test_venue_when_it_has_limits_of_its_own_then_these_hold_there_alone() -> None:
    limits = Limits(venues={ALPHA: VenueLimits(pattern_day_trader=True)})
    assert limits.at(ALPHA).pattern_day_trader
    assert not limits.at(BETA).pattern_day_trader


def test_digest_when_the_same_limits_are_written_otherwise_then_it_is_the_same() -> None:
    one = Limits.model_validate({"order_notional": "10000.00", "strategies": {"b": {"daily_loss": 1}, "a": {}}})
    other = Limits.model_validate({"strategies": {"a": {}, "b": {"daily_loss": "1.0"}}, "order_notional": 1e4})
    assert digest(one) == digest(other)


@pytest.mark.parametrize("name", sorted(Limits.model_fields))
def test_digest_when_any_limit_changes_then_it_changes(name: str) -> None:
    changed = {
        "venues": {"alpha": {"pattern_day_trader": True}},
        "strategies": {"trend": {"open_orders": 1}},
        "queue_when_closed": True,
        "open_orders": 7,
        "orders_in_window": 7,
    }
    other = Limits.model_validate({name: changed.get(name, "0.7")})
    assert digest(other) != digest(Limits())


def test_digest_when_settings_change_places_then_it_changes() -> None:
    assert digest(Limits(), VenueLimits()) != digest(VenueLimits(), Limits())


@settings(deadline=None)
@given(st.decimals(0, 10**9, places=2), st.decimals(0, 10**9, places=2))
def test_digest_when_two_limits_are_told_apart_then_their_digests_are(one: Decimal, other: Decimal) -> None:
    same = digest(Limits(daily_loss=one)) == digest(Limits(daily_loss=other))
    assert same is (one == other)
