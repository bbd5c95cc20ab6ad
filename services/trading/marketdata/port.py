"""Where bars come from, as whoever uses them sees it."""

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol

from services.contracts.columns import Columns
from services.contracts.market import Bar, Symbol
from services.kit.errors import SightlineError, UnavailableError


class Timeframe(StrEnum):
    """Length of a bar."""

    MINUTE = "1min"
    FIVE_MINUTES = "5min"
    QUARTER_HOUR = "15min"
    HALF_HOUR = "30min"
    HOUR = "1hour"
    DAY = "1day"

    @property
    def seconds(self) -> int:
        """The same in seconds; a daily bar is of the regular session, whatever its length."""
        return _SECONDS[self]

    @property
    def length(self) -> timedelta:
        """The same as a duration."""
        return timedelta(seconds=self.seconds)


_SECONDS: Final = {
    Timeframe.MINUTE: 60,
    Timeframe.FIVE_MINUTES: 300,
    Timeframe.QUARTER_HOUR: 900,
    Timeframe.HALF_HOUR: 1800,
    Timeframe.HOUR: 3600,
    Timeframe.DAY: 86_400,
}


class Adjustment(StrEnum):
    """What was done to past prices so that they compare with the last one."""

    RAW = "raw"  # as they were traded
    SPLIT = "split"  # in shares as there are at the end of the history
    TOTAL_RETURN = "total_return"  # that, and as if dividends had been put into the share at once


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRequest:
    """Which bars are wanted.

    Attributes:
        start, end: Bars that begin from `start` on and before `end`. Aware UTC datetimes.
    """

    symbol: Symbol
    start: datetime
    end: datetime
    timeframe: Timeframe = Timeframe.DAY
    adjustment: Adjustment = Adjustment.RAW


class BarSource(Protocol):
    """Bars of the past."""

    def bars(self, request: BarRequest) -> Columns:
        """Bars, oldest first; none where the source has none of them.

        Raises:
            UnknownSymbolError: The source does not have the symbol.
            NotOfferedError: It does not have such bars of it.
            BarsUnavailableError: They cannot be read at present.
        """


class BarStream(Protocol):
    """Bars as they come."""

    def bars(self, symbols: Collection[Symbol]) -> AsyncGenerator[Bar, None]:
        """Complete bars, each once, for each symbol in the order of their starts, until the caller closes it."""


class MarketDataError(SightlineError):
    """Root of what goes wrong with bars."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "market_data_error"
    title = "The bars cannot be used"


class UnknownSymbolError(MarketDataError):
    """The source has no bars of this symbol."""

    status_code = HTTPStatus.NOT_FOUND
    code = "unknown_symbol"
    title = "There are no bars of this symbol"


class NotOfferedError(MarketDataError):
    """The source does not give bars of this kind."""

    code = "bars_not_offered"
    title = "The source does not have bars of this kind"


class BarsUnavailableError(UnavailableError):
    """The bars cannot be read at present; a later attempt may succeed."""

    code = "bars_unavailable"
    title = "The bars cannot be read"
