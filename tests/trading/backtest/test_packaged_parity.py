"""Both tiers over the packaged real history: every strategy, every symbol, random settings."""

import os
from decimal import Decimal

import numpy as np
import pytest

from services.contracts.bars import on_one_axis
from services.contracts.columns import Panel
from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.parity import compare
from services.trading.marketdata.packaged import PackagedHistory
from services.trading.marketdata.port import Adjustment
from services.trading.strategies.registry import STRATEGIES
from tests.trading.backtest.random_settings import random_setting

EVERY = sorted(STRATEGIES)
# 200 of each symbol, the long form, take a quarter of an hour: PARITY_SETTINGS=200.
SETTINGS = int(os.environ.get("PARITY_SETTINGS", "20"))


def panels(name: str) -> list[Panel]:
    """One for each symbol, or one of all for a strategy that compares them."""
    history = PackagedHistory("bokeh")
    whole = {symbol: history.everything(symbol, Adjustment.SPLIT) for symbol in history.symbols}
    if STRATEGIES[name].symbols_needed > 1:
        return [on_one_axis(whole)]
    return [{symbol: columns} for symbol, columns in whole.items()]


def differences(name: str, settings_of_each: int) -> tuple[list[str], int]:
    random, config = np.random.default_rng(11), BacktestConfig(budget=Decimal("0.9"))
    strategy = STRATEGIES[name]
    found, trades = [], 0
    for panel in panels(name):
        for _ in range(settings_of_each):
            parity = compare(strategy, panel, random_setting(strategy.space, random), config)
            trades += parity.reference_trades
            if not parity.agrees or parity.largest_ticks:
                found.append(f"{', '.join(panel)}: {parity}")
    return found, trades


@pytest.mark.parametrize("name", EVERY)
def test_real_history_trades_alike_in_both_tiers(name: str) -> None:
    found, trades = differences(name, 2)

    assert found == []
    assert trades > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", EVERY)
def test_real_history_trades_alike_over_many_settings_of_each_symbol(name: str) -> None:
    found, trades = differences(name, SETTINGS)

    assert found == []
    assert trades > 10 * SETTINGS
