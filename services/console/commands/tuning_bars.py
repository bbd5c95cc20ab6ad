"""The bars that `sightline tune` works on."""

from dataclasses import replace
from datetime import UTC
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar

from services.console.commands.tuning_options import Market
from services.contracts.bars import on_one_axis, within
from services.contracts.columns import Panel
from services.contracts.market import Symbol
from services.kit.bar_files import read_bars
from services.kit.bar_times import EARLIEST, LATEST
from services.kit.errors import SightlineError
from services.trading.marketdata.packaged import DATASETS, PackagedHistory
from services.trading.marketdata.port import Adjustment, BarRequest, BarSource, Timeframe, UnknownSymbolError
from services.trading.marketdata.store import BarStore

STORE: Final = "store"

_Word = TypeVar("_Word", bound=StrEnum)


class WrongOptionError(SightlineError):
    """An option has a value that it cannot have."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "wrong_option"
    title = "An option cannot be used like this"


def panel_of(market: Market, store: Path) -> Panel:
    """The bars that the options ask for, on one time axis.

    Args:
        market: The options.
        store: Directory of the bars that are kept on this machine.

    Raises:
        WrongOptionError: An option makes no sense.
        MarketDataError: There are no such bars.
        BarFileError: The file cannot be used.
    """
    symbols = [Symbol(name.strip().upper()) for name in market.symbols.split(",") if name.strip()]
    if not symbols:
        raise WrongOptionError("--symbols names at least one symbol, such as --symbols AAPL,MSFT.")
    request = BarRequest(
        symbol=symbols[0],
        start=market.since.replace(tzinfo=UTC) if market.since else EARLIEST,
        end=market.until.replace(tzinfo=UTC) if market.until else LATEST,
        timeframe=one_of(Timeframe, "--timeframe", market.timeframe),
        adjustment=one_of(Adjustment, "--adjustment", market.adjustment),
    )
    if market.source == STORE:
        return _from_source(BarStore(store), symbols, request)
    if market.source in DATASETS:
        return _from_source(PackagedHistory(market.source), symbols, request)
    return _from_file(Path(market.source), symbols, request)


def one_of(words: type[_Word], option: str, given: str) -> _Word:
    """The word that was given. Raises `WrongOptionError`."""
    try:
        return words(given)
    except ValueError:
        raise WrongOptionError(f"{option} is one of {', '.join(words)}, not {given!r}.") from None


def _from_source(source: BarSource, symbols: list[Symbol], request: BarRequest) -> Panel:
    return on_one_axis({symbol: source.bars(replace(request, symbol=symbol)) for symbol in symbols})


def _from_file(path: Path, symbols: list[Symbol], request: BarRequest) -> Panel:
    found = read_bars(path)
    if missing := [symbol for symbol in symbols if symbol not in found]:
        raise UnknownSymbolError(f"{path} has no {', '.join(missing)}; it has {', '.join(sorted(found))}.")
    return on_one_axis({symbol: within(found[symbol].columns, request.start, request.end) for symbol in symbols})
