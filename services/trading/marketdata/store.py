"""Bars that are kept on this machine: a Parquet file for each symbol, timeframe and adjustment."""

import fcntl
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from services.contracts.bars import joined, on_one_axis
from services.contracts.columns import Columns, Panel
from services.contracts.market import SYMBOL_PATTERN, Symbol
from services.kit.bar_parquet import extent_of, read_range, write_parquet
from services.kit.bar_times import EARLIEST, LATEST
from services.trading.marketdata.port import (
    Adjustment,
    BarRequest,
    BarsUnavailableError,
    NotOfferedError,
    Timeframe,
    UnknownSymbolError,
)


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """Which bars: each is a file of its own."""

    symbol: Symbol
    timeframe: Timeframe = Timeframe.DAY
    adjustment: Adjustment = Adjustment.RAW

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe} {self.adjustment}"


@dataclass(frozen=True, slots=True)
class Holding:
    """What is kept of a series. Times are starts of bars, UTC."""

    series: Series
    bars: int
    first: datetime
    last: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What `BarStore.put` did: bars that are new, that changed and that were there already."""

    added: int
    changed: int
    same: int


class BarStore:
    """Implements `BarSource`. Readers need no lock; of those who write, in any process, one goes at a time.

    Args:
        directory: Where the files lie; made when the first bars are put.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, series: Series, columns: Columns) -> Kept:
        """Keep bars, sorted and each once. Where one begins when a kept one does, the new one counts.

        Raises:
            BarsUnavailableError: They cannot be written.
            NotABarFileError: What is kept of the series is damaged.
        """
        path = self._path(series)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._alone():
                kept = read_range(path, EARLIEST, LATEST) if path.exists() else columns.until(0)
                if len(columns):
                    write_parquet(path, joined(kept, columns))
        except OSError as error:
            raise BarsUnavailableError(f"{path} cannot be written ({error.strerror or error}).") from error
        return _difference(kept, columns)

    def bars(self, request: BarRequest) -> Columns:
        """Implements `BarSource`. A week out of a million bars takes tens of milliseconds."""
        series = Series(request.symbol, request.timeframe, request.adjustment)
        try:
            return read_range(self._path(series), request.start, request.end)
        except FileNotFoundError:
            raise self._missing(series) from None
        except OSError as error:
            raise BarsUnavailableError(f"{series} cannot be read ({error.strerror or error}).") from error

    def everything(self, series: Series) -> Columns:
        """All bars of a series. Raises as `bars` does."""
        return self.bars(
            BarRequest(
                symbol=series.symbol,
                start=EARLIEST,
                end=LATEST,
                timeframe=series.timeframe,
                adjustment=series.adjustment,
            )
        )

    def panel(self, symbols: Collection[Symbol], request: BarRequest) -> Panel:
        """What `bars` gives for each symbol in place of the request's, on one time axis."""
        return on_one_axis({symbol: self.bars(replace(request, symbol=symbol)) for symbol in symbols})

    def holding(self, series: Series) -> Holding:
        """What is kept of a series. Raises as `bars` does."""
        path = self._path(series)
        try:
            extent = extent_of(path)
            return Holding(series, extent.bars, extent.first, extent.last, path.stat().st_size)
        except FileNotFoundError:
            raise self._missing(series) from None
        except OSError as error:
            raise BarsUnavailableError(f"{series} cannot be read ({error.strerror or error}).") from error

    def series(self) -> list[Series]:
        """Every series of which there is a file."""
        found = []
        for timeframe in Timeframe:
            for adjustment in Adjustment:
                names = (each.stem for each in (self._directory / timeframe / adjustment).glob("*.parquet"))
                found += [Series(Symbol(name), timeframe, adjustment) for name in names if _is_symbol(name)]
        return sorted(found)

    def _path(self, series: Series) -> Path:
        if not _is_symbol(series.symbol):
            raise UnknownSymbolError(f"{series.symbol!r} is no symbol such as AAPL or BRK.B.")
        return self._directory / series.timeframe / series.adjustment / f"{series.symbol}.parquet"

    def _missing(self, series: Series) -> UnknownSymbolError | NotOfferedError:
        others = [each for each in self.series() if each.symbol == series.symbol]
        if others:
            there = ", ".join(f"{each.timeframe} {each.adjustment}" for each in others)
            return NotOfferedError(f"No bars of {series} are kept; of {series.symbol} there are {there}.")
        return UnknownSymbolError(
            f"No bars of {series.symbol} are kept: `sightline data fetch` or `sightline data import` puts them there."
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_symbol(name: str) -> bool:
    return re.match(SYMBOL_PATTERN, name) is not None


def _difference(kept: Columns, new: Columns) -> Kept:
    _, in_kept, in_new = np.intersect1d(kept.time_ns, new.time_ns, return_indices=True)
    same = np.ones(len(in_new), dtype=np.bool_)
    for name in ("open", "high", "low", "close", "volume"):
        same &= getattr(kept, name)[in_kept] == getattr(new, name)[in_new]
    return Kept(added=len(new) - len(in_new), changed=int((~same).sum()), same=int(same.sum()))
