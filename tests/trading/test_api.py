"""Trading over HTTP: what it answers, and to whom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.contracts.orders import OrderStatus
from services.kit.database import Database
from services.trading.brokers.port import NotSent, OutcomeUnknown, Rejected
from telemetry.emit.metrics import Metrics
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock
from tests.trading.desk.support import VERSIONS, DeskHouse
from tests.trading.front import Front

TICKET = {"symbol": "AAPL", "side": "buy", "quantity": "10"}
LIMIT = {**TICKET, "order_type": "limit", "limit_price": "99"}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    database = Database(f"sqlite:///{tmp_path / 'trading.db'}", service="trading", versions=(VERSIONS,))
    database.migrate()
    yield Front(DeskHouse(database).start(), tmp_path, RecordedTelemetry(Metrics(_TelemetryClock())))
    database.close()


def order(front: Front, ticket: dict[str, str] = LIMIT, **more: Any) -> dict[str, Any]:  # noqa: ANN401 -- fields of the request
    moment = front.house.clock.now().isoformat()
    answer = front.client().post("/orders", json={"ticket": ticket, "signal_at": moment, **more})
    assert answer.status_code in {200, 201}, answer.text
    placed: dict[str, Any] = answer.json()
    return placed


def test_an_order_that_is_made_is_told_with_201_and_can_be_read(front: Front) -> None:
    client = front.client()

    made = client.post("/orders", json={"ticket": LIMIT, "signal_at": front.house.clock.now().isoformat()})

    assert made.status_code == 201
    (told,) = made.json()["orders"]
    assert (told["status"], told["venue"], told["ticket"]["limit_price"]) == ("open", "alpha", "99.00")
    history = client.get(f"/orders/{told['client_order_id']}").json()
    assert [step["now"] for step in history["transitions"]] == ["submitting", "open"]
    assert client.get("/orders").json()["orders"][0]["client_order_id"] == told["client_order_id"]


def test_the_same_wish_told_again_is_the_same_order_and_200(front: Front) -> None:
    body = {"ticket": LIMIT, "signal_at": front.house.clock.now().isoformat()}
    first = front.client().post("/orders", json=body)

    again = front.client().post("/orders", json=body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["orders"] == first.json()["orders"]
    assert len(front.house.alpha.submitted) == 1


def test_what_the_gate_refuses_is_told_with_its_reason_and_kept(front: Front) -> None:
    placed = order(front, {**TICKET, "quantity": "1000000"})

    assert placed["orders"] == []
    assert placed["denied"]["reason"] == "order_notional"
    assert "1,000,000" in placed["denied"]["detail"]
    (kept,) = front.client().get("/denials").json()["denials"]
    assert kept["reason"] == "order_notional"
    assert front.client().get(f"/intents/{placed['intent_id']}").json() == placed


def test_an_order_that_went_on_to_another_venue_shows_both_routes(front: Front) -> None:
    front.house.alpha.answer_submits(NotSent("no connection"))

    placed = order(front)

    assert [(each["venue"], each["status"]) for each in placed["orders"]] == [("alpha", "not_sent"), ("beta", "open")]
    assert front.client().get(f"/intents/{placed['intent_id']}").json()["orders"] == placed["orders"]


def test_an_order_of_which_nothing_is_known_is_listed_as_such(front: Front) -> None:
    front.house.alpha.answer_submits(OutcomeUnknown("read timeout"))

    placed = order(front)

    (told,) = front.client().get("/orders?which=unknown").json()["orders"]
    assert told == placed["orders"][0]
    assert (told["status"], told["reason"]) == ("unknown", "read timeout")


def test_a_rejected_order_is_listed_among_the_ended(front: Front) -> None:
    front.house.alpha.answer_submits(Rejected("40310000", "insufficient buying power"))

    order(front)

    (told,) = front.client().get("/orders?which=ended").json()["orders"]
    assert (told["status"], told["reason"]) == ("rejected", "40310000: insufficient buying power")


def test_pages_follow_each_other_without_a_gap(front: Front) -> None:
    made = []
    for number in range(5):
        front.house.advance(1)
        made.append(order(front, LIMIT, leg=f"leg-{number}")["orders"][0]["client_order_id"])
    client = front.client()

    first = client.get("/orders?which=all&limit=3").json()
    second = client.get("/orders", params={"which": "all", "limit": "3", "before": first["next_before"]}).json()

    assert [each["client_order_id"] for each in first["orders"] + second["orders"]] == made[::-1]
    assert second["next_before"] is None


def test_a_cancel_ends_the_order(front: Front) -> None:
    name = order(front)["orders"][0]["client_order_id"]

    asked = front.client().request("DELETE", f"/orders/{name}")

    assert asked.status_code == 200
    assert front.house.book.get(name).status is OrderStatus.CANCELED


def test_every_working_order_is_cancelled_at_once(front: Front) -> None:
    names = {order(front, LIMIT, leg=f"leg-{number}")["orders"][0]["client_order_id"] for number in range(3)}

    asked = front.client().request("DELETE", "/orders").json()

    assert {each["client_order_id"] for each in asked["orders"]} == names
    assert {front.house.book.get(name).status for name in names} == {OrderStatus.CANCELED}


def test_other_terms_make_another_order(front: Front) -> None:
    name = order(front)["orders"][0]["client_order_id"]

    answer = front.client().request("PATCH", f"/orders/{name}", json={"limit_price": "98.5"})

    assert answer.status_code == 200, answer.text
    child = answer.json()
    assert (child["replaces"], child["ticket"]["limit_price"], child["status"]) == (name, "98.5", "open")


def test_positions_and_accounts_are_told_in_dollars(front: Front) -> None:
    front.house.hold(front.house.alpha, 10)
    client = front.client()

    held = client.get("/positions").json()
    accounts = client.get("/accounts").json()["accounts"]

    assert [(each["symbol"], each["quantity"], each["mark"]) for each in held["positions"]] == [("AAPL", "10", "100")]
    assert {each["venue"]: each["equity"] for each in accounts} == {"alpha": "100000", "beta": "100000"}


def test_the_state_says_why_a_venue_is_not_ready(front: Front) -> None:
    front.house.made.listeners[front.house.alpha.name].disconnected("connection reset")

    told = front.client().get("/state").json()

    assert (told["state"], told["owner"]) == ("active", True)
    ready = {venue["venue"]: (venue["ready"], bool(venue["reasons"])) for venue in told["venues"]}
    assert ready == {"alpha": (False, True), "beta": (True, False)}


def test_the_kill_switch_cancels_flattens_and_stays_until_a_person_resumes(front: Front) -> None:
    order(front)
    client = front.client()

    pulled = client.post("/halt", json={"reason": "a drill"}).json()

    assert (pulled["canceled"], pulled["flat"], pulled["left"]) == (1, True, "")
    assert client.get("/halt").json() == pulled
    assert client.get("/state").json()["state"] == "halted"
    denied = order(front, LIMIT, leg="later")["denied"]
    assert denied["reason"] == "trading_halted"
    assert client.post("/resume", json={"reason": "looked"}).json()["state"] == "active"


def test_reducing_denies_new_exposure(front: Front) -> None:
    told = front.client().post("/reduce", json={"reason": "careful"}).json()

    assert (told["state"], told["reason"]) == ("reducing", "careful")
    assert order(front)["denied"]["reason"] == "trading_reducing"


def test_a_comparison_on_demand_tells_what_differs(front: Front) -> None:
    told = front.client().post("/venues/alpha/reconcile").json()

    assert (told["venue"], told["differences"]) == ("alpha", [])


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/orders/sl-nothing.0", "order_not_found"),
        ("DELETE", "/orders/sl-nothing.0", "order_not_found"),
        ("GET", "/intents/sl-nothing", "intent_not_found"),
        ("POST", "/venues/gamma/reconcile", "venue_not_known"),
        ("GET", "/halt", "never_halted"),
    ],
)
def test_what_is_not_there_is_said_with_what_to_do(front: Front, method: str, path: str, code: str) -> None:
    answer = front.client().request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "ticket",
    [
        {**TICKET, "quantity": "-1"},
        {**TICKET, "quantity": "NaN"},
        {**TICKET, "quantity": "1e400"},
        {**TICKET, "symbol": "no symbol"},
        {**TICKET, "order_type": "limit"},
        {**TICKET, "limit_price": "99"},
        {**TICKET, "order_class": "bracket"},
        {**TICKET, "side": "hold"},
    ],
)
def test_nonsense_is_refused_before_anything_is_written(front: Front, ticket: dict[str, str]) -> None:
    answer = front.client().post("/orders", json={"ticket": ticket})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert front.house.alpha.submitted == []
    assert front.client().get("/orders?which=all").json()["orders"] == []


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/orders", "trading:order"),
        ("PATCH", "/orders/x.0", "trading:order"),
        ("GET", "/orders", "trading:read"),
        ("DELETE", "/orders", "trading:cancel"),
        ("POST", "/halt", "trading:halt"),
        ("POST", "/reduce", "trading:halt"),
        ("POST", "/resume", "trading:resume"),
        ("POST", "/venues/alpha/hold", "trading:halt"),
        ("POST", "/venues/alpha/restore", "trading:halt"),
    ],
)
def test_each_call_takes_its_own_scope(front: Front, method: str, path: str, scope: str) -> None:
    others = {"trading:read", "trading:order", "trading:cancel", "trading:halt", "trading:resume"} - {scope}

    answer = front.client(*others).request(method, path, json={})

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_a_venue_is_held_and_restored_and_the_state_tells(front: Front) -> None:
    held = front.client().post("/venues/alpha/hold", json={"reason": "it is slow"}).json()["venues"][0]
    assert [(hold["actor"], hold["reason"]) for hold in held["holds"]] == [("tester", "it is slow")]
    assert not held["ready"]

    restored = front.client().post("/venues/alpha/restore", json={"reason": "it answers"}).json()["venues"][0]
    assert restored["holds"] == []


@pytest.mark.parametrize("what", ["hold", "restore"])
def test_a_venue_that_is_not_there_is_neither_held_nor_restored(front: Front, what: str) -> None:
    answer = front.client().post(f"/venues/gamma/{what}", json={"reason": "it is slow"})
    assert (answer.status_code, answer.json()["code"]) == (404, "venue_not_known")


def test_lifting_everybodys_holds_takes_the_scope_that_resumes(front: Front) -> None:
    body = {"reason": "it answers", "everyones": True}
    refused = front.client("trading:halt").post("/venues/alpha/restore", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert front.client("trading:halt", "trading:resume").post("/venues/alpha/restore", json=body).status_code == 200
