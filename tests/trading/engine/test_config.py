"""What the trading file may say of strategies, and in which words a mistake is told, with its line."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from services.contracts.orders import VenueName
from services.trading.marketdata.port import Timeframe
from services.trading.settings import TradingFile, TradingFileError, TradingSettings
from services.trading.strategies.registry import STRATEGIES
from services.trading.strategy_wiring import recorded
from services.venue.broker.hours import TimeSource
from services.venue.settings import VenueSettings

HEAD = """\
venues: [{name: alpha, base_url: "http://127.0.0.1:8740/paper/alpha"}, {name: beta}]
sessions: always
strategies:
  - name: trend
    kind: sma-cross
    symbols: [MSFT, AAPL]
    capital: "50000"
"""


def read(tmp_path: Path, text: str) -> TradingFile:
    path = tmp_path / "trading.yml"
    path.write_text(text)
    return TradingSettings(trading_file=path).trading()


def test_what_is_not_said_has_its_usual_value(tmp_path: Path) -> None:
    [trend] = read(tmp_path, HEAD).strategies

    assert trend.symbols == ("AAPL", "MSFT")
    assert trend.params["slow"] == 50
    assert (trend.part, trend.largest_exposure) == (Decimal("0.5"), Decimal(100_000))
    assert (trend.venue, trend.timeframe, trend.stale_seconds) == (None, Timeframe.DAY, None)


def test_any_venue_is_said_in_words(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD + "    venue: any\n").strategies[0].venue is None
    assert read(tmp_path, HEAD + "    venue: beta\n").strategies[0].venue == "beta"


def test_a_strategy_that_looks_across_symbols_has_its_whole_capital_for_them(tmp_path: Path) -> None:
    text = HEAD.replace("sma-cross", "relative-momentum")
    assert read(tmp_path, text).strategies[0].part == 1


def test_a_file_without_venues_trades_at_the_local_paper_venues(tmp_path: Path) -> None:
    trading = read(tmp_path, "limits: {order_notional: '1'}\n")

    assert [venue.name for venue in trading.venues] == [VenueName("alpha"), VenueName("beta")]
    assert trading.sessions == "always"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            ("kind: sma-cross", "kind: sma-crss"),
            "line 5, strategies.0.kind: there is no strategy 'sma-crss'; there are ",
        ),
        (("name: trend", "name: kill-switch"), "line 4, strategies.0.name: kill-switch is the name of somebody else's"),
        (("symbols: [MSFT, AAPL]", "symbols: []"), "line 6, strategies.0.symbols: "),
        (("[MSFT, AAPL]", "[AAPL, AAPL]"), "line 6, strategies.0.symbols: AAPL stands twice; leave one out"),
        (("[MSFT, AAPL]", "[apple]"), "line 6, strategies.0.symbols.0: "),
        (('"50000"', '"-1"'), "line 7, strategies.0.capital: "),
        (('    capital: "50000"\n', ""), "line 4, strategies.0.capital: Field required"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, wrong: tuple[str, str], told: str) -> None:
    with pytest.raises(TradingFileError) as raised:
        read(tmp_path, HEAD.replace(*wrong))
    assert told in raised.value.detail


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("    parameters: {fats: 3}\n", "strategies.0: parameters of sma-cross: there is no parameter fats; there are"),
        ("    parameters: {fast: 90, slow: 20}\n", "parameters of sma-cross: this does not hold: fast is below slow"),
        ("    parameters: {fast: 1}\n", "fast lies between 2 and 100, not at 1"),
        ("    timeframe: 5min\n", "line 8, strategies.0.timeframe: strategies run on bars of 1min or 1day"),
        ("    venue: gamma\n", "trend names the venue gamma; there are alpha, beta"),
        ("    budget: {orders_a_day: 0}\n", "line 8, strategies.0.budget.orders_a_day: "),
        ("    schedule: {hours: regular}\n", "schedule is for bars of minutes, leave it out"),
        ("    schedule: {after_open_minutes: 5}\n", "only with hours: regular; add that"),
        (
            "    timeframe: 1min\n    schedule: {hours: regular, after_open_minutes: 390}\n",
            "nothing of a session is left: leave out fewer minutes",
        ),
        ("    stop: 3\n", "line 8, strategies.0.stop: Extra inputs are not permitted"),
        ("bars: {history: bars.csv}\n", "goes with time: replay"),
        ("bars: {venue: gamma}\n", "bars names the venue gamma; there are alpha, beta"),
        (
            "  - {name: trend, kind: sma-cross, symbols: [IBM], capital: '1'}\n",
            "two strategies are called trend; give each a name of its own",
        ),
        (
            "  - {name: other, kind: sma-cross, symbols: [AAPL], capital: '1'}\n",
            "trend and other would share one position in AAPL: an account has one for each symbol",
        ),
        (
            "  - {name: other, kind: relative-momentum, symbols: [IBM], capital: '1', venue: beta}\n",
            "relative-momentum needs 2 symbols or more; add some",
        ),
    ],
)
def test_what_does_not_go_together_is_told(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(TradingFileError) as raised:
        read(tmp_path, HEAD + more)
    assert told in raised.value.detail


def test_two_strategies_may_share_a_symbol_at_two_venues(tmp_path: Path) -> None:
    text = HEAD + "    venue: alpha\n  - {name: other, kind: sma-cross, symbols: [AAPL], capital: '1', venue: beta}\n"
    assert len(read(tmp_path, text).strategies) == 2


def test_decisions_of_closed_markets_need_orders_that_queue(tmp_path: Path) -> None:
    text = HEAD.replace("sessions: always\n", "")
    with pytest.raises(TradingFileError, match=r"set limits\.queue_when_closed to true"):
        read(tmp_path, text)
    assert read(tmp_path, text + "limits: {queue_when_closed: true}\n").strategies


def test_a_missing_file_of_past_bars_is_told(tmp_path: Path) -> None:
    trading = read(tmp_path, HEAD + f"bars: {{time: replay, history: {tmp_path / 'none.csv'}}}\n")
    with pytest.raises(TradingFileError, match=r"bars.history: .*none.csv: there is no such file"):
        recorded(trading)


def test_the_example_is_a_trading_file() -> None:
    example = Path(__file__).parents[3] / "examples" / "paper-strategies.yml"
    trading = TradingSettings(trading_file=example).trading()

    assert {each.kind for each in trading.strategies} == set(STRATEGIES)


def test_the_example_for_containers_names_services_and_settings_that_there_are() -> None:
    root = Path(__file__).parents[3]
    added = yaml.safe_load((root / "examples" / "paper-compose.yml").read_text())["services"]
    there = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    assert added.keys() <= there.keys()
    for name, kind in (("venue", VenueSettings), ("trading", TradingSettings)):
        fields = {f"SIGHTLINE_{field.upper()}" for field in kind.model_fields}
        assert added[name]["environment"].keys() <= fields
    values = {name.removeprefix("SIGHTLINE_").lower(): value for name, value in added["venue"]["environment"].items()}
    assert VenueSettings.model_validate(values).paper_time is TimeSource.PRESENT
