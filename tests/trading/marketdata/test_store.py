"""Bars that are kept: put, put again, read in part."""

import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from services.contracts.bars import nanoseconds_of
from services.contracts.columns import Columns
from services.contracts.market import Symbol
from services.kit.bar_file_errors import NotABarFileError
from services.kit.bar_times import daily_start
from services.trading.marketdata.port import (
    Adjustment,
    BarRequest,
    BarsUnavailableError,
    NotOfferedError,
    Timeframe,
    UnknownSymbolError,
)
from services.trading.marketdata.store import BarStore, Kept, Series

AAPL = Series(Symbol("AAPL"))
FIRST = date(2024, 1, 2)


def daily(*closes: float, first: int = 0) -> Columns:
    starts = [daily_start(FIRST + timedelta(days=first + each)) for each in range(len(closes))]
    close = np.array(closes)
    return Columns(np.array([nanoseconds_of(each) for each in starts]), close, close, close, close, close * 100)


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars")


def test_what_was_put_is_read(store: BarStore) -> None:
    assert store.put(AAPL, daily(10, 11, 12)) == Kept(added=3, changed=0, same=0)
    assert store.everything(AAPL).close.tolist() == [10, 11, 12]
    assert store.everything(AAPL).volume.tolist() == [1000, 1100, 1200]


def test_putting_again_adds_what_is_new_and_lets_the_new_count(store: BarStore) -> None:
    store.put(AAPL, daily(10, 11, 12))
    assert store.put(AAPL, daily(11, 12.5, 13, first=1)) == Kept(added=1, changed=1, same=1)
    assert store.everything(AAPL).close.tolist() == [10, 11, 12.5, 13]


def test_older_bars_go_before_those_that_are_kept(store: BarStore) -> None:
    store.put(AAPL, daily(12, first=2))
    store.put(AAPL, daily(10, 11))
    assert store.everything(AAPL).close.tolist() == [10, 11, 12]


def test_a_range_is_read_from_its_start_to_before_its_end(store: BarStore) -> None:
    store.put(AAPL, daily(10, 11, 12, 13))
    start, end = daily_start(date(2024, 1, 3)), daily_start(date(2024, 1, 5))
    assert store.bars(BarRequest(symbol=AAPL.symbol, start=start, end=end)).close.tolist() == [11, 12]


def test_a_panel_has_one_axis(store: BarStore) -> None:
    store.put(AAPL, daily(10, 11))
    store.put(Series(Symbol("MSFT")), daily(20, first=1))
    request = BarRequest(symbol=AAPL.symbol, start=daily_start(FIRST), end=daily_start(date(2024, 2, 1)))
    panel = store.panel([AAPL.symbol, Symbol("MSFT")], request)
    assert np.array_equal(panel[Symbol("MSFT")].close, [np.nan, 20], equal_nan=True)
    assert panel[AAPL.symbol].close.tolist() == [10, 11]


def test_what_is_kept_is_listed(store: BarStore) -> None:
    minutes = Series(Symbol("BRK.B"), Timeframe.MINUTE, Adjustment.SPLIT)
    store.put(minutes, daily(1.0))
    store.put(AAPL, daily(10, 11, 12))
    assert store.series() == [AAPL, minutes]
    holding = store.holding(AAPL)
    assert (holding.bars, holding.first, holding.last) == (3, daily_start(FIRST), daily_start(date(2024, 1, 4)))
    assert holding.size_bytes > 0


def test_an_empty_store_has_nothing_and_says_how_to_fill_it(store: BarStore) -> None:
    assert store.series() == []
    with pytest.raises(UnknownSymbolError, match="`sightline data fetch` or `sightline data import`"):
        store.everything(AAPL)
    with pytest.raises(UnknownSymbolError):
        store.holding(AAPL)


def test_another_kind_of_bars_is_answered_with_what_there_is(store: BarStore) -> None:
    store.put(AAPL, daily(10))
    with pytest.raises(NotOfferedError, match="No bars of AAPL 1min split are kept; of AAPL there are 1day raw"):
        store.everything(Series(AAPL.symbol, Timeframe.MINUTE, Adjustment.SPLIT))


def test_a_symbol_cannot_lead_out_of_the_directory(store: BarStore) -> None:
    with pytest.raises(UnknownSymbolError, match="no symbol such as"):
        store.put(Series(Symbol("../../etc/passwd")), daily(10))


def test_nothing_put_is_nothing_changed(store: BarStore) -> None:
    assert store.put(AAPL, daily()) == Kept(added=0, changed=0, same=0)
    assert store.series() == []


def test_a_damaged_file_is_told_and_left_as_it_is(store: BarStore, tmp_path: Path) -> None:
    store.put(AAPL, daily(10))
    path = tmp_path / "bars" / "1day" / "raw" / "AAPL.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(NotABarFileError, match=r"AAPL\.parquet: it is not readable as Parquet"):
        store.everything(AAPL)
    with pytest.raises(NotABarFileError):
        store.put(AAPL, daily(11))
    assert path.read_bytes() == b"PAR1 and nothing else"


def test_a_place_that_takes_no_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "bars").write_text("a file where a directory should be")
    with pytest.raises(BarsUnavailableError, match=r"AAPL\.parquet cannot be written \(Not a directory\)"):
        BarStore(tmp_path / "bars").put(AAPL, daily(10))


def test_two_who_put_at_once_lose_nothing_of_each_other(store: BarStore) -> None:
    def put(first: int) -> None:
        for each in range(5):
            store.put(AAPL, daily(1.0 + first + each, first=first + each))

    threads = [threading.Thread(target=put, args=(first,)) for first in (0, 5, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.everything(AAPL).close.tolist() == [1.0 + each for each in range(15)]


def test_a_bar_keeps_its_start_to_the_microsecond(store: BarStore) -> None:
    start = datetime(2024, 1, 2, 14, 30, 0, 123456, tzinfo=UTC)
    one = np.array([10.0])
    store.put(AAPL, Columns(np.array([nanoseconds_of(start)]), one, one, one, one, one))
    assert store.holding(AAPL).first == start
