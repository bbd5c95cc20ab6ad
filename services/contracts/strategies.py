"""Facts about strategies at work, the bars they see, and studies that looked for better settings.

A fact about a strategy has its name as the subject, one about a signal the id of the intent that it became, one about
market data the symbol, one about a study the study's name.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveInt

from services.contracts.events import Event
from services.contracts.market import Side, Symbol
from services.contracts.orders import DenyReason, IntentId, StrategyName, VenueName


class StrategyState(StrEnum):
    """What a strategy does at present."""

    WARMING_UP = "warming_up"  # not enough bars yet to decide anything
    RUNNING = "running"
    PAUSED = "paused"  # sees bars, sends nothing, until a person or a pipeline resumes it
    STOPPED = "stopped"  # sees nothing; a restart begins it anew


class StopCause(StrEnum):
    """Why a strategy does nothing any more."""

    ERROR = "error"  # it raised, or decided nonsense
    OPERATOR = "operator"
    CONFIGURATION = "configuration"  # it is no longer among those that are to run
    SHUTDOWN = "shutdown"  # the whole service ends


class StudyVerdict(StrEnum):
    """What a study came to."""

    RECOMMENDED = "recommended"  # its candidate passed every test
    NO_EDGE = "no_edge"


class StrategyStarted(Event):
    """A strategy sees bars from now on. The subject is the strategy.

    Attributes:
        kind: Its name in the registry.
        symbols: What it looks at.
        warm_up_bars: Bars of the past that it was given.
        resumed_from: The last bar that it had decided at before; None at its first start.
        settings: A digest of what the trading file says of it.
        changed: Whether that is another one than at its last start.
    """

    event_type: ClassVar[str] = "trading.strategy_started"

    kind: str
    symbols: tuple[Symbol, ...]
    warm_up_bars: NonNegativeInt
    resumed_from: AwareDatetime | None = None
    settings: str = ""
    changed: bool = False


class StrategyStopped(Event):
    """A strategy does nothing any more. The subject is the strategy.

    Attributes:
        detail: In words, for an error its message; without secrets.
    """

    event_type: ClassVar[str] = "trading.strategy_stopped"

    cause: StopCause
    detail: str


class StrategyPaused(Event):
    """A strategy sends nothing until it is resumed. The subject is the strategy."""

    event_type: ClassVar[str] = "trading.strategy_paused"

    actor: str
    reason: str


class StrategyResumed(Event):
    """A paused strategy sends again. The subject is the strategy."""

    event_type: ClassVar[str] = "trading.strategy_resumed"

    actor: str
    reason: str


class StrategyBudgetExhausted(Event):
    """A strategy wants more than its budget; nothing is opened for it until it holds less. The subject is the strategy.

    Attributes:
        budget: In dollars.
        used: What it holds and what works for it, in dollars.
    """

    event_type: ClassVar[str] = "trading.strategy_budget_exhausted"

    budget: Decimal
    used: Decimal


class _Signal(Event):
    """A strategy decided at the close of a bar. The subject is the intent's id.

    Attributes:
        bar_at: Start of the bar that it decided at.
    """

    strategy: StrategyName
    symbol: Symbol
    side: Side
    quantity: Decimal
    intent_id: IntentId
    bar_at: AwareDatetime


class SignalEmitted(_Signal):
    """A strategy's signal became an intent and is told to the gate.

    Attributes:
        delay_seconds: From the end of the bar to the signal.
    """

    event_type: ClassVar[str] = "trading.signal_emitted"

    delay_seconds: NonNegativeFloat


class SignalExpired(_Signal):
    """A signal was too old to be emitted: its bar came late, or the service was away."""

    event_type: ClassVar[str] = "trading.signal_expired"

    age_seconds: NonNegativeFloat


class SignalDenied(_Signal):
    """A signal that was emitted is refused; nothing was sent."""

    event_type: ClassVar[str] = "trading.signal_denied"

    reason: DenyReason
    detail: str


class MarketDataStale(Event):
    """A symbol's bars stopped coming while its market is open. The subject is the symbol.

    Attributes:
        age_seconds: Since the end of the newest bar.
    """

    event_type: ClassVar[str] = "trading.market_data_stale"

    age_seconds: NonNegativeFloat


class MarketDataFresh(Event):
    """A symbol's bars come again. The subject is the symbol.

    Attributes:
        stale_seconds: How long they had not.
    """

    event_type: ClassVar[str] = "trading.market_data_fresh"

    stale_seconds: NonNegativeFloat


class BarGapFound(Event):
    """Bars are missing that the calendar expects. The subject is the symbol.

    Attributes:
        start: Of the first missing bar.
        end: End of the last missing bar.
        bars: How many are missing.
    """

    event_type: ClassVar[str] = "trading.bar_gap_found"

    start: AwareDatetime
    end: AwareDatetime
    bars: PositiveInt


class BarGapFilled(Event):
    """Missing bars were read from the source's past. The subject is the symbol.

    Attributes:
        bars: How many came; fewer than were missing where the market had no trade.
    """

    event_type: ClassVar[str] = "trading.bar_gap_filled"

    start: AwareDatetime
    end: AwareDatetime
    bars: NonNegativeInt


class ParityDiverged(Event):
    """What a strategy did is not what the reference backtest does over the same bars. The subject is the strategy.

    Attributes:
        at: The bar of the first difference.
        difference: In words: what was done and what the reference does.
    """

    event_type: ClassVar[str] = "trading.parity_diverged"

    symbol: Symbol
    at: AwareDatetime
    difference: str


class StudyFinished(Event):
    """A study's trials are done and judged. The subject is the study.

    Attributes:
        kind: The strategy's name in the registry.
        market: Symbols, timeframe and adjustment that it is about.
        trials: Settings that it tried, neighbours included.
        failed: The tests that were not passed.
        deflated_sharpe: A probability; None where it could not be computed.
        duration_seconds: From the first trial to the last.
    """

    event_type: ClassVar[str] = "trading.study_finished"

    kind: str
    market: str
    trials: NonNegativeInt
    verdict: StudyVerdict
    failed: tuple[str, ...]
    deflated_sharpe: float | None
    duration_seconds: NonNegativeFloat


# --- what is told over HTTP


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class StrategyBudgetView(_Told):
    """What a strategy may use, and what it does.

    Attributes:
        largest_exposure, exposure: Worth of what it holds and of what works for it, in dollars.
        orders_a_day, orders_today: Orders that open something; the day is New York's. None for no limit.
    """

    largest_exposure: Decimal
    exposure: Decimal
    orders_a_day: int | None
    orders_today: int


class StrategyView(_Told):
    """How a strategy stands.

    Attributes:
        kind: Its name in the registry.
        venue: Where its orders go; None for wherever the router sends them.
        parameters: Every one, those from the file and the author's.
        equity: Its capital and what it has made of it, in dollars, at the last closes.
        held: Shares by symbol, negative when short.
        last_bar_at: Start of the last bar that it decided at.
        last_signal_at: When it last wanted something.
        detail: Why it stands so, in words; "" while it runs.
    """

    name: StrategyName
    kind: str
    state: StrategyState
    symbols: tuple[Symbol, ...]
    timeframe: str
    venue: VenueName | None
    parameters: Mapping[str, int | float | str]
    budget: StrategyBudgetView
    equity: Decimal
    held: Mapping[Symbol, Decimal]
    last_bar_at: AwareDatetime | None
    last_signal_at: AwareDatetime | None
    detail: str


class StrategyList(_Told):
    """Every strategy that the trading file names, in its order."""

    strategies: tuple[StrategyView, ...]
