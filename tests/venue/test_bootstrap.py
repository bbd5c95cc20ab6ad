"""The venue as a service: the brokers' paths beside the kit's own, and for this machine only."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from secrets import token_hex

import httpx
import pytest
from starlette.types import ASGIApp

from services.contracts.market import Symbol
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.ids import SystemRandomness
from services.kit.settings import SettingsError, load
from services.venue.bootstrap import BrokersBeside, build
from services.venue.broker.market import PaperFileError, PaperMarket
from services.venue.broker.opening import MIGRATIONS
from services.venue.broker.venue import NoCustomers
from services.venue.settings import VenueSettings


def _settings(tmp_path: Path, **more: str) -> VenueSettings:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    (secrets / "callers.json").write_text("{}")
    environ = {
        "SIGHTLINE_DATA_DIR": str(tmp_path / "var"),
        "SIGHTLINE_SECRETS_DIR": str(secrets),
        "SIGHTLINE_CONSOLE": "off",
        **more,
    }
    return load(VenueSettings, environ=environ)


@asynccontextmanager
async def _client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    assert isinstance(app, BrokersBeside)
    service = app._service
    async with (
        service.router.lifespan_context(service),  # type: ignore[attr-defined] # a FastAPI application
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client,
    ):
        yield client


def _answers(app: ASGIApp, headers: dict[str, str], *paths: str) -> list[httpx.Response]:
    async def ask() -> list[httpx.Response]:
        async with _client(app) as client:
            return [await client.get(path, headers=headers) for path in paths]

    return asyncio.run(ask())


def _statuses(app: ASGIApp, *paths: str) -> list[int]:
    return [answer.status_code for answer in _answers(app, {}, *paths)]


def test_venue_when_built_then_it_serves_brokers_and_the_kits_own_paths_and_denies_the_rest(tmp_path: Path) -> None:
    app = build(_settings(tmp_path))
    paths = ("/healthz", "/readyz", "/metrics", "/alpaca/v2/account", "/local/logins", "/robinhood/x", "/else")
    assert _statuses(app, *paths) == [200, 200, 200, 401, 200, 404, 401]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])  # noqa: S104 -- what is refused
def test_venue_when_told_to_listen_elsewhere_then_it_refuses(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="listen on 127"):
        _settings(tmp_path, SIGHTLINE_HOST=host)


def test_venue_when_it_has_a_network_of_its_own_then_it_may_listen_on_all_of_it(tmp_path: Path) -> None:
    settings = _settings(tmp_path, SIGHTLINE_HOST="0.0.0.0", SIGHTLINE_OWN_NETWORK="true")  # noqa: S104 -- a container's
    assert settings.host == "0.0.0.0"  # noqa: S104 -- the same
    with pytest.raises(SettingsError, match="listen on 127"):
        _settings(tmp_path, SIGHTLINE_HOST="0.0.0.0", SIGHTLINE_OWN_NETWORK="false")  # noqa: S104 -- the same


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_venue_when_told_to_listen_here_then_it_does(tmp_path: Path, host: str) -> None:
    assert _settings(tmp_path, SIGHTLINE_HOST=host).listen_port == 8740


def test_webhook_when_the_ports_are_moved_then_it_moves_along(tmp_path: Path) -> None:
    assert _settings(tmp_path, SIGHTLINE_PORT_OFFSET="1000").webhook_url == "http://127.0.0.1:9720/sms/twilio"


def test_venue_when_built_then_paper_venues_refuse_strangers_and_their_operators_side_does_too(tmp_path: Path) -> None:
    app = build(_settings(tmp_path, SIGHTLINE_PAPER_FEED="none"))
    paths = ("/paper/alpha/v2/account", "/paper/beta/v2/clock", "/paper/gamma/v2/account", "/paper", "/venues")
    assert _statuses(app, *paths) == [401, 401, 404, 404, 401]


def test_accounts_when_the_secrets_name_them_then_they_are_open_from_the_start(tmp_path: Path) -> None:
    key, secret = "PKTEST", token_hex(16)
    account = {"venue": "beta", "name": "first", "key_id": key, "secret_key": secret, "cash": "5000"}
    path = tmp_path / "paper_accounts.json"
    path.write_text(json.dumps([account]))
    path.chmod(0o600)
    app = build(_settings(tmp_path, SIGHTLINE_PAPER_FEED="none", SIGHTLINE_PAPER_ACCOUNTS_FILE=str(path)))
    headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
    (answer,) = _answers(app, headers, "/paper/beta/v2/account")
    assert answer.json()["cash"] == "5000"


def test_customer_of_the_simulated_alpaca_when_it_comes_to_a_paper_venue_then_it_has_an_account(tmp_path: Path) -> None:
    app = build(_settings(tmp_path, SIGHTLINE_PAPER_FEED="none"))
    key, secret = "PKLOCAL", token_hex(16)

    async def ask() -> list[int]:
        async with _client(app) as client:
            opened = {"broker": "alpaca", "name": key, "secret": secret}
            statuses = [(await client.put("/local/customers", json=opened)).status_code]
            for given in (secret, "wrong"):
                headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": given}
                statuses.append((await client.get("/paper/alpha/v2/account", headers=headers)).status_code)
            return statuses

    assert asyncio.run(ask()) == [204, 200, 403]


_REPLAY = {"SIGHTLINE_PAPER_FEED": "file", "SIGHTLINE_PAPER_TIME": "replay"}


def test_venue_when_it_replays_a_file_then_the_file_s_symbols_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "XYZ.csv"
    path.write_text("date,open,high,low,close,volume\n2024-01-02,10,11,9,10,100\n")
    settings = _settings(tmp_path, SIGHTLINE_PAPER_BARS=str(path), **_REPLAY)
    database = Database(settings.full_database_url().get_secret_value(), service="venue", versions=[MIGRATIONS])
    database.migrate()
    market = PaperMarket(settings, database, SystemClock(), SystemRandomness(), NoCustomers())
    assert Symbol("XYZ") in market.venues["alpha"].exchange.instruments
    database.close()


def test_venue_when_the_recorded_bars_are_wrong_then_it_does_not_start_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "XYZ.csv"
    path.write_text("date,open,high,low,close,volume\n2024-01-02,10,9,9,10,100\n")
    with pytest.raises(PaperFileError, match=r"SIGHTLINE_PAPER_BARS: .*XYZ\.csv, line 2, column open: the open 10 is"):
        build(_settings(tmp_path, SIGHTLINE_PAPER_BARS=str(path), **_REPLAY))


def _market(tmp_path: Path, stack: ExitStack, line: str, **more: str) -> PaperMarket:
    path = tmp_path / "XYZ.csv"
    path.write_text(f"date,open,high,low,close,volume\n{line}\n")
    settings = _settings(tmp_path, SIGHTLINE_PAPER_BARS=str(path), **_REPLAY, **more)
    database = Database(settings.full_database_url().get_secret_value(), service="venue", versions=[MIGRATIONS])
    stack.callback(database.close)
    database.migrate()
    return PaperMarket(settings, database, SystemClock(), SystemRandomness(), NoCustomers())


async def _play(market: PaperMarket) -> None:
    """Replay until each venue has a bar of XYZ."""
    async with AsyncExitStack() as stack, asyncio.timeout(20):
        for enter in market.background:
            await stack.enter_async_context(enter())
        while any(  # noqa: ASYNC110 -- the feed tells nobody of its bars
            venue.books.prices.newest(Symbol("XYZ")) is None for venue in market.venues.values()
        ):
            await asyncio.sleep(0.01)


def test_venue_when_it_was_fed_newer_bars_before_then_it_does_not_start_and_says_what_to_do(tmp_path: Path) -> None:
    with ExitStack() as stack:
        asyncio.run(
            _play(_market(tmp_path, stack, "2024-01-02,10,11,9,10,100", SIGHTLINE_PAPER_FEED_SPEED="1000000000"))
        )
        with pytest.raises(PaperFileError, match=r"alpha has newer bars of XYZ than the file.*SIGHTLINE_DATA_DIR"):
            _market(tmp_path, stack, "2014-01-02,10,11,9,10,100")


def test_venue_when_it_replays_from_a_day_on_then_it_knows_what_was_before(tmp_path: Path) -> None:
    lines = "2024-01-02,10,11,9,10,100\n2024-01-03,11,12,10,11,100\n2024-01-04,12,13,11,12,100"
    with ExitStack() as stack:
        market = _market(tmp_path, stack, lines, SIGHTLINE_PAPER_FROM="2024-01-04")
        asyncio.run(_play(market))

        prices = market.venues["alpha"].books.prices
        assert [bar.close for bar in prices.between(Symbol("XYZ"), 86_400, None, None)] == [10, 11]
        assert prices.last(Symbol("XYZ")) == 11


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"SIGHTLINE_PAPER_FEED": "file", "SIGHTLINE_PAPER_TIME": "replay"}, "set both or none"),
        ({"SIGHTLINE_PAPER_BARS": "prices.csv"}, "set both or none"),
        ({"SIGHTLINE_PAPER_FEED": "file", "SIGHTLINE_PAPER_BARS": "x.csv"}, "set SIGHTLINE_PAPER_TIME=replay"),
    ],
)
def test_venue_when_the_settings_of_a_replay_do_not_fit_together_then_it_says_which(
    tmp_path: Path, changed: dict[str, str], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        _settings(tmp_path, **changed)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SIGHTLINE_PAPER_SCENARIO", '{"gamma": []}'),
        ("SIGHTLINE_PAPER_SCENARIO", '{"alpha": [{"fault": "no_such"}]}'),
        ("SIGHTLINE_PAPER_SCENARIO", "["),
        ("SIGHTLINE_PAPER_ACCOUNTS_FILE", '[{"venue": "alpha"}]'),
    ],
)
def test_venue_when_a_file_makes_no_sense_then_it_does_not_start_and_names_the_setting(
    tmp_path: Path, variable: str, text: str
) -> None:
    path = tmp_path / "given.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(PaperFileError, match=variable):
        build(_settings(tmp_path, **{variable: str(path)}))
