"""Strategies and market data: do bars come, what is decided at them, and does anything hold up?"""

from telemetry import catalogue
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.panels import Logs, Panel, Stat, Target, Threshold, TimeSeries, Unit
from telemetry.dashboards.promql import current, increase, quantile, rate

STRATEGY = catalogue.STRATEGY.name
SYMBOL = catalogue.SYMBOL.name
KIND = catalogue.TUNED.name

_NO_STRATEGY = "no strategy is in the trading file"


def strategies() -> Dashboard:
    """The dashboard that every alert about strategies and their bars links to."""
    return Dashboard(
        uid="strategies",
        title="Strategies and market data",
        description="Whether bars come, what strategies decide at them, and what studies of their settings found.",
        panels=(*_now(), *_bars(), *_signals(), *_standing(), *_studies(), _log()),
    )


def _now() -> tuple[Panel, ...]:
    return (
        Stat(
            title="Strategies",
            description=(
                "Every strategy: whether it runs. Red: it is warming up, paused or stopped; `sightline strategies` says"
                " which, and why."
            ),
            unit=Unit.NONE,
            targets=(
                Target(
                    query=current(catalogue.TRADING_STRATEGY_STATE, (STRATEGY,), {"state": "running"}, how="min"),
                    legend="{{strategy}}",
                ),
            ),
            width=12,
            height=5,
            base_color="red",
            thresholds=(Threshold(value=1, color="green"),),
            texts={0: "no", 1: "runs"},
            empty=_NO_STRATEGY,
        ),
        Stat(
            title="Bars that do not come",
            description="Every symbol whose bars should come and do not. Red while its market is open.",
            unit=Unit.NONE,
            targets=(Target(query=current(catalogue.TRADING_DATA_STALE, (SYMBOL,)), legend="{{symbol}}"),),
            width=12,
            height=5,
            thresholds=(Threshold(value=1, color="red"),),
            texts={0: "come", 1: "stale"},
            empty=_NO_STRATEGY,
        ),
    )


def _bars() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Age of the newest bar",
            description=(
                "Time since the end of each symbol's newest bar, while its market is open. A saw as high as a bar is"
                " long is right; one line that leaves the others is its symbol's, all together are the source's."
            ),
            unit=Unit.SECONDS,
            targets=(Target(query=current(catalogue.TRADING_DATA_AGE, (SYMBOL,)), legend="{{symbol}}"),),
            empty=_NO_STRATEGY,
        ),
        TimeSeries(
            title="Bars",
            description="Bars that strategies were given, by symbol and by whether the stream brought them.",
            unit=Unit.PER_SECOND,
            targets=(
                Target(
                    query=rate(catalogue.TRADING_BARS, (SYMBOL, "origin")) + " > 0", legend="{{symbol}} by {{origin}}"
                ),
            ),
            empty="no bar came",
        ),
        TimeSeries(
            title="Gaps and outages",
            description=(
                "Bars that were missing and bars read again, within the hour. Right axis: gaps, and how long bars did"
                " not come, 95th percentile. Found without filled: decisions were made without these bars."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.TRADING_GAP_BARS, ("change",), window="1h") + " > 0",
                    legend="bars {{change}}",
                ),
                Target(
                    query=increase(catalogue.TRADING_BAR_GAPS, (SYMBOL, "change"), window="1h") + " > 0",
                    legend="{{symbol}} gaps {{change}}",
                ),
                Target(
                    query=quantile(0.95, catalogue.TRADING_DATA_OUTAGE),
                    legend="outage p95",
                    unit=Unit.SECONDS,
                ),
            ),
            empty="no bar was missing",
        ),
    )


