"""Alpaca's market data API for stocks, as far as bars carry it: https://docs.alpaca.markets/reference/stockbars.

Numbers are JSON numbers here, as at Alpaca. Trades and quotes are made of the last bar: its close, and one tick to
either side.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.contracts.market import Bar, Symbol, tick_at
from services.venue.broker.asking import Ask, Reply
from services.venue.broker.errors import InvalidError, MissingError
from services.venue.broker.exchange import Exchange
from services.venue.broker.figures import read_time, time_text
from services.venue.broker.reading import BarQuery, read_query
from services.venue.broker.wire import Document, symbol_of

_SECONDS: Final = {"Min": 60, "T": 60, "Hour": 3600, "H": 3600, "Day": 86_400, "D": 86_400}
_EXCHANGE: Final = "V"
_LOT: Final = 100
_NEWEST: Final = {"bars": "bar", "trades": "trade", "quotes": "quote"}


@dataclass(frozen=True, slots=True)
class MarketData:
    """The handlers."""

    exchange: Exchange

    def bars(self, ask: Ask) -> Reply:
        """`GET /v2/stocks/bars` and `GET /v2/stocks/{symbol}/bars`."""
        query = read_query(BarQuery, ask.query)
        single = ask.path.get("symbol")
        symbols = sorted(_symbols(single or query.symbols))
        seconds = _length(query.timeframe)
        found: dict[str, list[Document]] = {}
        left, token = query.limit, None
        resume_symbol, resume_at = _read_token(query.page_token)
        for symbol in symbols:
            if symbol < resume_symbol:
                continue
            for bar in self._bars(symbol, seconds, query):
                if symbol == resume_symbol and resume_at is not None and _passed(bar, resume_at, query.sort):
                    continue
                if not left:
                    token = token or _token(symbol, found)
                    break
                found.setdefault(symbol, []).append(bar_document(bar))
                left -= 1
        if single is not None:
            return Reply({"symbol": symbols[0], "bars": found.get(symbols[0], []), "next_page_token": token})
        return Reply({"bars": found, "next_page_token": token})

    def latest(self, what: str, make: Callable[[Bar, datetime], Document]) -> Callable[[Ask], Reply]:
        """`GET /v2/stocks/{bars,trades,quotes}/latest`, for several symbols or for one in the path."""

        def handle(ask: Ask) -> Reply:
            single = ask.path.get("symbol")
            symbols = _symbols(single or ask.query.get("symbols", ""))
            newest = {symbol: self.exchange.books.prices.newest(symbol) for symbol in symbols}
            traded_at = self.exchange.time.traded_at
            found = {symbol: make(bar, traded_at(symbol)) for symbol, bar in newest.items() if bar is not None}
            if single is None:
                return Reply({what: found})
            if not found:
                raise MissingError(f"no {_NEWEST[what]} found for {symbols[0]}")
            return Reply({"symbol": symbols[0], _NEWEST[what]: found[symbols[0]]})

        return handle

    def _bars(self, symbol: Symbol, seconds: int, query: BarQuery) -> list[Bar]:
        bars = list(self.exchange.books.prices.between(symbol, seconds, query.start, query.end))
        return bars if query.sort == "asc" else bars[::-1]


def bar_document(bar: Bar) -> Document:
    """A bar. Its trades were not counted, so that `n` is 0; its mean price is that of its four prices."""
    mean = (bar.open + bar.high + bar.low + bar.close) / 4
    return {
        "t": time_text(bar.start),
        "o": float(bar.open),
        "h": float(bar.high),
        "l": float(bar.low),
        "c": float(bar.close),
        "v": _number(bar.volume),
        "n": 0,
        "vw": float(round(mean, 6)),
    }


def latest_bar_document(bar: Bar, at: datetime) -> Document:  # noqa: ARG001 -- a bar tells of its own time
    """The last bar, whenever it came."""
    return bar_document(bar)


def trade_document(bar: Bar, at: datetime) -> Document:
    """The last trade: one of a round lot at the bar's close."""
    return {
        "t": time_text(at),
        "x": _EXCHANGE,
        "p": float(bar.close),
        "s": _LOT,
        "c": ["@"],
        "i": 1,
        "z": "C",
    }


def quote_document(bar: Bar, at: datetime) -> Document:
    """The last quote: one tick to either side of the bar's close."""
    tick = tick_at(bar.close)
    return {
        "t": time_text(at),
        "ax": _EXCHANGE,
        "ap": float(bar.close + tick),
        "as": _LOT,
        "bx": _EXCHANGE,
        "bp": float(max(bar.close - tick, tick)),
        "bs": _LOT,
        "c": ["R"],
        "z": "C",
    }


def _symbols(text: str) -> list[Symbol]:
    symbols = [symbol_of(each) for each in text.split(",") if each.strip()]
    if not symbols:
        raise InvalidError("symbols is required")
    return list(dict.fromkeys(symbols))


def _length(timeframe: str) -> int:
    digits = timeframe.rstrip("MinTHourDay")
    seconds = int(digits) * _SECONDS[timeframe[len(digits) :]]
    if not seconds:
        raise InvalidError("invalid timeframe")
    return seconds


def _token(symbol: Symbol, found: dict[str, list[Document]]) -> str:
    """Where the next page begins: after the last bar of this symbol, or with its first."""
    last = found.get(symbol)
    return f"{symbol}|{last[-1]['t'] if last else ''}"


def _read_token(token: str) -> tuple[str, datetime | None]:
    symbol, _, at = token.partition("|")
    try:
        return symbol, read_time(at) if at else None
    except ValueError:
        raise InvalidError("invalid page_token") from None


def _passed(bar: Bar, at: datetime, sort: str) -> bool:
    return bar.start <= at if sort == "asc" else bar.start >= at


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
