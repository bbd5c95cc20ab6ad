"""How facts about strategies, their bars and studies read in the log, and which metrics they move.

What is read off the engine instead (ages, states, budgets) is in `strategy_gauges`.
"""

from typing import Final

from services.contracts.strategies import (
    BarGapFilled,
    BarGapFound,
    MarketDataFresh,
    MarketDataStale,
    ParityDiverged,
    SignalDenied,
    SignalEmitted,
    SignalExpired,
    StrategyBudgetExhausted,
    StrategyPaused,
    StrategyResumed,
    StrategyStarted,
    StrategyStopped,
    StudyFinished,
)
from services.kit.instruments import Instrument, Measure
from telemetry.catalogue import (
    TRADING_BAR_GAPS,
    TRADING_DATA_OUTAGE,
    TRADING_GAP_BARS,
    TRADING_PARITY_DIVERGENCES,
    TRADING_SIGNAL_DELAY,
    TRADING_SIGNALS,
    TRADING_STRATEGY_BUDGET_EXHAUSTED,
    TRADING_STRATEGY_STOPS,
    TRADING_STUDIES_FINISHED,
)

_OF_SYMBOL: Final = {"symbol": "subject"}  # facts about a symbol's bars
_OF_STRATEGY: Final = {"strategy": "subject"}  # facts about a strategy
_SIGNAL: Final = ("strategy", "symbol", "side", "quantity", "intent_id", "bar_at")


def _signal(outcome: str) -> Measure:
    return Measure(metric=TRADING_SIGNALS, labels={"strategy": "strategy"}, fixed={"outcome": outcome})


_STRATEGIES: Final = (
    Instrument(
        event=StrategyStarted,
        level="info",
        message="{subject} ({kind}) sees {symbols} from now on, after {warm_up_bars} bars of the past",
        fields=("kind", "symbols", "warm_up_bars", "resumed_from", "settings", "changed"),
    ),
    Instrument(
        event=StrategyStopped,
        level="warning",
        message="{subject} is stopped, {cause}: {detail}",
        fields=("cause", "detail"),
        counters=(Measure(metric=TRADING_STRATEGY_STOPS, labels={**_OF_STRATEGY, "cause": "cause"}),),
    ),
    Instrument(
        event=StrategyPaused,
        level="warning",
        message="{subject} sends nothing until it is resumed, by {actor}: {reason}",
        fields=("actor", "reason"),
    ),
    Instrument(
        event=StrategyResumed,
        level="info",
        message="{subject} sends again, by {actor}: {reason}",
        fields=("actor", "reason"),
    ),
    Instrument(
        event=StrategyBudgetExhausted,
        level="warning",
        message="{subject} wants more than its budget of {budget} dollars: {used} are used",
        fields=("budget", "used"),
        counters=(Measure(metric=TRADING_STRATEGY_BUDGET_EXHAUSTED, labels=_OF_STRATEGY),),
    ),
    Instrument(
        event=ParityDiverged,
        level="error",
        message="{subject} and its reference differ in {symbol} since {at}: {difference}",
        fields=("symbol", "at", "difference"),
        counters=(Measure(metric=TRADING_PARITY_DIVERGENCES, labels=_OF_STRATEGY),),
    ),
)

_SIGNALS: Final = (
    Instrument(
        event=SignalEmitted,
        level="info",
        message="{strategy} wants to {side} {quantity} {symbol} by the bar of {bar_at}",
        fields=(*_SIGNAL, "delay_seconds"),
        counters=(_signal("emitted"),),
        histograms=(Measure(metric=TRADING_SIGNAL_DELAY, value="delay_seconds"),),
    ),
    Instrument(
        event=SignalExpired,
        level="warning",
        message="{strategy} wanted to {side} {quantity} {symbol} by the bar of {bar_at}, which is {age_seconds} s ago",
        fields=(*_SIGNAL, "age_seconds"),
        counters=(_signal("expired"),),
    ),
    Instrument(
        event=SignalDenied,
        level="warning",
        message="{strategy} may not {side} {quantity} {symbol}, {reason}: {detail}",
        fields=(*_SIGNAL, "reason", "detail"),
        counters=(_signal("denied"),),
    ),
)

_BARS: Final = (
    Instrument(
        event=MarketDataStale,
        level="warning",
        message="no bar of {subject} for {age_seconds} s, and its market is open",
        fields=("age_seconds",),
    ),
    Instrument(
        event=MarketDataFresh,
        level="info",
        message="bars of {subject} come again, after {stale_seconds} s",
        fields=("stale_seconds",),
        histograms=(Measure(metric=TRADING_DATA_OUTAGE, value="stale_seconds"),),
    ),
    Instrument(
        event=BarGapFound,
        level="warning",
        message="{bars} bars of {subject} are missing from {start} to {end}",
        fields=("start", "end", "bars"),
        counters=(
            Measure(metric=TRADING_BAR_GAPS, labels=_OF_SYMBOL, fixed={"change": "found"}),
            Measure(metric=TRADING_GAP_BARS, labels=_OF_SYMBOL, fixed={"change": "found"}, value="bars"),
        ),
    ),
    Instrument(
        event=BarGapFilled,
        level="info",
        message="{bars} bars of {subject} were read again from {start} to {end}",
        fields=("start", "end", "bars"),
        counters=(
            Measure(metric=TRADING_BAR_GAPS, labels=_OF_SYMBOL, fixed={"change": "filled"}),
            Measure(metric=TRADING_GAP_BARS, labels=_OF_SYMBOL, fixed={"change": "filled"}, value="bars"),
        ),
    ),
)

_STUDIES: Final = (
    Instrument(
        event=StudyFinished,
        level="info",
        message="study {subject} of {kind} on {market} tried {trials} settings: {verdict}",
        fields=("kind", "market", "trials", "verdict", "failed", "deflated_sharpe", "duration_seconds"),
        counters=(Measure(metric=TRADING_STUDIES_FINISHED, labels={"kind": "kind", "verdict": "verdict"}),),
    ),
)

STRATEGY_TABLE: Final = (*_STRATEGIES, *_SIGNALS, *_BARS, *_STUDIES)