def _signals() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Signals",
            description="Signals within an hour, by strategy and what became of them. Emitted ones went to the gate.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.TRADING_SIGNALS, (STRATEGY, "outcome"), window="1h") + " > 0",
                    legend="{{strategy}} {{outcome}}",
                    exemplars=True,
                ),
            ),
            empty="nothing was decided",
        ),
        TimeSeries(
            title="Denied and expired",
            description=(
                "Share of an hour's signals that were denied, or too old to be emitted. The denial's rule stands on"
                " Order state; expired ones came with late bars."
            ),
            unit=Unit.RATIO,
            targets=tuple(
                Target(query=f"{_signals_of(part)} / {_signals_of(whole)} >= 0", legend=f"{{{{strategy}}}} {part}")
                for part, whole in (("denied", "emitted"), ("expired", "emitted|expired"))
            ),
            empty="nothing was decided",
        ),
        TimeSeries(
            title="From bar to signal",
            description="Time from a bar's end to the signal decided at it: median and 99th percentile.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.5, catalogue.TRADING_SIGNAL_DELAY), legend="{{service_name}} p50"),
                Target(
                    query=quantile(0.99, catalogue.TRADING_SIGNAL_DELAY),
                    legend="{{service_name}} p99",
                    exemplars=True,
                ),
            ),
            empty="nothing was decided",
        ),
    )


def _signals_of(outcomes: str) -> str:
    return increase(catalogue.TRADING_SIGNALS, (STRATEGY,), {"outcome": outcomes}, window="1h")


def _standing() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Budgets",
            description=(
                "Share of each strategy's budget that is held or works. Right axis: wishes within the hour that went"
                " beyond it; nothing was opened for them."
            ),
            unit=Unit.RATIO,
            targets=(
                Target(query=current(catalogue.TRADING_STRATEGY_BUDGET, (STRATEGY,)), legend="{{strategy}}"),
                Target(
                    query=increase(catalogue.TRADING_STRATEGY_BUDGET_EXHAUSTED, (STRATEGY,), window="1h") + " > 0",
                    legend="{{strategy}} exhausted",
                    unit=Unit.COUNT,
                ),
            ),
            empty=_NO_STRATEGY,
        ),
        TimeSeries(
            title="Parity",
            description=(
                "Differences within a day between what a strategy did and what the reference backtest does over the"
                " same bars. Anything above 0 means that its backtests say nothing about it."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.TRADING_PARITY_DIVERGENCES, (STRATEGY,), window="1d"),
                    legend="{{strategy}}",
                ),
            ),
            empty=_NO_STRATEGY,
        ),
        TimeSeries(
            title="Stops",
            description="Strategies that were stopped within the hour, by why, and those that are paused now.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.TRADING_STRATEGY_STOPS, (STRATEGY, "cause"), window="1h") + " > 0",
                    legend="{{strategy}} stopped: {{cause}}",
                ),
                Target(
                    query=current(catalogue.TRADING_STRATEGY_STATE, (STRATEGY,), {"state": "paused"}) + " > 0",
                    legend="{{strategy}} paused",
                ),
            ),
            empty="nothing was stopped or paused",
        ),
    )


def _studies() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Trial rate",
            description="Settings that studies try, by kind of strategy. 0 while a study should run: it hangs.",
            unit=Unit.PER_SECOND,
            targets=(Target(query=rate(catalogue.TRADING_STUDY_TRIALS, (KIND,)), legend="{{kind}}"),),
            width=12,
            empty="trading has not been scraped yet",
        ),
        TimeSeries(
            title="Studies",
            description=(
                "How much of its trials each kind's latest study has made. Right axis: studies judged within a day;"
                " no edge is the usual answer."
            ),
            unit=Unit.RATIO,
            targets=(
                Target(query=current(catalogue.TRADING_STUDY_PROGRESS, (KIND,)), legend="{{kind}}"),
                Target(
                    query=increase(catalogue.TRADING_STUDIES_FINISHED, (KIND, "verdict"), window="1d") + " > 0",
                    legend="{{kind}}: {{verdict}}",
                    unit=Unit.COUNT,
                ),
            ),
            width=12,
            empty="trading has not been scraped yet",
        ),
    )


def _log() -> Panel:
    return Logs(
        title="Strategy log",
        description="Facts about strategies, signals, bars and studies. Open a line and follow its trace_id.",
        unit=Unit.NONE,
        targets=(
            Target(
                query='{env=~"$env", service_name=~"$service", logger="facts.trading"}'
                ' | event_type=~"trading[.](strategy|signal|market_data|bar_gap|parity|study)_.*"',
                legend="",
            ),
        ),
        width=24,
        height=9,
        empty="nothing was logged",
    )
