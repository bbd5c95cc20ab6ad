"""The operator's side, signed and guarded, and whatever its own description allows."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import requests
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderStatus

from services.kit.callers import CallerEntry, public_key_text, read_private_key, write_callers
from services.kit.secret_files import read_secret
from services.kit.settings import load
from services.venue.bootstrap import build
from services.venue.settings import VenueSettings
from tests.kit.fuzzing import Case, Signing, ask_everything
from tests.kit.running import Home, served
from tests.venue.broker.orders import limit


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("venue"), "venue")
    key = public_key_text(read_private_key(read_secret(home.secrets_dir / "identity" / "tester.pem")))
    write_callers(home.secrets_dir / "callers.json", {"tester": CallerEntry(public_key=key, scopes=("venue:operate",))})
    return home


@pytest.fixture(scope="module")
def url(home: Home) -> Iterator[str]:
    environ = {name: value for name, value in home.environ.items() if name.startswith("SIGHTLINE_")}
    app = build(load(VenueSettings, environ=environ | {"SIGHTLINE_CONSOLE": "off", "SIGHTLINE_PAPER_FEED": "none"}))
    with served(app) as found:
        yield found


@pytest.fixture
def operator(home: Home, url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/venues/alpha", auth=home.signed(), timeout=30) as client:
        yield client


def _bar(minute: int, price: str, symbol: str = "IBM") -> dict[str, Any]:
    start = datetime(2030, 1, 7, 15, minute, tzinfo=UTC).isoformat()
    return {"symbol": symbol, "start": start, **dict.fromkeys(("open", "high", "low", "close"), price), "volume": "100"}


def _client(operator: httpx.Client, url: str, name: str) -> TradingClient:
    keys = operator.post("/accounts", json={"name": name, "cash": "5000"}).json()
    return TradingClient(keys["key_id"], keys["secret_key"], url_override=f"{url}/paper/alpha")


def test_operator_when_opening_an_account_then_its_keys_trade(operator: httpx.Client, url: str) -> None:
    client = _client(operator, url, "first")
    assert client.get_account().cash == "5000"
    assert operator.post("/bars", json={"bars": [_bar(0, "50"), _bar(0, "50")]}).json() == {"taken": 1}
    order = client.submit_order(limit(45, symbol="IBM"))
    operator.post("/bars", json={"bars": [_bar(1, "44")]})
    assert client.get_order_by_id(order.id).filled_avg_price == "44"


def test_operator_when_a_key_expires_then_its_owner_is_refused(operator: httpx.Client, url: str) -> None:
    client = _client(operator, url, "second")
    key_id = client._api_key
    assert operator.patch(f"/accounts/{key_id}", json={"expired": True}).status_code == 204
    assert (
        requests.get(f"{url}/paper/alpha/v2/account", headers=client._get_auth_headers(), timeout=30).status_code == 401
    )
    operator.patch(f"/accounts/{key_id}", json={"expired": False, "trading_blocked": True})
    assert client.get_account().trading_blocked


def test_operator_when_planning_faults_then_they_happen_and_can_be_taken_back(operator: httpx.Client, url: str) -> None:
    client = _client(operator, url, "third")
    planned = operator.post("/faults", json={"faults": [{"fault": "server_error", "on": ["clock"], "count": None}]})
    number = planned.json()["faults"][0]["number"]
    asked = f"{url}/paper/alpha/v2/clock"
    assert requests.get(asked, headers=client._get_auth_headers(), timeout=30).status_code == 500
    (listed,) = operator.get("/faults").json()["faults"]
    assert (listed["number"], listed["used"]) == (number, 1)
    assert operator.delete(f"/faults/{number}").json() == {"cleared": 1}
    assert client.get_clock().is_open


def test_operator_when_filling_by_hand_then_also_a_canceled_order_fills(operator: httpx.Client, url: str) -> None:
    client = _client(operator, url, "fourth")
    operator.post("/bars", json={"bars": [_bar(30, "60", "GOOG")]})
    order = client.submit_order(limit(10, symbol="GOOG"))
    client.cancel_order_by_id(order.id)
    assert operator.post(f"/orders/{order.id}/fills", json={"quantity": "3", "price": "9.5"}).status_code == 204
    late = client.get_order_by_id(order.id)
    assert (late.status, late.filled_qty, late.filled_avg_price) == (OrderStatus.CANCELED, "3", "9.5")


def test_operator_when_it_asks_for_another_venue_then_it_is_told_which_there_are(
    operator: httpx.Client, url: str
) -> None:
    answer = httpx.post(f"{url}/venues/gamma/faults", json={"faults": []}, auth=operator.auth)
    assert answer.status_code == 422
    answer = httpx.get(f"{url}/venues/gamma/faults", auth=operator.auth)
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (
        404,
        "venue_unknown",
        "There are alpha, beta.",
    )


def test_stranger_when_asking_then_nothing_is_told(url: str) -> None:
    assert httpx.get(f"{url}/venues").status_code == 401
    assert httpx.post(f"{url}/venues/alpha/faults", json={"faults": [{"fault": "drop"}]}).status_code == 401


@pytest.mark.slow
def test_api_when_asked_whatever_it_describes_then_it_never_fails(home: Home, url: str) -> None:
    def of_a_venue(_label: str, case: Case) -> None:
        if "name" in (case.path_parameters or {}):
            case.path_parameters["name"] = "beta"

    seen = ask_everything(url, Signing(home.signed().signer, "venue"), fit=of_a_venue, examples=10, within="/venues")
    assert len(seen) >= 12
    assert any(200 in statuses for statuses in seen.values())  # or strangers alone would have been refused
