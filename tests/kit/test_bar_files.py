"""Files of bars: what is read, and how each thing that can be wrong is told."""

import gzip
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from services.contracts.bars import moment_of, nanoseconds_of
from services.contracts.columns import Columns
from services.contracts.market import Symbol
from services.kit.bar_file_errors import (
    BarFileError,
    BarFileMissingError,
    DuplicateBarError,
    ImpossibleBarError,
    MissingColumnError,
    NotABarFileError,
    UnreadableValueError,
    UnsortedBarError,
)
from services.kit.bar_files import read_bars
from services.kit.bar_parquet import write_parquet
from services.kit.bar_times import daily_start

AAPL, MSFT = Symbol("AAPL"), Symbol("MSFT")
HEADER = "time,open,high,low,close,volume\n"
FIRST = "2024-01-02T14:30:00Z,10,11,9,10.5,1000\n"
SECOND = "2024-01-02T14:31:00Z,10.5,12,10,11,2000\n"


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "AAPL.csv"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[[str], Path]:
    """Writes what a query gives."""

    def write(query: str) -> Path:
        path = tmp_path / "AAPL.parquet"
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        return path

    return write


def row(**changes: str) -> str:
    """A bar for a query, with some of its columns changed."""
    columns: Mapping[str, str] = {
        "time": "TIMESTAMPTZ '2024-01-02 14:30:00+00'",
        **dict.fromkeys(("open", "high", "low", "close"), "10.0"),
        "volume": "100",
        **changes,
    }
    return "SELECT " + ", ".join(f"{value} AS {name}" for name, value in columns.items())


def problem(path: Path, error: type[BarFileError], **options: Any) -> str:  # noqa: ANN401 -- those of read_bars
    """What is told of a file, its directory left out."""
    with pytest.raises(error) as caught:
        read_bars(path, **options)
    return caught.value.detail.replace(f"{path.parent}/", "")


def test_csv_is_read_to_its_symbol_by_the_file_s_name(csv: Callable[[str], Path]) -> None:
    (symbol, bars), *others = read_bars(csv(HEADER + FIRST + SECOND)).items()
    assert (symbol, others) == (AAPL, [])
    assert moment_of(int(bars.columns.time_ns[0])) == datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
    assert bars.columns.high.tolist() == [11, 12]
    assert bars.columns.volume.tolist() == [1000, 2000]
    assert bars.places.tolist() == [2, 3]


def test_columns_are_found_whatever_their_order_case_and_company(csv: Callable[[str], Path]) -> None:
    path = csv("Volume, Close,Adj Close,Low,High,Open,Date\n1000,10.5,9,9,11,10,2024-07-01\n")
    bars = read_bars(path)[AAPL].columns
    assert bars.open.tolist() == [10]
    assert moment_of(int(bars.time_ns[0])) == daily_start(date(2024, 7, 1)) == datetime(2024, 7, 1, 4, tzinfo=UTC)


def test_a_spreadsheet_s_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "AAPL.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + FIRST + "\n" + SECOND).replace("\n", "\r\n").encode())
    assert read_bars(path)[AAPL].places.tolist() == [2, 4]


def test_compressed_csv_is_read(tmp_path: Path) -> None:
    path = tmp_path / "BRK.B.csv.gz"
    path.write_bytes(gzip.compress((HEADER + FIRST).encode()))
    assert list(read_bars(path)) == [Symbol("BRK.B")]


def test_a_column_of_symbols_parts_the_bars(csv: Callable[[str], Path]) -> None:
    lines = [f"{symbol},{line}" for line in (FIRST, SECOND) for symbol in ("MSFT", "AAPL")]
    path = csv("symbol," + HEADER + "".join(lines))
    assert {symbol: bars.places.tolist() for symbol, bars in read_bars(path).items()} == {MSFT: [2, 4], AAPL: [3, 5]}
    assert list(read_bars(path, AAPL)) == [AAPL]


def test_an_offset_from_utc_is_reckoned_with(csv: Callable[[str], Path]) -> None:
    bars = read_bars(csv(HEADER + "2024-01-02T09:30:00-05:00,10,11,9,10.5,1000\n"))[AAPL].columns
    assert moment_of(int(bars.time_ns[0])) == datetime(2024, 1, 2, 14, 30, tzinfo=UTC)


def test_parquet_that_was_written_is_read_again(tmp_path: Path) -> None:
    start = nanoseconds_of(datetime(2024, 1, 2, 14, 30, 0, 250_000, tzinfo=UTC))
    prices = np.linspace(10, 20, 5)
    columns = Columns(start + np.arange(5) * 60 * 10**9, prices, prices + 1, prices - 1, prices, np.arange(5.0))
    write_parquet(tmp_path / "AAPL.parquet", columns)
    bars = read_bars(tmp_path / "AAPL.parquet")[AAPL].columns
    for name in ("time_ns", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(bars, name), getattr(columns, name)), name
    assert [each.name for each in tmp_path.iterdir()] == ["AAPL.parquet"]


