"""The venue as a service: the brokers' paths beside the kit's own, and for this machine only."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from services.kit.settings import SettingsError, load
from services.venue.bootstrap import BrokersBeside, build
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


def _statuses(app: ASGIApp, *paths: str) -> list[int]:
    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app)
        assert isinstance(app, BrokersBeside)
        service = app._service
        async with (
            service.router.lifespan_context(service),  # type: ignore[attr-defined] # a FastAPI application
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        ):
            return [(await client.get(path)).status_code for path in paths]

    return asyncio.run(ask())


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
