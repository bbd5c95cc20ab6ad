"""What is read off the engine when metrics are collected."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from services.contracts.market import Symbol
from services.contracts.strategies import StrategyState
from services.trading.strategy_gauges import BarMeter, StrategyGauges, declare_left_over, declare_strategies
from telemetry.catalogue import METRIC_UNDECLARED, TRADING_STRATEGY_STOPS, emitted_by
from telemetry.emit.clock import SystemClock
from telemetry.emit.metrics import Metrics
from tests.fakes.clock import FakeClock

_AAPL, _IBM = Symbol("AAPL"), Symbol("IBM")


@dataclass
class _Strategy:
    name: str = "trend"
    state: StrategyState = StrategyState.RUNNING
    budget_used: float = 0.25


@dataclass
class _Feed:
    symbol: Symbol = _AAPL
    newest_bar_end: datetime | None = None
    stale: bool = False


@dataclass
class _Engine:
    all_strategies: list[_Strategy] = field(default_factory=lambda: [_Strategy()])
    all_feeds: list[_Feed] = field(default_factory=lambda: [_Feed()])

    def strategies(self) -> list[_Strategy]:
        return self.all_strategies

    def feeds(self) -> list[_Feed]:
        return self.all_feeds


def _metrics() -> Metrics:
    metrics = Metrics(SystemClock(), emitted_by("trading"))
    declare_strategies(metrics, ["trend", "reversion"], [_AAPL, _IBM])
    return metrics


def _values(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = {
        (sample.name.removeprefix("sightline_trading_"), frozenset(sample.labels)): sample.value
        for sample in metrics.samples()
    }
    assert found[METRIC_UNDECLARED.name, frozenset()] == 0
    return found


def _shown(engine: _Engine, clock: FakeClock, name: str, **labels: str) -> float:
    metrics = _metrics()
    StrategyGauges(engine, metrics=metrics, clock=clock).refresh()
    return _values(metrics)[name, frozenset(labels.items())]


@pytest.mark.parametrize("state", StrategyState)
def test_strategy_when_it_is_shown_then_one_state_alone_is_one(state: StrategyState) -> None:
    engine = _Engine([_Strategy(state=state)])
    shown = {
        each: _shown(engine, FakeClock(), "strategy_state", strategy="trend", state=each) for each in StrategyState
    }
    assert shown == {each: float(each is state) for each in StrategyState}


def test_strategy_when_it_has_a_budget_then_the_used_share_is_shown() -> None:
    assert _shown(_Engine(), FakeClock(), "strategy_budget_used_ratio", strategy="trend") == 0.25


def test_bars_when_the_newest_ended_lately_then_their_age_is_counted_from_its_end() -> None:
    clock = FakeClock()
    engine = _Engine(all_feeds=[_Feed(newest_bar_end=clock.now() - timedelta(seconds=75), stale=True)])
    assert _shown(engine, clock, "market_data_age_seconds", symbol="AAPL") == 75
    assert _shown(engine, clock, "market_data_stale", symbol="AAPL") == 1


def test_bars_when_the_market_is_closed_then_they_do_not_age() -> None:
    assert _shown(_Engine(), FakeClock(), "market_data_age_seconds", symbol="AAPL") == 0


def test_bars_when_the_sources_clock_is_ahead_then_their_age_is_not_negative() -> None:
    clock = FakeClock()
    engine = _Engine(all_feeds=[_Feed(newest_bar_end=clock.now() + timedelta(seconds=2))])
    assert _shown(engine, clock, "market_data_age_seconds", symbol="AAPL") == 0


def test_bars_when_given_to_strategies_then_they_are_counted_by_where_they_come_from() -> None:
    metrics = _metrics()
    meter = BarMeter(metrics, [_AAPL, _IBM])
    meter.read(_AAPL, 50)
    meter.streamed(_AAPL)
    meter.streamed(_IBM)
    counted = {labels: value for (name, labels), value in _values(metrics).items() if name == "bars_total"}
    assert counted == {
        frozenset({("symbol", "AAPL"), ("origin", "history")}): 50,
        frozenset({("symbol", "AAPL"), ("origin", "stream")}): 1,
        frozenset({("symbol", "IBM"), ("origin", "history")}): 0,
        frozenset({("symbol", "IBM"), ("origin", "stream")}): 1,
    }


def test_strategy_when_the_file_names_it_no_more_then_its_stop_is_counted_by_its_name() -> None:
    metrics = _metrics()
    declare_left_over(metrics, ["former"])
    metrics.counter(TRADING_STRATEGY_STOPS, strategy="former", cause="configuration").inc()
    stops = {labels: value for (name, labels), value in _values(metrics).items() if name == "strategy_stops_total"}
    assert stops[frozenset({("strategy", "former"), ("cause", "configuration")})] == 1


def test_symbols_when_there_are_more_than_a_scrape_should_hold_then_the_start_is_refused() -> None:
    many = [Symbol(f"A{chr(65 + place // 26)}{chr(65 + place % 26)}") for place in range(201)]
    with pytest.raises(ValueError, match="more than 200"):
        declare_strategies(Metrics(SystemClock(), emitted_by("trading")), ["trend"], many)