def test_parquet_with_dates_decimals_and_symbols_is_read(parquet: Callable[[str], Path]) -> None:
    changes = {"time": "DATE '2024-01-02'", "open": "10.00::DECIMAL(9,2)", "symbol": "'MSFT'"}
    bars = read_bars(parquet(row(**changes)))[MSFT].columns
    assert moment_of(int(bars.time_ns[0])) == daily_start(date(2024, 1, 2))
    assert bars.open.tolist() == [10]


@pytest.mark.parametrize("name", ["none.csv", "none.csv.gz", "none.parquet"])
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    assert problem(tmp_path / name, BarFileMissingError) == f"{name}: there is no such file"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "AAPL.csv").mkdir()
    assert problem(tmp_path / "AAPL.csv", BarFileMissingError) == "AAPL.csv: it cannot be read (Is a directory)"


def test_another_kind_of_file_is_told(tmp_path: Path) -> None:
    assert problem(tmp_path / "AAPL.xlsx", NotABarFileError).endswith("must end in .csv, .csv.gz or .parquet")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "AAPL.csv: it is empty"),
        (HEADER, "AAPL.csv: it has a header and no bars"),
        (HEADER + 'x"y,"1', "AAPL.csv, line 2: it is no CSV (unexpected end of data)"),
    ],
)
def test_a_file_without_bars_is_told(csv: Callable[[str], Path], text: str, told: str) -> None:
    assert problem(csv(text), NotABarFileError) == told


@pytest.mark.parametrize("name", ["AAPL.csv", "AAPL.csv.gz", "AAPL.parquet"])
def test_a_damaged_file_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00 nothing of the kind")
    assert problem(tmp_path / name, NotABarFileError).startswith(f"{name}: it is not readable as ")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("time,open,high,low,volume", "there is no column close; there are time, open, high, low, volume"),
        ("open;high", "there is no column time (or timestamp, datetime, date); there are open;high"),
        ("time,date,open,high,low,close,volume", "two columns could be time: time, date"),
    ],
)
def test_a_wrong_column_is_told_with_those_there_are(csv: Callable[[str], Path], header: str, told: str) -> None:
    assert problem(csv(header + "\n"), MissingColumnError) == f"AAPL.csv, line 1: {told}"


def test_a_line_with_too_few_values_is_told(csv: Callable[[str], Path]) -> None:
    told = problem(csv(HEADER + FIRST + "2024-01-02,10\n"), UnreadableValueError)
    assert told == "AAPL.csv, line 3: it has 2 values, and the header names 6"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2024-01-02T14:31:00Z,10,eleven,9,10,1000", "column high: 'eleven' is no number"),
        ("2024-01-02T14:31:00Z,10,,9,10,1000", "column high: '' is no number"),
        ("yesterday,10,11,9,10,1000", "column time: 'yesterday' is no time: write 2024-01-02 or 2024-01-02T14:30:00Z"),
        ("2024-02-30,10,11,9,10,1000", "column time: '2024-02-30' is no time"),
        ("2024-01-02T14:31:00,10,11,9,10,1000", "column time: '2024-01-02T14:31:00' does not say its offset from UTC"),
    ],
)
def test_what_is_no_number_or_time_is_told(csv: Callable[[str], Path], line: str, told: str) -> None:
    assert problem(csv(HEADER + FIRST + line + "\n"), UnreadableValueError).startswith(f"AAPL.csv, line 3, {told}")


@pytest.mark.parametrize("times", ["2024-01-02T14:30:00Z", "2024-01-02T09:30:00-05:00"])
def test_a_duplicated_bar_is_told_with_its_twin(csv: Callable[[str], Path], times: str) -> None:
    told = problem(csv(HEADER + FIRST + f"{times},10,11,9,10.5,1000\n"), DuplicateBarError)
    assert told == (
        "AAPL.csv, line 3, column time: this bar begins at 2024-01-02T14:30:00Z, as the one in line 2: leave one out"
    )


