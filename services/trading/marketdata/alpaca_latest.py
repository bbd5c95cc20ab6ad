"""Latest prices, by alpaca-py's client for market data, kept in memory.

The order path needs a price within milliseconds. So whatever symbol was asked for is read again in the background by
`refresh`, all symbols in one call, and `last` answers from memory; only a symbol's first question waits for the venue.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from alpaca.data.enums import DataFeed
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import StockLatestTradeRequest

from services.contracts.market import Symbol
from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.trading.marketdata.latest import Mark, PricesUnavailableError
from services.trading.wire.budget import RateBudget
from services.trading.wire.calls import Keys, Patience, VenueCalls
from services.trading.wire.outcomes import CallError

_log = logging.getLogger("services.trading.marketdata")

_FRESH_SECONDS: Final = 3.0
_WATCH_SECONDS: Final = 900.0
_MOST_WATCHED: Final = 200
# A price is waited for on the way to an order: rather none than a late one.
_PATIENCE: Final = Patience(connect_seconds=1.0, read_seconds=2.0, total_seconds=2.0, attempts=2)
# alpaca-py demands keys when it is made. These are never sent: the session puts the present ones over them.
_PLACEHOLDER: Final = "leased"


@dataclass(slots=True)
class _Watched:
    asked_at: float
    tried_at: float | None = None
    mark: Mark | None = None


class LatestPrices:
    """Implements `PriceSource`. From any thread.

    Args:
        url: Base address of the market data: "https://data.alpaca.markets", or a paper venue's.
        keys: The headers of a session that may read there, asked before each call.
        clock: Time.
        randomness: Spreads repetitions.
        feed: Which trades: "iex" comes with every account, "sip" is all exchanges and is paid for.
        sleep: Blocks between two attempts, for a number of seconds.
    """

    def __init__(  # noqa: PLR0913 -- each is a collaborator of its own, handed in once when trading is wired
        self,
        url: str,
        keys: Keys,
        *,
        clock: Clock,
        randomness: Randomness,
        feed: str = "iex",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._feed = DataFeed(feed)
        self._calls = VenueCalls(
            keys, RateBudget(clock), clock=clock, randomness=randomness, sleep=sleep, patience=_PATIENCE
        )
        self._client = _client(url, self._calls)
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._watched: dict[Symbol, _Watched] = {}

    def last(self, symbol: Symbol) -> Mark | None:
        """The latest trade that is known. Waits for the venue, 3 s at most, when it was not asked within 3 s."""
        if not self._is_fresh(symbol):
            with self._reading:
                # Whoever held the lock may have read this symbol, too.
                if not self._is_fresh(symbol):
                    self._try_to_read(symbol)
        with self._lock:
            return self._watched[symbol].mark if symbol in self._watched else None

    def refresh(self) -> None:
        """Read the symbols that were asked for lately, in one call. Raises `PricesUnavailableError`."""
        with self._reading:
            symbols = self._to_read()
            if symbols:
                self._read(symbols)

    def close(self) -> None:
        """Close all connections."""
        self._calls.close()

    def _is_fresh(self, symbol: Symbol) -> bool:
        now = self._clock.monotonic()
        with self._lock:
            watched = self._watched.get(symbol)
            if watched is None:
                self._make_room()
                self._watched[symbol] = _Watched(now)
                return False
            watched.asked_at = now
            return watched.tried_at is not None and now - watched.tried_at < _FRESH_SECONDS

    def _make_room(self) -> None:
        if len(self._watched) >= _MOST_WATCHED:
            del self._watched[min(self._watched, key=lambda symbol: self._watched[symbol].asked_at)]

    def _to_read(self) -> list[Symbol]:
        since = self._clock.monotonic() - _WATCH_SECONDS
        with self._lock:
            self._watched = {symbol: each for symbol, each in self._watched.items() if each.asked_at >= since}
            return sorted(self._watched)

    def _try_to_read(self, symbol: Symbol) -> None:
        try:
            self._read([symbol])
        except PricesUnavailableError as error:
            _log.warning("no new price of %s: %s", symbol, error.detail)

    def _read(self, symbols: list[Symbol]) -> None:
        marks: dict[Symbol, Mark | None] = {}
        try:
            marks = self._ask(symbols)
        finally:
            # A failure counts as well: while the venue is away not every order is to wait for it.
            now = self._clock.monotonic()
            with self._lock:
                for watched, mark in ((self._watched.get(symbol), marks.get(symbol)) for symbol in symbols):
                    if watched is not None:
                        watched.tried_at = now
                        watched.mark = mark or watched.mark

    def _ask(self, symbols: list[Symbol]) -> dict[Symbol, Mark | None]:
        request = StockLatestTradeRequest(symbol_or_symbols=[str(symbol) for symbol in symbols], feed=self._feed)
        try:
            told = self._client.get_stock_latest_trade(request)
        except CallError as error:
            raise PricesUnavailableError(f"The prices could not be read: {error.detail}.") from error
        except (AttributeError, TypeError, ValueError) as error:
            # alpaca-py takes the answer apart by itself, and stumbles where it is not what it expects.
            raise PricesUnavailableError("The answer with the prices was not understood.") from error
        return {symbol: _mark(told.get(symbol)) for symbol in symbols}


def _client(url: str, calls: VenueCalls) -> Any:  # noqa: ANN401 -- answers are whatever the venue sent
    client = StockHistoricalDataClient(_PLACEHOLDER, _PLACEHOLDER, raw_data=True, url_override=url)
    # Were the attribute called otherwise one day, calls would go out with the placeholder and be refused.
    client._session = calls  # type: ignore[assignment]  # noqa: SLF001 -- there is no other place to set time limits
    return client


def _mark(trade: object) -> Mark | None:
    """A trade as {"t": time, "p": price, ...}; None when it is not one."""
    if not isinstance(trade, dict):
        return None
    try:
        price, at = Decimal(trade["p"]), datetime.fromisoformat(trade["t"])
    except (KeyError, TypeError, ValueError, InvalidOperation):
        return None
    if not price.is_finite() or price <= 0 or at.tzinfo is None:
        return None
    return Mark(price, at.astimezone(UTC))
