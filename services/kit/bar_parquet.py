"""Bars in Parquet, read and written by DuckDB, which runs inside of this process and fetches nothing from anywhere."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from services.contracts.bars import moment_of, nanoseconds_of
from services.contracts.columns import Columns, Floats, Ints
from services.kit.bar_file_errors import MissingColumnError, NotABarFileError, Place, UnreadableValueError
from services.kit.bar_rows import NUMBERS, Layout, Rows, layout_of
from services.kit.bar_times import start_of

if TYPE_CHECKING:
    import duckdb

_NUMERIC: Final = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)
_FRACTIONS: Final = ("FLOAT", "DOUBLE", "DECIMAL")
_ZONED: Final = "TIMESTAMP WITH TIME ZONE"
_OPTIONS: Final[Mapping[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}

Fetched = Mapping[str, npt.NDArray[Any]]


@contextmanager
def _engine() -> Iterator["duckdb.DuckDBPyConnection"]:
    """A database in memory for a few queries; about 15 ms to make."""
    import duckdb  # noqa: PLC0415 -- 30 MB that a service which reads no Parquet does without

    with duckdb.connect(":memory:", config=dict(_OPTIONS)) as connection:
        yield connection


def read_parquet(path: Path) -> Rows:
    """Read a file as it is.

    Raises:
        MissingColumnError, UnreadableValueError, NotABarFileError: See there.
        OSError: It cannot be opened.
    """
    with _of(path) as connection:
        return _read(connection, path)


def write_parquet(path: Path, columns: Columns) -> None:
    """Put bars into a file in one step: whoever reads it meanwhile sees the old one or the new one, whole.

    Raises:
        OSError: The directory takes no file.
    """
    made, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(made)
    try:
        with _engine() as connection:
            connection.register("bars", _as_table(columns))
            connection.execute(
                "COPY (SELECT make_timestamptz(us) AS time, * EXCLUDE us FROM bars) TO ?"
                " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)",
                [temporary],
            )
        with Path(temporary).open("rb") as written:
            os.fsync(written.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a file written by `write_parquet` holds: starts of the first and the last of its bars, UTC."""

    bars: int
    first: datetime
    last: datetime


def read_range(path: Path, start: datetime, end: datetime) -> Columns:
    """Of a file written by `write_parquet` the bars that begin from `start` on and before `end`.

    Raises:
        NotABarFileError: It is damaged or of another kind.
        OSError: It cannot be opened.
    """
    query = (
        "SELECT epoch_us(time) AS us, open, high, low, close, volume FROM read_parquet(?)"
        " WHERE time >= make_timestamptz(?) AND time < make_timestamptz(?) ORDER BY time"
    )
    with _of(path) as connection:
        bounds = [nanoseconds_of(each) // 1000 for each in (start, end)]
        fetched = connection.execute(query, [str(path), *bounds]).fetchnumpy()
    return Columns(fetched["us"].astype(np.int64) * 1000, **{name: _plain(fetched[name]) for name in NUMBERS})


def extent_of(path: Path) -> Extent:
    """How much such a file holds. Raises as `read_range` does."""
    query = "SELECT count(*), epoch_us(min(time)), epoch_us(max(time)) FROM read_parquet(?)"
    with _of(path) as connection:
        bars, first, last = connection.execute(query, [str(path)]).fetchall()[0]
    if not bars:
        raise NotABarFileError(Place(path), "it has no bars")
    return Extent(bars, moment_of(first * 1000), moment_of(last * 1000))


@contextmanager
def _of(path: Path) -> Iterator["duckdb.DuckDBPyConnection"]:
    import duckdb  # noqa: PLC0415 -- 30 MB that a service which reads no Parquet does without

    path.open("rb").close()  # what the system says of it is clearer than what DuckDB does
    with _engine() as connection:
        try:
            yield connection
        except duckdb.Error as error:
            problem = str(error).splitlines()[0]
            raise NotABarFileError(Place(path), f"it is not readable as Parquet ({problem})") from error


def _as_table(columns: Columns) -> dict[str, npt.NDArray[Any]]:
    return {"us": columns.time_ns // 1000, **{name: getattr(columns, name) for name in NUMBERS}}


def _read(connection: "duckdb.DuckDBPyConnection", path: Path) -> Rows:
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    names, kinds = [str(each[0]) for each in described], [str(each[1]) for each in described]
    layout = layout_of(names, Place(path))
    _check_kinds(path, names, kinds, layout)
    wanted = [_quoted(names[at]) + f"::DOUBLE AS {name}" for name, at in layout.numbers.items()]
    if layout.symbol is not None:
        wanted.append(f"{_quoted(names[layout.symbol])} AS symbol")
    when = _quoted(names[layout.time])
    wanted.append(f"epoch_us({when}) AS time" if kinds[layout.time] == _ZONED else f"{when}::VARCHAR AS time")
    fetched = connection.execute(f"SELECT {', '.join(wanted)} FROM read_parquet(?)", [str(path)]).fetchnumpy()  # noqa: S608 -- the names come quoted
    _check_there(path, fetched)
    if not len(fetched["time"]):
        raise NotABarFileError(Place(path), "it has no bars")
    return Rows(
        path=path,
        word="row",
        places=np.arange(1, len(fetched["time"]) + 1),
        symbols=None if layout.symbol is None else [str(each) for each in fetched["symbol"].tolist()],
        time_ns=_times(path, fetched["time"]),
        numbers={name: _plain(fetched[name]) for name in NUMBERS},
    )


def _check_kinds(path: Path, names: Sequence[str], kinds: Sequence[str], layout: Layout) -> None:
    for at in layout.numbers.values():
        if not (kinds[at] in _NUMERIC or kinds[at].startswith(_FRACTIONS)):
            raise MissingColumnError(Place(path, column=names[at]), f"it holds {kinds[at]}, not numbers")
    kind, column = kinds[layout.time], names[layout.time]
    if kind not in {_ZONED, "DATE", "VARCHAR"}:
        zoneless = kind.startswith("TIMESTAMP")
        problem = (
            "times without an offset from UTC: write them with time zone UTC" if zoneless else f"{kind}, not times"
        )
        raise MissingColumnError(Place(path, column=column), f"it holds {problem}")
    if layout.symbol is not None and kinds[layout.symbol] != "VARCHAR":
        raise MissingColumnError(Place(path, column=names[layout.symbol]), f"it holds {kinds[layout.symbol]}, not text")


def _check_there(path: Path, fetched: Fetched) -> None:
    for name, values in fetched.items():
        if isinstance(values, np.ma.MaskedArray) and values.mask.any():
            row = int(np.flatnonzero(values.mask)[0]) + 1
            raise UnreadableValueError(Place(path, "row", row, name), "there is no value")


def _times(path: Path, values: npt.NDArray[Any]) -> Ints:
    if values.dtype.kind != "O":
        return values.astype(np.int64) * 1000
    times = np.empty(len(values), dtype=np.int64)
    for at, text in enumerate(values.tolist()):
        try:
            times[at] = nanoseconds_of(start_of(text))
        except ValueError as error:
            raise UnreadableValueError(Place(path, "row", at + 1, "time"), f"{text[:60]!r} {error}") from None
    return times


def _plain(values: npt.NDArray[Any]) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
