"""Bars in CSV: a header, then a line for each bar."""

import csv
import gzip
import zlib
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from services.contracts.bars import bars_of, nanoseconds_of
from services.contracts.columns import Columns
from services.contracts.market import Symbol
from services.kit.bar_file_errors import NotABarFileError, Place, UnreadableValueError
from services.kit.bar_rows import NUMBERS, Layout, Rows, layout_of
from services.kit.bar_times import session_day, start_of

if TYPE_CHECKING:
    from _csv import Reader

_HEADER_LINE: Final = 1
_DAY_SECONDS: Final = 86_400


def write_csv(path: Path, bars: Mapping[Symbol, Columns], seconds: int) -> int:
    """Write bars of several symbols, one symbol after the other, prices on their ticks; how many there are.

    `seconds` is the length of a bar.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("w", newline="", encoding="utf-8") as lines:
        out = csv.writer(lines, lineterminator="\n")
        out.writerow(("time", "symbol", *NUMBERS))
        for symbol, columns in bars.items():
            for bar in bars_of(symbol, columns, seconds):
                begins = session_day(bar.start) if seconds >= _DAY_SECONDS else bar.start
                numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume)
                out.writerow((begins.isoformat(), symbol, *(format(each, "f") for each in numbers)))
                count += 1
    return count


def read_csv(path: Path) -> Rows:
    """Read a file as it is, plain or compressed by gzip, in UTF-8. A million bars take a few seconds.

    Raises:
        MissingColumnError, UnreadableValueError, NotABarFileError: See there.
        OSError: It cannot be opened.
    """
    try:
        # The signature that spreadsheets put at the beginning is no part of the first name.
        with (
            gzip.open(path, "rt", newline="", encoding="utf-8-sig")
            if path.suffix == ".gz"
            else path.open(newline="", encoding="utf-8-sig") as lines
        ):
            return _read(path, csv.reader(lines, strict=True))
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise NotABarFileError(Place(path), f"it is not readable as text ({error})") from error


def _read(path: Path, reader: "Reader") -> Rows:
    try:
        header = next(reader, None)
        if header is None:
            raise NotABarFileError(Place(path), "it is empty")
        layout = layout_of(header, Place(path, number=_HEADER_LINE))
        return _Body(path, header, layout).read(reader)
    except csv.Error as error:
        raise NotABarFileError(Place(path, number=reader.line_num), f"it is no CSV ({error})") from error


class _Body:
    def __init__(self, path: Path, header: list[str], layout: Layout) -> None:
        self._path = path
        self._header = header
        self._layout = layout
        self._symbols: list[str] = []
        self._lines, self._times = array("q"), array("q")
        self._numbers = {name: array("d") for name in NUMBERS}

    def read(self, reader: "Reader") -> Rows:
        for row in reader:
            if row:  # a blank line is none
                self._take(row, reader.line_num)
        if not self._lines:
            raise NotABarFileError(Place(self._path), "it has a header and no bars")
        return Rows(
            path=self._path,
            word="line",
            places=np.frombuffer(self._lines, dtype=np.int64),
            symbols=None if self._layout.symbol is None else self._symbols,
            time_ns=np.frombuffer(self._times, dtype=np.int64),
            numbers={name: np.frombuffer(found, dtype=np.float64) for name, found in self._numbers.items()},
        )

    def _take(self, row: list[str], line: int) -> None:
        if len(row) != len(self._header):
            raise UnreadableValueError(
                Place(self._path, number=line), f"it has {len(row)} values, and the header names {len(self._header)}"
            )
        layout = self._layout
        try:
            self._times.append(nanoseconds_of(start_of(row[layout.time].strip())))
        except ValueError as error:
            self._refuse(row, line, layout.time, str(error))
        for name, at in layout.numbers.items():
            try:
                self._numbers[name].append(float(row[at]))
            except ValueError:
                self._refuse(row, line, at, "is no number")
        if layout.symbol is not None:
            self._symbols.append(row[layout.symbol].strip())
        self._lines.append(line)

    def _refuse(self, row: list[str], line: int, at: int, problem: str) -> NoReturn:
        place = Place(self._path, number=line, column=self._header[at].strip())
        raise UnreadableValueError(place, f"{row[at][:60]!r} {problem}")
