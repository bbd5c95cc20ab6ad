"""The real strategies, run by the fast backtest."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from services.contracts.columns import Panel
from services.contracts.market import Symbol
from services.matching.costs import Costs
from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.fast import run
from services.trading.strategies.registry import STRATEGIES, find
from services.trading.tuning.errors import TooFewBarsError
from services.trading.tuning.home import FileHome
from services.trading.tuning.opening import open_study
from services.trading.tuning.plan import Plan
from services.trading.tuning.subject import Subject
from services.trading.tuning.tier_a import evaluation_of, held_in_equal_parts, subject_of
from tests.fakes.clock import FakeClock
from tests.trading.strategies.bars import changed_after, random_columns, random_panel

CONFIG = BacktestConfig()
PANEL = random_panel(900, 5)


def about(name: str = "sma-cross", panel: Panel = PANEL, config: BacktestConfig = CONFIG) -> Subject:
    strategy = find(name)
    return subject_of(strategy, panel, config, space=strategy.space, timeframe="1day")


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_returns_compound_to_the_equity_of_the_backtest(name: str) -> None:
    strategy, setting = find(name), find(name).space.default
    result = run(strategy, PANEL, setting, CONFIG)
    (found,) = about(name).evaluate([setting], slice(0, 900))
    assert 100_000 * np.prod(1 + found.returns) == pytest.approx(result.equity[-1])
    assert found.trades == len(result.trips.closed)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_nothing_after_a_span_changes_its_returns(name: str) -> None:
    setting = find(name).space.default
    other = {symbol: changed_after(columns, 599, seed) for seed, (symbol, columns) in enumerate(PANEL.items())}
    (before,), (after,) = (about(name, panel).evaluate([setting], slice(300, 600)) for panel in (PANEL, other))
    assert np.array_equal(before.returns, after.returns)
    assert before.trades == after.trades


def test_settings_together_give_what_each_gives_alone() -> None:
    settings = [{**find("sma-cross").space.default, "fast": fast} for fast in (5, 10, 15)]
    subject = about()
    together = subject.evaluate(settings, slice(100, 700))
    for setting, found in zip(settings, together, strict=True):
        (alone,) = subject.evaluate([setting], slice(100, 700))
        assert np.array_equal(found.returns, alone.returns)


def _costs(times: int) -> Costs:
    return Costs(
        slippage_bps=Decimal(3 * times),
        slippage_ticks=times,
        fee_per_share=Decimal("0.01") * times,
        fee_bps=Decimal(2 * times),
        fee_minimum=Decimal(times),
    )


def test_all_costs_are_doubled_for_the_dear_evaluation() -> None:
    costs, twice = _costs(1), _costs(2)
    setting = find("sma-cross").space.default
    (dear,) = about(config=replace(CONFIG, costs=costs)).evaluate_dear([setting], slice(0, 900))
    (plain,) = about(config=replace(CONFIG, costs=twice)).evaluate([setting], slice(0, 900))
    assert np.array_equal(dear.returns, plain.returns)


def test_the_warm_up_is_that_of_the_slowest_setting() -> None:
    assert about().warm_up == 300
    strategy = find("sma-cross")
    narrow = strategy.space.narrowed({"slow": (20, 60)})
    assert subject_of(strategy, PANEL, CONFIG, space=narrow, timeframe="1day").warm_up == 60


def test_a_market_is_named_by_its_symbols_and_timeframe() -> None:
    assert about().data == "A,B,C 1day"


def test_other_bars_or_costs_have_another_fingerprint() -> None:
    changed = {**PANEL, Symbol("A"): changed_after(PANEL[Symbol("A")], 898, 1)}
    free = replace(CONFIG, costs=Costs())
    assert len({about().digest, about(panel=changed).digest, about(config=free).digest}) == 3
    assert about().digest == about(panel=dict(reversed(PANEL.items()))).digest


def test_a_year_of_daily_bars_is_counted_from_their_times() -> None:
    # The made-up bars come every day, weekends included.
    assert about().bars_per_year == pytest.approx(365.2425)


def test_holding_is_the_mean_change_of_what_has_begun() -> None:
    first = random_columns(5, 1)
    late = random_columns(5, 2)
    close = late.close.copy()
    close[:2] = np.nan
    close[3] = np.nan
    held = held_in_equal_parts({Symbol("A"): first, Symbol("B"): replace(late, close=close)})
    own = first.close[1:] / first.close[:-1] - 1
    assert held[:3] == pytest.approx([0.0, own[0] / 2, own[1] / 2])
    assert held[4] == pytest.approx((own[3] + close[4] / close[2] - 1) / 2)


def test_who_has_lost_everything_returns_nothing_any_more() -> None:
    result = run(find("sma-cross"), PANEL, find("sma-cross").space.default, CONFIG)
    equity = result.equity.copy()
    equity[500:] = [-10.0, 50.0, *np.full(398, 100_000.0)]
    returns = evaluation_of(replace(result, equity=equity), 0).returns
    assert returns[500] == -1.0
    assert not returns[501:].any()


def test_too_few_symbols_are_refused_in_words() -> None:
    with pytest.raises(TooFewBarsError, match="needs 2 symbols, not 1"):
        about("relative-momentum", {Symbol("A"): PANEL[Symbol("A")]})


def test_no_bars_are_refused_in_words() -> None:
    with pytest.raises(TooFewBarsError, match="1 bars; a study takes some hundreds"):
        about(panel={Symbol("A"): random_columns(1, 1)})


def test_a_study_of_a_real_strategy_runs(home: FileHome) -> None:
    with open_study(home, "made", about(), Plan(folds=4), resume=False, clock=FakeClock()) as study:
        assert study.run(12).done == 12


def test_the_horizon_is_as_long_as_nearly_all_trades_last_from_their_decision_on() -> None:
    lasted = run(find("sma-cross"), PANEL, find("sma-cross").space.default, CONFIG).trips.closed.bars

    horizon = about().horizon(900)

    assert (lasted + 1 <= horizon).mean() >= 0.95
    assert (lasted + 1 < horizon).mean() < 1.0
    assert horizon > 1


def test_the_horizon_knows_nothing_of_the_bars_behind_its_end() -> None:
    other = {symbol: changed_after(columns, 599, seed) for seed, (symbol, columns) in enumerate(PANEL.items())}

    assert about().horizon(600) == about(panel=other).horizon(600)


def test_who_never_trades_decides_for_the_next_bar_alone() -> None:
    assert about(panel={symbol: columns.until(30) for symbol, columns in PANEL.items()}).horizon(30) == 1
