"""The trading file: what it may say, and in which words a mistake in it is told."""

from pathlib import Path

import pytest

from services.contracts.orders import VenueName
from services.contracts.verdict import Environment
from services.trading.settings import TradingFileError, TradingSettings

TWO = """
venues:
  - name: alpaca-paper
  - name: alpaca-live
    environment: live
limits:
  order_notional: "2500"
  strategies:
    sma-cross: { order_notional: "500" }
"""


def settings(tmp_path: Path, text: str) -> TradingSettings:
    path = tmp_path / "trading.yml"
    path.write_text(text)
    return TradingSettings(trading_file=path)


def test_without_a_file_the_local_paper_venues_are_traded() -> None:
    trading = TradingSettings(port_offset=1000).trading()

    assert [(venue.name, venue.base_url) for venue in trading.venues] == [
        ("alpha", "http://127.0.0.1:9740/paper/alpha"),
        ("beta", "http://127.0.0.1:9740/paper/beta"),
    ]
    assert trading.sessions == "always"


def test_a_file_says_where_and_how_much(tmp_path: Path) -> None:
    trading = settings(tmp_path, TWO).trading()

    assert {venue.name: venue.environment for venue in trading.venues} == {
        "alpaca-paper": Environment.PAPER,
        "alpaca-live": Environment.LIVE,
    }
    assert trading.sessions == "XNYS"
    assert trading.limits.of("sma-cross").order_notional == 500
    assert trading.limits.of("other").order_notional == 2500


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("venues: [", "is not YAML at line 1"),
        ("", "the file: "),
        ("venues: []", "venues: "),
        ("venues: [{name: A b}]", "venues.0.name: "),
        ("venues: [{name: a}, {name: a}]", "two venues are called a"),
        ("venues: [{name: a, broker: schwab}]", "there is no way for orders to schwab yet"),
        ("venues: [{name: a}]\nlimit: {}", "limit: "),
        ("venues: [{name: a}]\nlimits: {order_notional: much}", "limits.order_notional: "),
        ("venues: [{name: a}]\nvenues: [{name: b}]", "venues is given twice"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(TradingFileError) as told:
        settings(tmp_path, text).trading()

    assert words in told.value.detail


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TradingFileError, match="No such file"):
        TradingSettings(trading_file=tmp_path / "none.yml").trading()


def test_venue_names_are_accounts_of_auth() -> None:
    assert [venue.name for venue in TradingSettings().trading().venues] == [VenueName("alpha"), VenueName("beta")]
