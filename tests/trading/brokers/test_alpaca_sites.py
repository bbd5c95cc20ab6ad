"""Where orders and keys may go."""

import pytest

from services.contracts.verdict import Environment
from services.trading.brokers.alpaca_sites import (
    DATA_URL,
    LIVE_URL,
    PAPER_URL,
    ForeignEndpointError,
    LiveNotAllowedError,
    key_pair,
    site_at,
)
from services.trading.brokers.port import VenueRefusesKeysError
from tests.trading.brokers.papers import new_keys


def test_the_stream_of_a_site_is_beside_its_orders() -> None:
    assert site_at(PAPER_URL).stream_url == "wss://paper-api.alpaca.markets/stream"
    assert site_at("http://127.0.0.1:8740/paper/alpha/").stream_url == "ws://127.0.0.1:8740/paper/alpha/stream"


def test_prices_come_from_alpaca_and_from_a_simulator_itself() -> None:
    assert site_at(PAPER_URL).data_url == DATA_URL
    assert site_at("http://127.0.0.1:8740/paper/alpha").data_url == "http://127.0.0.1:8740/paper/alpha"


def test_live_trading_is_refused_unless_somebody_allows_it() -> None:
    with pytest.raises(LiveNotAllowedError):
        site_at(LIVE_URL)
    assert site_at(LIVE_URL, allow_live=True).environment is Environment.LIVE


@pytest.mark.parametrize(
    "url",
    [
        "https://paper-api.alpaca.markets.example.com",
        "https://paper-api.alpaca.markets@example.com",
        "http://paper-api.alpaca.markets",
        "http://api.alpaca.markets",
        "https://api.alpaca.markets:8443",
        "https://API.alpaca.markets.",
        "https://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "venue:8740",
        "",
    ],
)
def test_an_address_that_is_not_listed_is_refused(url: str) -> None:
    with pytest.raises(ForeignEndpointError):
        site_at(url, allow_live=True)


def test_a_simulator_may_stand_at_a_host_that_the_settings_name() -> None:
    with pytest.raises(ForeignEndpointError):
        site_at("http://venue:8740/paper/alpha")
    assert (
        site_at("http://venue:8740/paper/alpha", simulator_hosts=frozenset({"venue"})).environment is Environment.PAPER
    )


@pytest.mark.parametrize(("url", "prefix"), [(PAPER_URL, "AK"), ("http://127.0.0.1:1", "AK"), (LIVE_URL, "PK")])
def test_keys_of_the_other_kind_of_account_are_not_sent(url: str, prefix: str) -> None:
    with pytest.raises(VenueRefusesKeysError):
        site_at(url, allow_live=True).keys(new_keys(prefix))


@pytest.mark.parametrize(("url", "prefix"), [(PAPER_URL, "PK"), (LIVE_URL, "AK"), (PAPER_URL, "CK")])
def test_keys_of_the_account_are_sent_and_nothing_else_of_the_session(url: str, prefix: str) -> None:
    keys = new_keys(prefix)
    lower = {name.lower(): value for name, value in keys.items()}
    sent = site_at(url, allow_live=True).keys({**lower, "cookie": "kept here"})
    assert sent == keys
    assert key_pair(sent) == tuple(keys.values())