def test_an_unsorted_bar_is_told(csv: Callable[[str], Path]) -> None:
    told = problem(csv(HEADER + SECOND + FIRST), UnsortedBarError)
    assert told == (
        "AAPL.csv, line 3, column time: this bar begins at 2024-01-02T14:30:00Z, before the one in line 2 at"
        " 2024-01-02T14:31:00Z: sort the file by time"
    )


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ("10,9,11,10,100", "column high: the high 9 is below the low 11"),
        ("12,11,9,10,100", "column open: the open 12 is above the high 11"),
        ("8,11,9,10,100", "column open: the open 8 is below the low 9"),
        ("10,11,9,11.01,100", "column close: the close 11.01 is above the high 11"),
        ("10,11,9,8.99,100", "column close: the close 8.99 is below the low 9"),
        ("10,11,9,10,-1", "column volume: -1 is no volume: volumes are not negative"),
        ("10,11,9,10,nan", "column volume: nan is no volume: volumes are not negative"),
        ("10,11,0,10,100", "column low: 0 is no price: prices are above zero"),
        ("10,inf,9,10,100", "column high: inf is no price: prices are above zero"),
        ("nan,11,9,10,100", "column open: nan is no price: prices are above zero"),
    ],
)
def test_an_impossible_bar_is_told(csv: Callable[[str], Path], numbers: str, told: str) -> None:
    path = csv(HEADER + FIRST + f"2024-01-02T14:31:00Z,{numbers}\n")
    assert problem(path, ImpossibleBarError) == f"AAPL.csv, line 3, {told}"


def test_the_last_digit_of_an_adjusted_price_is_no_contradiction(csv: Callable[[str], Path]) -> None:
    path = csv(HEADER + "2024-01-02,10,10.100000000000001,9,10.100000000000003,1\n")
    assert len(read_bars(path)[AAPL].columns) == 1


def test_a_symbol_that_is_none_is_told(csv: Callable[[str], Path]) -> None:
    told = problem(csv("symbol," + HEADER + f"AAPL,{FIRST}" + f"aapl,{SECOND}"), UnreadableValueError)
    assert told == "AAPL.csv, line 3, column symbol: 'aapl' is no symbol such as AAPL or BRK.B"


def test_a_file_without_the_wanted_symbol_is_told(csv: Callable[[str], Path]) -> None:
    told = problem(csv("symbol," + HEADER + f"AAPL,{FIRST}"), MissingColumnError, symbol=MSFT)
    assert told == "AAPL.csv: there are no bars of MSFT; it has those of AAPL"


def test_a_file_that_says_nothing_of_its_symbol_is_told(tmp_path: Path) -> None:
    path = tmp_path / "my prices.csv"
    path.write_text(HEADER + FIRST)
    assert "name the symbol, or the file after it" in problem(path, MissingColumnError)
    assert list(read_bars(path, MSFT)) == [MSFT]


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"close": "'10'"}, MissingColumnError, ", column close: it holds VARCHAR, not numbers"),
        (
            {"time": "TIMESTAMP '2024-01-02 14:30:00'"},
            MissingColumnError,
            ", column time: it holds times without an offset from UTC: write them with time zone UTC",
        ),
        ({"time": "7"}, MissingColumnError, ", column time: it holds INTEGER, not times"),
        ({"symbol": "7"}, MissingColumnError, ", column symbol: it holds INTEGER, not text"),
        ({"low": "NULL::DOUBLE"}, UnreadableValueError, ", row 1, column low: there is no value"),
        ({"time": "'noon'"}, UnreadableValueError, ", row 1, column time: 'noon' is no time"),
        ({"low": "11.0"}, ImpossibleBarError, ", row 1, column high: the high 10 is below the low 11"),
    ],
)
def test_parquet_that_is_wrong_is_told_by_row_and_column(
    parquet: Callable[[str], Path], changes: dict[str, str], error: type[BarFileError], told: str
) -> None:
    assert problem(parquet(row(**changes)), error).startswith(f"AAPL.parquet{told}")


def test_unsorted_parquet_is_told_by_row(parquet: Callable[[str], Path]) -> None:
    later = row(time="TIMESTAMPTZ '2024-01-03 14:30:00+00'")
    told = problem(parquet(f"{later} UNION ALL {row()}"), UnsortedBarError)
    assert told.startswith("AAPL.parquet, row 2, column time: this bar begins at 2024-01-02T14:30:00Z, before the one")


def test_parquet_without_bars_is_told(parquet: Callable[[str], Path]) -> None:
    assert problem(parquet(row() + " LIMIT 0"), NotABarFileError) == "AAPL.parquet: it has no bars"


def test_writing_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "AAPL.parquet"
    one = np.array([10.0])
    write_parquet(path, Columns(np.array([0]), one, one, one, one, one))
    before = path.read_bytes()
    with pytest.raises(duckdb.Error):
        write_parquet(path, Columns(np.array([0]), one, one, one, one, np.array([1.0, 2.0])))
    with pytest.raises(OSError, match="No such file"):
        write_parquet(tmp_path / "nowhere" / "AAPL.parquet", Columns(np.array([0]), one, one, one, one, one))
    assert [each.name for each in tmp_path.iterdir()] == ["AAPL.parquet"]
    assert path.read_bytes() == before
