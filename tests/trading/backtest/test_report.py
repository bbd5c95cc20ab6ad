"""The report of a run: complete in itself, escaped, and the same bytes each time."""

import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from services.contracts.market import Symbol
from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.fast import run
from services.trading.backtest.measures import bars_per_year, measures_of
from services.trading.backtest.plots import equity_chart, thinned, trades_chart
from services.trading.backtest.report import render_report
from services.trading.backtest.result import BacktestResult
from services.trading.strategies.registry import find
from tests.trading.strategies.bars import DAY_NS, random_panel


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    strategy = find("channel-breakout")
    return run(strategy, random_panel(700, 3, symbols=2), strategy.space.default, BacktestConfig(budget=Decimal("0.5")))


def test_the_same_run_makes_the_same_bytes(result: BacktestResult) -> None:
    assert render_report(result) == render_report(result)
    assert equity_chart(result, "png") == equity_chart(result, "png")
    assert trades_chart(result, Symbol("A")) == trades_chart(result, Symbol("A"))


def test_a_page_loads_nothing_and_runs_nothing(result: BacktestResult) -> None:
    page = render_report(result)

    addresses = set(re.findall(r"https?://[^\"'<> )]+", page))
    assert addresses == {"http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg"}  # names, not links
    assert not re.search(r"<script|<link|<img|<iframe|@import|\bon\w+=", page)


def test_a_page_tells_measures_conditions_and_every_trade(result: BacktestResult) -> None:
    page = render_report(result)

    assert page.count("<svg") == 3
    assert f"{measures_of(result).sharpe:,.2f}" in page
    assert "0.005 dollars a share" in page
    assert page.count("<td>A</td>") + page.count("<td>B</td>") == len(result.trips)


def test_words_from_outside_are_escaped(result: BacktestResult) -> None:
    page = render_report(replace(result, strategy="<script>alert(1)</script>", params={"<b>": "\"&'"}))

    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;" in page


def test_a_run_without_trades_has_a_page(result: BacktestResult) -> None:
    page = render_report(replace(result, fills=result.fills[:0], equity=np.full(700, 100_000.0)))

    assert "no order was filled" in page


def test_a_thinned_line_keeps_its_extremes() -> None:
    values = np.sin(np.linspace(0.0, 900.0, 100_000))
    values[77_777] = 5.0

    places = thinned(values, 500)

    assert len(places) <= 502
    assert {0, 77_777, 99_999} <= set(places.tolist())
    assert values[places].min() == values.min()


@pytest.mark.parametrize(("bars_a_day", "every_days", "expected"), [(1, 1, 252), (6, 1, 6 * 252), (1, 7, 52.2)])
def test_a_year_has_as_many_bars_as_its_sessions_hold(bars_a_day: int, every_days: int, expected: float) -> None:
    days = np.arange(0, 1400, every_days, dtype=np.int64) * DAY_NS + 14 * 3600 * 10**9
    times = (days[:, None] + np.arange(bars_a_day, dtype=np.int64) * 3600 * 10**9).ravel()

    assert bars_per_year(times) == pytest.approx(expected, rel=0.01)
