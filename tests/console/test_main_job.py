"""What `sightline up` trades: bars of the past, Alpaca where its paper keys are given, or what the operator says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.console.commands.context import Operator, make_operator
from services.console.commands.main_job import BARS_FILE, alpaca_keys, main_job
from services.console.stack.errors import StackError
from services.console.stack.inventory import COMPONENTS
from services.console.stack.make_secrets import ALPACA_FILE, keep_alpaca_keys
from services.kit.clock import SystemClock
from services.kit.secret_files import read_secret
from services.kit.settings import load
from services.trading.settings import TradingSettings

KEYS = {"APCA_API_KEY_ID": "PKTEST", "APCA_API_SECRET_KEY": "made-up"}


@pytest.fixture
def operator(tmp_path: Path) -> Callable[..., Operator]:
    (tmp_path / BARS_FILE).write_text("made up\n")

    def make(**variables: str) -> Operator:
        return make_operator(COMPONENTS, SystemClock(), {"SIGHTLINE_DATA_DIR": str(tmp_path), **variables})

    return make


def test_recorded_bars_are_traded_unless_something_else_is_said(operator: Callable[..., Operator]) -> None:
    job = main_job(operator())
    assert job is not None
    assert job.replays
    assert job.settings["SIGHTLINE_PAPER_BARS"].endswith(BARS_FILE)


@pytest.mark.parametrize("name", ["SIGHTLINE_TRADING_FILE", "SIGHTLINE_PAPER_FEED", "SIGHTLINE_PAPER_BARS"])
def test_who_names_a_trading_file_or_a_feed_gets_that_and_nothing_beside_it(
    operator: Callable[..., Operator], name: str
) -> None:
    assert main_job(operator(**{name: "none", **KEYS})) is None


def test_with_paper_keys_it_trades_at_alpaca_and_nowhere_else(operator: Callable[..., Operator]) -> None:
    job = main_job(operator(**KEYS))
    assert job is not None
    assert (job.replays, job.alpaca_keys) == (False, "PKTEST:made-up")
    assert "made-up" not in repr(job)
    trading = load(TradingSettings, {"SIGHTLINE_NATS_URL": "nats://127.0.0.1:1", **job.settings}).trading()
    (venue,) = trading.venues
    assert (venue.name, venue.environment, venue.base_url) == ("alpaca-paper", "paper", "")
    assert len(trading.strategies) == 4


@pytest.mark.parametrize(
    ("key", "secret", "words"),
    [
        ("PKTEST", "", "APCA_API_SECRET_KEY is not"),
        ("", "made-up", "APCA_API_KEY_ID is not"),
        ("AKTEST", "made-up", "real money"),
        ("hello", "made-up", "APCA_API_KEY_ID does not look"),
        ("PKTEST", "made up", "APCA_API_SECRET_KEY does not look"),
    ],
)
def test_keys_that_cannot_be_a_paper_accounts_are_refused_before_anything_starts(
    key: str, secret: str, words: str
) -> None:
    with pytest.raises(StackError, match=words) as caught:
        alpaca_keys({"APCA_API_KEY_ID": key, "APCA_API_SECRET_KEY": secret})
    assert caught.value.remedy


def test_keys_are_kept_closed_to_others_where_auth_finds_them(tmp_path: Path) -> None:
    keep_alpaca_keys(tmp_path, "PKTEST:made-up")
    assert read_secret(tmp_path / ALPACA_FILE) == "PKTEST:made-up"
