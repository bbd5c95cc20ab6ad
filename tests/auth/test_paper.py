"""Accounts that are there from the start, logged in by the service itself at the simulated brokers."""

import asyncio
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
import uvicorn

from services.auth.paper import PaperAccountsUnreadableError, at_alpaca, at_simulators, at_venues
from services.contracts.auth import Broker
from services.kit.clock import SystemClock
from services.kit.ids import SystemRandomness
from services.kit.secret_files import write_new_secret
from services.kit.server import listen
from services.venue.logins.customers import Customer, Factor, PaperLoginsError, customers_in
from services.venue.logins.simulators import LoginSimulators
from services.venue.logins.sms import NoSms
from tests.auth.service import AuthHome

NAME = "robinhood-paper"


@pytest.fixture
def brokers() -> Iterator[tuple[LoginSimulators, str]]:
    """Simulated brokers on a port of their own."""
    simulators = LoginSimulators(SystemClock(), SystemRandomness(), NoSms())
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(simulators.app, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield simulators, f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@asynccontextmanager
async def started(home: AuthHome, **changes: str) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """The service with all that runs beside its door; asks it for JSON."""
    with home.app(after=False, **changes) as app:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", auth=home.signed()) as client,
        ):

            async def ask(path: str) -> Any:  # noqa: ANN401 -- JSON
                return (await client.get(path)).json()

            yield ask


async def session_in_state(ask: Callable[[str], Awaitable[Any]], name: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60  # a code may have to be waited for
    while time.monotonic() < deadline:
        found = {each["account"]: each for each in (await ask("/sessions"))["sessions"]}
        if name in found and found[name]["state"] in states:
            session: dict[str, Any] = found[name]
            return session
        await asyncio.sleep(0.1)
    pytest.fail(f"{name} is never {' or '.join(states)}: {found}")


def write_login(home: AuthHome) -> str:
    login = {"name": NAME, "password": secrets.token_hex(16), "totp_seed": pyotp.random_base32()}
    write_new_secret(home.secrets_dir / "paper_logins.json", json.dumps([login]))
    return json.dumps([login])


@pytest.mark.slow
def test_a_customer_in_the_secrets_is_logged_in_by_totp_and_nobody_types_a_code(
    tmp_path: Path, brokers: tuple[LoginSimulators, str]
) -> None:
    simulators, url = brokers
    home = AuthHome(tmp_path)
    (customer,) = customers_in(write_login(home))
    simulators.customers.put(customer)

    async def log_in() -> dict[str, Any]:
        async with started(home, SIGHTLINE_PAPER_URL=url) as ask:
            return await session_in_state(ask, NAME, "active")

    session = asyncio.run(log_in())
    assert (session["method"], session["usable"], session["broker"]) == ("totp", True, "robinhood")
    assert len(customer.codes) == 1


def test_new_keys_take_the_place_of_refused_ones_and_lift_their_block(
    tmp_path: Path, brokers: tuple[LoginSimulators, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulators, url = brokers
    place = {("alpaca", "paper"): frozenset({f"{url}/alpaca"})}
    monkeypatch.setattr("services.auth.paper.ENDPOINTS", place)
    right = secrets.token_hex(16)
    simulators.customers.put(Customer(Broker.ALPACA, "PKTEST", right))
    home = AuthHome(tmp_path)
    file = home.secrets_dir / "alpaca_paper_keys"

    async def end_up(*states: str) -> dict[str, Any]:
        async with started(home) as ask:
            return await session_in_state(ask, "alpaca-paper", *states)

    write_new_secret(file, "PKTEST:wrong")
    refused = asyncio.run(end_up("blocked"))
    file.unlink()
    write_new_secret(file, f"PKTEST:{right}")
    taken = asyncio.run(end_up("active"))

    assert refused["block_reason"] == "password_refused"
    assert (taken["usable"], taken["environment"]) == (True, "paper")


def test_alpacas_paper_account_is_at_its_own_address() -> None:
    (opening,) = at_alpaca("PKTEST:made-up")
    assert opening.account.base_url == "https://paper-api.alpaca.markets"
    assert "made-up" not in repr(opening)


@pytest.mark.parametrize("text", ["", "{}", '[{"name": "a"}]'])
def test_a_file_that_cannot_be_read_is_told_by_its_name(text: str) -> None:
    with pytest.raises(PaperAccountsUnreadableError, match="paper_accounts"):
        at_venues(text, "http://127.0.0.1:1")
    with pytest.raises(PaperAccountsUnreadableError, match="paper_logins"):
        at_simulators(text, "http://127.0.0.1:1")
    with pytest.raises(PaperLoginsError, match="paper_logins"):
        customers_in(text)


def test_customers_in_the_secrets_have_an_authenticator(tmp_path: Path) -> None:
    (customer,) = customers_in(write_login(AuthHome(tmp_path)))
    assert (customer.broker, customer.name, customer.factor) == (Broker.ROBINHOOD, NAME, Factor.TOTP)


def test_a_broker_that_ends_sessions_takes_their_tokens_no_more(brokers: tuple[LoginSimulators, str]) -> None:
    simulators, url = brokers
    simulators.customers.put(Customer(Broker.ROBINHOOD, "me", "made-up"))
    login = {"username": "me", "password": "made-up", "grant_type": "password"}
    with httpx.Client(base_url=url, trust_env=False) as client:
        token = client.post("/robinhood/oauth2/token/", data=login).json()["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        before = client.get("/robinhood/accounts/", headers=headers).status_code
        asked = {"broker": "robinhood", "name": "me"}
        ended = client.request("DELETE", "/local/sessions", json=asked).status_code
        after = client.get("/robinhood/accounts/", headers=headers).status_code
        unknown = client.request("DELETE", "/local/sessions", json={**asked, "name": "you"}).status_code
    assert (before, ended, after, unknown) == (200, 204, 401, 404)
