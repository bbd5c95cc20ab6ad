"""What the trading file says of strategies, and of the bars that they look at."""

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.contracts.market import SYMBOL_PATTERN, Symbol
from services.contracts.orders import StrategyName, VenueName
from services.trading.marketdata.port import Timeframe
from services.trading.risk.state import KILL_SWITCH
from services.trading.strategies.parameters import ParameterError, Params, Value
from services.trading.strategies.protocol import Strategy
from services.trading.strategies.registry import UnknownStrategyError, find

MOST_STRATEGIES: Final = 50
MOST_SYMBOLS: Final = 200
_TIMEFRAMES: Final = (Timeframe.MINUTE, Timeframe.DAY)
_RESERVED: Final = frozenset({KILL_SWITCH, "operator"})
_MINUTE_STALE_SECONDS: Final = 60.0
_ANYWHERE: Final = "any"
_PARITY_DAYS: Final = 20
_PARITY_MINUTES: Final = 390

Dollars = Annotated[Decimal, Field(gt=0, le=Decimal(10) ** 11, allow_inf_nan=False, decimal_places=2)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Schedule(_Part):
    """When a strategy decides.

    Attributes:
        hours: `regular`, while a session of the exchange's calendar runs; `always`.
        after_open_minutes, before_close_minutes: So much of a session's beginning and end is left out.
    """

    hours: Literal["regular", "always"] = "always"
    after_open_minutes: int = Field(default=0, ge=0, le=390)
    before_close_minutes: int = Field(default=0, ge=0, le=390)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        left_out = self.after_open_minutes + self.before_close_minutes
        if left_out and self.hours != "regular":
            raise ValueError("minutes of a session are left out only with hours: regular; add that")
        if left_out >= 390:  # noqa: PLR2004 -- minutes from 9:30 to 16:00
            raise ValueError("nothing of a session is left: leave out fewer minutes")
        return self


class Budget(_Part):
    """What a strategy may use. What closes a position is never held against it.

    Attributes:
        largest_exposure: Most that what it holds and what works for it may be worth, in dollars; twice its capital
            unless given.
        orders_a_day: Most orders of a day in New York that open something; no limit unless given.
    """

    largest_exposure: Dollars | None = None
    orders_a_day: int | None = Field(default=None, ge=1)


class StrategyConfig(_Part):
    """One strategy at work.

    Attributes:
        name: Its orders carry it. Another one of its kind has another name.
        kind: As in the registry.
        parameters: Those that differ from the author's.
        venue: Where its orders go; `any` leaves that to the router.
        capital: Dollars that its account begins with: its targets are shares of what this has become.
        share: The part of that which a target of 1 stands for; by default 1, parted among the symbols of a strategy
            that looks at each alone.
        stale_after_seconds: A signal is not sent when its bar ended longer ago; by default a minute for bars of
            minutes, and for those of days when the next session has ended. What closes a position is sent however late.
    """

    name: StrategyName
    kind: str
    symbols: tuple[Annotated[Symbol, Field(pattern=SYMBOL_PATTERN)], ...] = Field(min_length=1, max_length=MOST_SYMBOLS)
    parameters: Mapping[str, int | float | str] = Field(default_factory=dict)
    venue: VenueName | None = None
    timeframe: Timeframe = Timeframe.DAY
    capital: Dollars
    share: Annotated[Decimal, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    budget: Budget = Budget()
    schedule: Schedule = Schedule()
    stale_after_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @field_validator("venue", mode="before")
    @classmethod
    def _any_is_none(cls, given: Any) -> Any:  # noqa: ANN401 -- whatever the file says
        return None if given == _ANYWHERE else given

    @field_validator("name")
    @classmethod
    def _is_free(cls, given: str) -> str:
        if given in _RESERVED:
            raise ValueError(f"{given} is the name of somebody else's orders; choose another")
        return given

    @field_validator("kind")
    @classmethod
    def _is_registered(cls, given: str) -> str:
        try:
            find(given)
        except UnknownStrategyError as error:
            raise ValueError(str(error)) from None
        return given

    @field_validator("timeframe")
    @classmethod
    def _is_streamed(cls, given: Timeframe) -> Timeframe:
        if given not in _TIMEFRAMES:
            raise ValueError(f"strategies run on bars of {' or '.join(_TIMEFRAMES)}")
        return given

    @field_validator("symbols")
    @classmethod
    def _each_once(cls, given: Sequence[Symbol]) -> tuple[Symbol, ...]:
        double = sorted({symbol for symbol in given if given.count(symbol) > 1})
        if double:
            raise ValueError(f"{', '.join(double)} stands twice; leave one out")
        return tuple(sorted(given))

    @model_validator(mode="after")
    def _suits_its_kind(self) -> Self:
        strategy = self.strategy
        if len(self.symbols) < strategy.symbols_needed:
            raise ValueError(f"{self.kind} needs {strategy.symbols_needed} symbols or more; add some")
        try:
            strategy.space.check(self.parameters)
        except ParameterError as error:
            raise ValueError(f"parameters of {self.kind}: {error}") from None
        if self.timeframe is Timeframe.DAY and self.schedule.hours == "regular":
            raise ValueError("a daily bar ends with its session: schedule is for bars of minutes, leave it out")
        return self

    @property
    def strategy(self) -> Strategy:
        """What decides."""
        return find(self.kind)

    @property
    def params(self) -> Params:
        """The whole setting."""
        given: dict[str, Value] = dict(self.parameters)
        return self.strategy.space.check(given)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that differ when anything said here does."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    @property
    def part(self) -> Decimal:
        """The share of the equity that a target of 1 stands for."""
        if self.share is not None:
            return self.share
        return Decimal(1) / len(self.symbols) if self.strategy.symbols_needed == 1 else Decimal(1)

    @property
    def largest_exposure(self) -> Decimal:
        """In dollars."""
        return 2 * self.capital if self.budget.largest_exposure is None else self.budget.largest_exposure

    @property
    def stale_seconds(self) -> float | None:
        """Age from which on a signal is not sent; None: it is sent until the next session has ended."""
        usual = None if self.timeframe is Timeframe.DAY else _MINUTE_STALE_SECONDS
        return usual if self.stale_after_seconds is None else self.stale_after_seconds


class BarsConfig(_Part):
    """Where the strategies' bars come from.

    Attributes:
        venue: The one whose market data are read; by default the first.
        history: CSV or Parquet file with bars of the past; by default the venue is asked for them.
        time: `machine`: bars are of the present. `replay`: a paper venue replays recorded ones, and ages count from
            when the newest of them came.
        sessions: The calendar that bars follow; by default the one that the gate goes by.
        stale_after_seconds: A symbol whose bar is so much overdue has stale data; an hour for daily bars of the
            present, whatever is given.
        grace_seconds: How long a decision waits for the other symbols' bars of the same moment.
        parity_bars: After so many bars what a strategy did is compared with the reference; by default 20 daily ones and
            390 of minutes, 0 for never.
    """

    venue: VenueName | None = None
    history: Path | None = None
    time: Literal["machine", "replay"] = "machine"
    sessions: Literal["XNYS", "always"] | None = None
    stale_after_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 180.0
    grace_seconds: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 2.0
    parity_bars: int | None = Field(default=None, ge=0)

    def parity_every(self, timeframe: Timeframe) -> int:
        """Bars between two comparisons with the reference, 0 for never."""
        if self.parity_bars is not None:
            return self.parity_bars
        return _PARITY_DAYS if timeframe is Timeframe.DAY else _PARITY_MINUTES

    @model_validator(mode="after")
    def _a_file_is_of_the_past(self) -> Self:
        if self.history is not None and self.time != "replay":
            raise ValueError("a file of bars of the past goes with time: replay; without it the venue is asked")
        return self


def problem_of(strategies: Sequence[StrategyConfig]) -> str:
    """What is wrong with strategies beside each other, and what to do; "" for nothing."""
    names = [each.name for each in strategies]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        return f"two strategies are called {', '.join(double)}; give each a name of its own"
    for number, one in enumerate(strategies):
        for other in strategies[:number]:
            shared = sorted(set(one.symbols) & set(other.symbols))
            if shared and (one.venue is None or other.venue is None or one.venue == other.venue):
                return (
                    f"{other.name} and {one.name} would share one position in {', '.join(shared)}: an account has one "
                    "for each symbol. Give each strategy a venue of its own, or other symbols"
                )
    return ""
