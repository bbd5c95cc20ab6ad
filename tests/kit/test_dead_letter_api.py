from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from services.kit.bus import Consumer
from services.kit.database import Database
from services.kit.dead_letter_api import dead_letter_router
from services.kit.dead_letters import DeadLetters
from services.kit.deliveries import Deliveries, Delivery, Outcome
from services.kit.envelopes import seal, to_json
from services.kit.facts import Facts
from services.kit.ids import SystemIds
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry
from tests.kit.ledger import EntryPosted
from tests.kit.web import Web

BOTH = ("events:read", "events:operate")


@dataclass
class Desk:
    """A service whose only consumer fails until it is mended, and the event on which it failed."""

    web: Web
    deliveries: Deliveries
    event_id: str
    broken: list[str]

    @property
    def letter(self) -> str:
        return f"/dead-letters/bookkeeper/{self.event_id}"

    def ask(self, method: str, path: str, *scopes: str) -> httpx.Response:
        self.web.allow("tester", self.web.key, *(scopes or BOTH))
        return self.web.client([dead_letter_router(self.deliveries)]).request(method, path, auth=self.web.signed())


@pytest.fixture
def desk(tmp_path: Path, database: Database, facts: Facts, telemetry: RecordedTelemetry, clock: FakeClock) -> Desk:
    broken = ["the ledger's page is torn"]

    def handle(*_: object) -> None:
        if broken:
            raise RuntimeError(broken[0])

    deliveries = Deliveries(facts, DeadLetters(database, telemetry.metrics, clock), telemetry, clock)
    consumer = Consumer(name="bookkeeper", event_types=("ledger.entry_posted",), handler=handle, max_attempts=1)
    deliveries.register(consumer)
    event_id = SystemIds(clock).event_id()
    event = EntryPosted(subject="account-1", number=1)
    envelope = seal(event, event_id=event_id, occurred_at=datetime(2026, 3, 2, tzinfo=UTC), source="ledger")
    assert deliveries.receive(consumer, Delivery(to_json(envelope).encode(), event_id, 1)) is Outcome.DEAD_LETTERED
    return Desk(Web(tmp_path, telemetry, clock), deliveries, event_id, broken)


def test_list_when_a_consumer_failed_then_its_event_is_there_without_its_content(desk: Desk) -> None:
    (letter,) = desk.ask("GET", "/dead-letters").json()["dead_letters"]

    assert (letter["consumer"], letter["event_id"], letter["attempts"]) == ("bookkeeper", desk.event_id, 1)
    assert "page is torn" in letter["error"]
    assert "envelope" not in letter


def test_list_when_another_consumer_is_asked_for_then_it_is_empty(desk: Desk) -> None:
    assert desk.ask("GET", "/dead-letters?consumer=nobody").json() == {"dead_letters": []}


def test_redrive_when_the_cause_is_mended_then_the_letter_is_gone(desk: Desk) -> None:
    desk.broken.clear()

    assert desk.ask("POST", f"{desk.letter}/redrive").status_code == 204
    assert desk.ask("GET", "/dead-letters").json() == {"dead_letters": []}


def test_redrive_when_it_fails_again_then_it_says_so_and_the_letter_stays(desk: Desk) -> None:
    answer = desk.ask("POST", f"{desk.letter}/redrive")

    assert (answer.status_code, answer.json()["code"]) == (409, "redrive_failed")
    assert len(desk.ask("GET", "/dead-letters").json()["dead_letters"]) == 1


def test_discard_when_it_is_of_no_use_then_the_letter_is_gone(desk: Desk) -> None:
    assert desk.ask("DELETE", desk.letter).status_code == 204
    assert desk.ask("DELETE", desk.letter).json()["code"] == "dead_letter_not_found"


@pytest.mark.parametrize(("method", "action"), [("POST", "/redrive"), ("DELETE", "")])
def test_change_when_the_caller_may_only_read_then_it_is_refused(desk: Desk, method: str, action: str) -> None:
    assert desk.ask(method, f"{desk.letter}{action}", "events:read").status_code == 403
