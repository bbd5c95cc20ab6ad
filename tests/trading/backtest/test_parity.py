"""Both tiers give the same fills: over every strategy and setting, and over decisions that no strategy makes."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from services.contracts.columns import Panel
from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.fast import prepare, run
from services.trading.backtest.parity import Parity, compare, compare_results
from services.trading.backtest.reference import run_reference
from services.trading.backtest.result import Reason
from services.trading.strategies.registry import STRATEGIES
from tests.trading.backtest.arbitrary import arbitrary_config, arbitrary_decisions, arbitrary_panel
from tests.trading.backtest.random_settings import random_setting
from tests.trading.backtest.scripted import Scripted
from tests.trading.strategies.bars import random_panel

EXACT = (Decimal(0), "")


def compared(name: str, panel: Panel, count: int, seed: int, config: BacktestConfig) -> list[Parity]:
    random = np.random.default_rng(seed)
    strategy = STRATEGIES[name]
    return [compare(strategy, panel, random_setting(strategy.space, random), config) for _ in range(count)]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize("seed", range(3))
def test_every_strategy_trades_alike_in_both_tiers(name: str, seed: int) -> None:
    config = BacktestConfig(budget=Decimal("0.5"))

    found = compared(name, random_panel(500, seed, symbols=3), 6, seed, config)

    assert {(each.largest_ticks, each.problem) for each in found} == {EXACT}
    assert max(each.largest_equity for each in found) < 1e-6
    assert sum(each.reference_trades for each in found) > 0


def test_arbitrary_decisions_are_carried_out_alike() -> None:
    seen: set[int] = set()
    for seed in range(60):
        random = np.random.default_rng(seed)
        resizes = bool(random.random() < 0.3)
        panel = arbitrary_panel(random, 160, int(random.integers(1, 5)))
        decided = {symbol: arbitrary_decisions(random, panel[symbol], resizes=resizes) for symbol in panel}
        strategy, config = Scripted(decided, resizes=resizes), arbitrary_config(random)

        fast, reference = run(strategy, panel, {}, config), run_reference(strategy, panel, {}, config)
        found = compare_results(fast, reference)

        assert (found.largest_ticks, found.problem) == EXACT, seed
        assert np.array_equal(fast.fills, reference.fills), f"fees, {seed}"
        assert found.largest_equity < 1e-6, seed
        seen.update(reference.fills[:, 5].tolist())
    assert seen == set(Reason)


def test_a_difference_is_told() -> None:
    strategy, panel = STRATEGIES["sma-cross"], random_panel(400, 1, symbols=1)
    result = prepare(panel).run(strategy, strategy.space.default, BacktestConfig())
    moved, fewer = result.fills.copy(), result.fills[:-1]
    moved[2, 3] += 20_000

    assert compare_results(result, result).agrees
    two_ticks = compare_results(replace(result, fills=moved), result)
    assert (two_ticks.agrees, two_ticks.largest_ticks) == (False, 2)
    assert compare_results(result, replace(result, fills=fewer)).problem.startswith("fast alone: bar ")
