"""Rows of a file of bars, whichever kind of file they were in, and what has to hold of them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from services.contracts.bars import moment_of
from services.contracts.columns import Columns, Floats, Ints
from services.contracts.market import SYMBOL_PATTERN, Symbol
from services.kit.bar_file_errors import (
    DuplicateBarError,
    ImpossibleBarError,
    MissingColumnError,
    Place,
    UnreadableValueError,
    UnsortedBarError,
)

NUMBERS: Final = ("open", "high", "low", "close", "volume")
TIME_NAMES: Final = ("time", "timestamp", "datetime", "date")
SYMBOL_NAMES: Final = ("symbol", "ticker")
# An adjusted high is the product of two numbers, as the close is: their last digits may differ.
_SLACK: Final = 1e-9

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FileBars:
    """Bars of one symbol out of a file.

    Attributes:
        columns: Sorted, without duplicates, each bar a possible one.
        places: For each bar the line or row that it stands in, counted from 1.
    """

    columns: Columns
    places: Ints


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read, in the order of the file.

    Attributes:
        word: What a row is called there: "line" or "row".
        places: Numbers of the rows.
        symbols: Of each row; None when the file has no such column.
        numbers: Arrays by the names in `NUMBERS`.
    """

    path: Path
    word: str
    places: Ints
    symbols: Sequence[str] | None
    time_ns: Ints
    numbers: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which of a file's columns are which: places in its row, by our names."""

    time: int
    symbol: int | None
    numbers: dict[str, int]


def layout_of(names: Sequence[str], place: Place) -> Layout:
    """Find the columns by name, whatever their case and order. Others are left alone. Raises `MissingColumnError`."""
    known = [name.strip().lower() for name in names]
    return Layout(
        time=_one_of(known, TIME_NAMES, place),
        symbol=_one_of(known, SYMBOL_NAMES, place) if set(known) & set(SYMBOL_NAMES) else None,
        numbers={name: _one_of(known, (name,), place) for name in NUMBERS},
    )


def bars_in(rows: Rows, symbol: Symbol | None) -> dict[Symbol, FileBars]:
    """Part the rows by symbol and hold each to what must hold.

    Args:
        rows: What was read.
        symbol: Whose bars these are, for a file that does not say; of one that does, the only one that is wanted.

    Raises:
        UnreadableValueError: A symbol is none.
        MissingColumnError: Nothing says whose bars these are.
        UnsortedBarError, DuplicateBarError, ImpossibleBarError: See there.
    """
    if rows.symbols is None:
        return {symbol or _named_by(rows.path): _checked(rows, np.ones(len(rows.time_ns), dtype=np.bool_))}
    names = np.array(rows.symbols, dtype=np.str_)
    found = {}
    for name in dict.fromkeys(rows.symbols):
        of_it = names == name
        if not re.match(SYMBOL_PATTERN, name):
            place = Place(rows.path, rows.word, int(rows.places[np.flatnonzero(of_it)[0]]), "symbol")
            raise UnreadableValueError(place, f"{name!r} is no symbol such as AAPL or BRK.B")
        if symbol in {None, name}:
            found[Symbol(name)] = _checked(rows, of_it)
    if symbol is not None and not found:
        there = ", ".join(sorted(set(rows.symbols))) or "none"
        raise MissingColumnError(Place(rows.path), f"there are no bars of {symbol}; it has those of {there}")
    return found


def _one_of(known: Sequence[str], names: Sequence[str], place: Place) -> int:
    found = [at for at, name in enumerate(known) if name in names]
    if not found:
        wanted = names[0] if len(names) == 1 else f"{names[0]} (or {', '.join(names[1:])})"
        there = ", ".join(known)
        raise MissingColumnError(place, f"there is no column {wanted}; there are {there[:300]}")
    if len(found) > 1:
        raise MissingColumnError(place, f"two columns could be {names[0]}: {', '.join(known[each] for each in found)}")
    return found[0]


def _named_by(path: Path) -> Symbol:
    name = path.name.split(".csv")[0].removesuffix(".parquet")
    if not re.match(SYMBOL_PATTERN, name):
        raise MissingColumnError(
            Place(path), "nothing says whose bars these are: name the symbol, or the file after it, such as AAPL.csv"
        )
    return Symbol(name)


def _checked(rows: Rows, chosen: Flags) -> FileBars:
    numbers = {name: array[chosen] for name, array in rows.numbers.items()}
    columns = Columns(rows.time_ns[chosen], **numbers)
    places = rows.places[chosen]
    _check_order(rows, columns, places)
    _check_prices(rows, columns, places)
    return FileBars(columns, places)


def _check_order(rows: Rows, columns: Columns, places: Ints) -> None:
    steps = np.diff(columns.time_ns)
    wrong = np.flatnonzero(steps <= 0)
    if not len(wrong):
        return
    at = int(wrong[0]) + 1
    place = Place(rows.path, rows.word, int(places[at]), "time")
    start, above = moment_of(int(columns.time_ns[at])), moment_of(int(columns.time_ns[at - 1]))
    if steps[at - 1] == 0:
        raise DuplicateBarError(
            place, f"this bar begins at {_text(start)}, as the one in {rows.word} {places[at - 1]}: leave one out"
        )
    raise UnsortedBarError(
        place,
        f"this bar begins at {_text(start)}, before the one in {rows.word} {places[at - 1]} at {_text(above)}:"
        " sort the file by time",
    )


def _check_prices(rows: Rows, columns: Columns, places: Ints) -> None:
    for name, wrong, problem in _rules(columns):
        found = np.flatnonzero(wrong)
        if len(found):
            at = int(found[0])
            values = {each: f"{getattr(columns, each)[at]:.10g}" for each in NUMBERS}
            raise ImpossibleBarError(Place(rows.path, rows.word, int(places[at]), name), problem.format(**values))


def _rules(columns: Columns) -> Iterator[tuple[str, Flags, str]]:
    """What is wrong with bars of which flag: the column, and words for it."""
    for name in ("open", "high", "low", "close"):
        prices: Floats = getattr(columns, name)
        # Written so that NaN, which compares with nothing, is wrong as well.
        yield name, ~((prices > 0) & np.isfinite(prices)), f"{{{name}}} is no price: prices are above zero"
    volume = columns.volume
    yield "volume", ~((volume >= 0) & np.isfinite(volume)), "{volume} is no volume: volumes are not negative"
    high, low = columns.high * (1 + _SLACK), columns.low * (1 - _SLACK)
    yield "high", high < low, "the high {high} is below the low {low}"
    yield "open", columns.open > high, "the open {open} is above the high {high}"
    yield "open", columns.open < low, "the open {open} is below the low {low}"
    yield "close", columns.close > high, "the close {close} is above the high {high}"
    yield "close", columns.close < low, "the close {close} is below the low {low}"


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
