"""Bars of the past from Alpaca, by alpaca-py's client for market data: https://docs.alpaca.markets/reference/stockbars."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from alpaca.data.enums import Adjustment as AlpacaAdjustment
from alpaca.data.enums import DataFeed
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from services.contracts.bars import within
from services.contracts.columns import Columns
from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.trading.marketdata.documents import columns_in, moment
from services.trading.marketdata.port import Adjustment, BarRequest, BarsUnavailableError, Timeframe
from services.trading.wire.budget import RateBudget
from services.trading.wire.calls import Keys, Patience, VenueCalls
from services.trading.wire.outcomes import CallError, RefusedError

# History is read in many calls and nobody waits for it on the way to an order: it may take its time, and wait until the
# venue's limiter lets it go on, a minute at most.
_PATIENCE: Final = Patience(connect_seconds=5.0, read_seconds=30.0, total_seconds=90.0, attempts=4)
# alpaca-py demands keys when it is made. These are never sent: the session puts the present ones over them.
_PLACEHOLDER: Final = "leased"
_ADJUSTMENTS: Final = {
    Adjustment.RAW: AlpacaAdjustment.RAW,
    Adjustment.SPLIT: AlpacaAdjustment.SPLIT,
    Adjustment.TOTAL_RETURN: AlpacaAdjustment.ALL,
}
_TIMEFRAMES: Final[Mapping[Timeframe, tuple[int, TimeFrameUnit]]] = {
    Timeframe.MINUTE: (1, TimeFrameUnit.Minute),
    Timeframe.FIVE_MINUTES: (5, TimeFrameUnit.Minute),
    Timeframe.QUARTER_HOUR: (15, TimeFrameUnit.Minute),
    Timeframe.HALF_HOUR: (30, TimeFrameUnit.Minute),
    Timeframe.HOUR: (1, TimeFrameUnit.Hour),
    Timeframe.DAY: (1, TimeFrameUnit.Day),
}
_FIELDS: Final = ("o", "h", "l", "c", "v")


class AlpacaBars:
    """Implements `BarSource`. From any thread. A symbol that Alpaca does not know has no bars.

    Alpaca adjusts by what is known today: adjusted prices compare with today's, whatever the end of the range.

    Args:
        url: Base address of the market data: "https://data.alpaca.markets", or a paper venue's.
        keys: The headers of a session that may read there, asked before each call.
        clock: Time.
        randomness: Spreads repetitions.
        feed: Which trades count: "sip" is all exchanges, and free but for the last 15 minutes; "iex" is one exchange.
        sleep: Blocks between two attempts, for a number of seconds.
        patience: How long a page may take.
    """

    def __init__(  # noqa: PLR0913 -- each is a collaborator of its own, handed in once when it is wired
        self,
        url: str,
        keys: Keys,
        *,
        clock: Clock,
        randomness: Randomness,
        feed: str = "sip",
        sleep: Callable[[float], None] = time.sleep,
        patience: Patience = _PATIENCE,
    ) -> None:
        self._feed = DataFeed(feed)
        self._calls = VenueCalls(
            keys, RateBudget(clock), clock=clock, randomness=randomness, sleep=sleep, patience=patience
        )
        client = StockHistoricalDataClient(_PLACEHOLDER, _PLACEHOLDER, raw_data=True, url_override=url)
        # Were the attribute called otherwise one day, calls would go out with the placeholder and be refused.
        client._session = self._calls  # type: ignore[assignment]  # noqa: SLF001 -- there is no other place to set time limits
        self._client: Any = client  # answers are whatever the venue sent

    def bars(self, request: BarRequest) -> Columns:
        """Implements `BarSource`; reads page after page, 10,000 bars each."""
        amount, unit = _TIMEFRAMES[request.timeframe]
        asked = StockBarsRequest(
            symbol_or_symbols=str(request.symbol),
            timeframe=TimeFrame(amount, unit),
            start=request.start,
            end=request.end,
            adjustment=_ADJUSTMENTS[request.adjustment],
            feed=self._feed,
        )
        try:
            told = self._client.get_stock_bars(asked)
            columns = columns_in(told.get(str(request.symbol)) or [], _FIELDS, lambda bar: moment(bar["t"]))
        except RefusedError as error:
            raise BarsUnavailableError(_refusal(error)) from error
        except CallError as error:
            raise BarsUnavailableError(f"The bars of {request.symbol} could not be read: {error.detail}.") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # alpaca-py takes the answer apart by itself, and stumbles where it is not what it expects.
            raise BarsUnavailableError(f"The answer with the bars of {request.symbol} was not understood.") from error
        # Alpaca's end is one of the bars that it gives.
        return within(columns, request.start, request.end)

    def close(self) -> None:
        """Close all connections."""
        self._calls.close()


def _refusal(error: RefusedError) -> str:
    if error.unauthorised:
        return f"The venue refuses the keys ({error.detail}): store the right ones for the account in auth."
    return f"The venue does not give these bars: {error.detail}."
