"""The trading state: what each lets pass, and which is the stricter."""

from itertools import product

import pytest

from services.contracts.orders import TradingState
from services.trading.risk.state import KILL_SWITCH, admits, stricter

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED


@pytest.mark.parametrize(
    ("state", "strategy", "reduces", "passes"),
    [
        (ACTIVE, "trend", False, True),
        (ACTIVE, "trend", True, True),
        (ACTIVE, KILL_SWITCH, False, False),
        (ACTIVE, KILL_SWITCH, True, True),
        (REDUCING, "trend", False, False),
        (REDUCING, "trend", True, True),
        (REDUCING, KILL_SWITCH, False, False),
        (REDUCING, KILL_SWITCH, True, True),
        (HALTED, "trend", False, False),
        (HALTED, "trend", True, False),
        (HALTED, KILL_SWITCH, False, False),
        (HALTED, KILL_SWITCH, True, True),
    ],
)
def test_state_when_an_order_comes_then_it_passes_as_the_table_says(
    state: TradingState, strategy: str, *, reduces: bool, passes: bool
) -> None:
    assert admits(state, strategy, reduces=reduces) is passes


def test_states_when_compared_then_halted_is_stricter_than_reducing_than_active() -> None:
    order = [ACTIVE, REDUCING, HALTED]
    assert set(order) == set(TradingState)
    for one, other in product(order, repeat=2):
        assert stricter(one, other) is (order.index(one) > order.index(other))


def test_stricter_state_when_an_order_passes_then_it_passes_in_every_looser_one() -> None:
    for one, other in product(TradingState, repeat=2):
        for strategy, reduces in product(("trend", KILL_SWITCH), (True, False)):
            if stricter(one, other) and admits(one, strategy, reduces=reduces):
                assert admits(other, strategy, reduces=reduces)
