"""Bars of the past from Robinhood, for research alone. Its interface is not official and may change on any day."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from services.contracts.bars import within
from services.contracts.columns import Columns
from services.contracts.market import Symbol
from services.kit.bar_times import daily_start
from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.trading.marketdata.documents import columns_in, moment
from services.trading.marketdata.port import (
    Adjustment,
    BarRequest,
    BarsUnavailableError,
    NotOfferedError,
    Timeframe,
    UnknownSymbolError,
)
from services.trading.marketdata.robinhood_library import API, ReadOnlySession, prices
from services.trading.wire.budget import RateBudget
from services.trading.wire.calls import Keys, Patience, VenueCalls
from services.trading.wire.outcomes import CallError

_PATIENCE: Final = Patience(connect_seconds=5.0, read_seconds=20.0, total_seconds=60.0, attempts=3)
_PRICES: Final = ("open_price", "high_price", "low_price", "close_price", "volume")
# Bars of which length go how far back, by Robinhood's names, the shortest first.
_SPANS: Final[Mapping[Timeframe, tuple[str, Mapping[str, timedelta]]]] = {
    Timeframe.FIVE_MINUTES: ("5minute", {"day": timedelta(days=1), "week": timedelta(days=7)}),
    Timeframe.HOUR: ("hour", {"week": timedelta(days=7), "month": timedelta(days=30), "3month": timedelta(days=90)}),
    Timeframe.DAY: ("day", {"year": timedelta(days=365), "5year": timedelta(days=5 * 365)}),
}


class RobinhoodBars:
    """Implements `BarSource`. Prices come adjusted for splits, in bars of 5 minutes, an hour or a day.

    Args:
        keys: The headers of a session, asked before each call: those that auth leases.
        clock: Time.
        randomness: Spreads repetitions.
        url: Base address of the interface.
        sleep: Blocks between two attempts, for a number of seconds.
        patience: How long a call may take.
    """

    def __init__(  # noqa: PLR0913 -- each is a collaborator of its own, handed in once when it is wired
        self,
        keys: Keys,
        *,
        clock: Clock,
        randomness: Randomness,
        url: str = API,
        sleep: Callable[[float], None] = time.sleep,
        patience: Patience = _PATIENCE,
    ) -> None:
        self._clock = clock
        self._calls = VenueCalls(
            keys, RateBudget(clock), clock=clock, randomness=randomness, sleep=sleep, patience=patience
        )
        self._session = ReadOnlySession(self._calls, url)

    def bars(self, request: BarRequest) -> Columns:
        """Implements `BarSource`."""
        if request.adjustment is not Adjustment.SPLIT:
            raise NotOfferedError(
                f"Robinhood adjusts for splits alone: ask for {Adjustment.SPLIT}, not {request.adjustment}."
            )
        interval, span = self._span(request)
        documents = self._ask(request.symbol, interval, span)
        try:
            columns = _columns(documents, request.timeframe)
        except (KeyError, TypeError, ValueError) as error:
            raise _not_understood(request.symbol) from error
        return within(columns, request.start, request.end)

    def close(self) -> None:
        """Close all connections."""
        self._calls.close()

    def _span(self, request: BarRequest) -> tuple[str, str]:
        if request.timeframe not in _SPANS:
            raise NotOfferedError(f"Robinhood has bars of {', '.join(_SPANS)}, not of {request.timeframe}.")
        interval, spans = _SPANS[request.timeframe]
        back = self._clock.now() - request.start
        for span, reach in spans.items():
            if back <= reach:
                return interval, span
        longest = max(spans.values())
        first = (self._clock.now() - longest).date()
        raise NotOfferedError(f"Robinhood's bars of {request.timeframe} go back {longest.days} days: begin at {first}.")

    def _ask(self, symbol: Symbol, interval: str, span: str) -> Sequence[Any]:
        try:
            with prices(self._session) as (stocks, said):
                documents = stocks.get_stock_historicals(str(symbol), interval=interval, span=span)
        except CallError as error:
            raise BarsUnavailableError(f"The bars of {symbol} could not be read: {error.detail}.") from error
        except (AttributeError, KeyError, TypeError) as error:
            # The package takes the answer apart by itself, and stumbles where it is not what it expects.
            raise _not_understood(symbol) from error
        if documents == []:
            raise UnknownSymbolError(f"Robinhood has no bars of {symbol}.")
        if not isinstance(documents, list) or documents == [None]:
            # It gives no reason but what it prints.
            raise BarsUnavailableError(f"The bars of {symbol} could not be read: {said.getvalue().strip()[:200]}")
        return documents


def _not_understood(symbol: Symbol) -> BarsUnavailableError:
    return BarsUnavailableError(f"Robinhood's answer with the bars of {symbol} was not understood.")


def _columns(documents: Sequence[Mapping[str, Any]], timeframe: Timeframe) -> Columns:
    def start(document: Mapping[str, Any]) -> datetime:
        begins = moment(document["begins_at"])
        # A day begins at midnight of Greenwich there.
        return daily_start(begins.date()) if timeframe is Timeframe.DAY else begins

    # What is called interpolated did not trade.
    return columns_in([each for each in documents if not each["interpolated"]], _PRICES, start)
