"""The demo's story over a platform that is scripted: what it waits for, what it says when that does not come."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.console.demo.scenes import OUTAGE, SCENES, SESSION, Scene
from services.console.demo.story import Story
from services.console.stack.errors import StackError
from services.contracts.incidents import IncidentChange, IncidentSeverity, IncidentStatus, IncidentView

if TYPE_CHECKING:
    from services.console.demo.running_platform import DemoPlatform

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


@dataclass
class Told:
    lines: list[str] = field(default_factory=list)

    def scene(self, name: str, words: str) -> None:
        self.lines.append(f"{name}: {words}")

    def line(self, words: str, *, good: bool | None = None) -> None:
        self.lines.append(f"not well: {words}" if good is False else words)


def incident_about(target: str, **changes: Any) -> IncidentView:  # noqa: ANN401 -- a view's fields
    fields: dict[str, Any] = {
        "incident_id": "20260304-1200-0a1b2c3d",
        "title": f"{target} does not work as it should",
        "severity": IncidentSeverity.WARNING,
        "status": IncidentStatus.WRITTEN_UP,
        "cause_kind": "event",
        "cause_id": "made-up",
        "alert_name": "",
        "target": target,
        "service_name": "trading",
        "started_at": NOW,
        "detected_at": NOW,
        "mitigated_at": NOW,
        "ended_at": NOW,
        "causes": ("venue_down",),
        "confidence": 0.8,
        "knowledge_ids": (),
        "actions": ("hold_venue: done",),
        "run_ids": (),
        "document_id": "postmortem-1",
        "trace_id": "",
        "changes": (IncidentChange(at=NOW, status=IncidentStatus.RESOLVED, detail="well again"),),
    }
    return IncidentView(**{**fields, **changes})


class ScriptedPlatform:
    """Does what the demo asks, and fails where a test says so."""

    def __init__(self, **changes: Any) -> None:  # noqa: ANN401 -- an incident's fields
        self.changes = changes
        self.planted: list[str] = []
        self.checked: list[str] = []
        self.taken_back = 0
        self.sees = True
        self.attempts = 3
        self.slack = True
        self.plant_raises: BaseException | None = None
        self.books: list[str] = []

    def plant(self, scene: Scene) -> None:
        self.planted.append(scene.target)
        if self.plant_raises is not None:
            raise self.plant_raises

    def preflight(self, account: str) -> None:
        self.checked.append(account)

    def take_back(self) -> None:
        self.taken_back += 1

    def sessions(self) -> tuple[()]:
        return ()

    def session(self) -> Any:  # noqa: ANN401 -- what the story reads of it
        return type("Session", (), {"attempts_left": self.attempts})()

    def incidents(self, target: str) -> list[IncidentView]:
        return [incident_about(target, **self.changes)] if self.sees else []

    def incident(self, _incident_id: str) -> IncidentView:
        return incident_about(self.planted[-1], **self.changes)

    def in_slack(self, _incident_id: str) -> bool:
        return self.slack

    def in_mail(self, _incident_id: str) -> bool:
        return True

    def open_market(self) -> None:
        raise NotImplementedError

    def held(self) -> Decimal:
        return Decimal(0)

    def state(self) -> Any:  # noqa: ANN401 -- what the story reads of it
        return type("State", (), {"venues": ()})()

    def differences(self) -> list[str]:
        return self.books


class OrderlessStory(Story):
    """A story whose orders are filled at the venue that a test names."""

    filled_at = "alpha"

    def _orders(self) -> list[str]:
        return []

    def _order(self, side: str) -> str | None:
        return self.filled_at if side == "buy" else None


def story(platform: ScriptedPlatform) -> tuple[OrderlessStory, Told]:
    told, moment = Told(), [0.0]

    def wait(seconds: float) -> None:
        moment[0] += seconds

    def now() -> float:
        return moment[0]

    return OrderlessStory(cast("DemoPlatform", platform), told, wait=wait, monotonic=now), told


def test_a_fault_that_is_seen_told_mended_and_written_up_is_no_problem() -> None:
    platform = ScriptedPlatform()
    tale, told = story(platform)

    (outcome,), problems = tale.tell([SCENES[OUTAGE]])

    assert problems == []
    assert (outcome.problem, outcome.ended, outcome.document_id) == ("", "resolved", "postmortem-1")
    assert platform.taken_back >= 1
    assert any("sightline documents show postmortem-1" in line for line in told.lines)


def test_a_fault_that_nobody_sees_is_said_after_a_minute_and_taken_back() -> None:
    platform = ScriptedPlatform()
    platform.sees = False
    tale, _ = story(platform)

    (outcome,), _ = tale.tell([SCENES[OUTAGE]])

    assert outcome.problem == "nothing was seen within 60 s"
    assert platform.taken_back >= 1


def test_a_message_that_does_not_come_is_named() -> None:
    platform = ScriptedPlatform()
    platform.slack = False
    tale, _ = story(platform)

    (outcome,), _ = tale.tell([SCENES[OUTAGE]])

    assert outcome.problem == "no Slack within 300 s"
    assert outcome.mail is not None


def test_an_order_that_goes_to_the_failing_venue_is_a_problem() -> None:
    tale, _ = story(ScriptedPlatform())
    tale.filled_at = "beta"

    (outcome,), _ = tale.tell([SCENES[OUTAGE]])

    assert outcome.problem == "an order went to beta and not to alpha"


def test_an_incident_that_a_person_is_called_for_counts_as_escalated() -> None:
    called = IncidentChange(at=NOW, status=IncidentStatus.ESCALATED, detail="not in order within 30 minutes")
    tale, _ = story(ScriptedPlatform(changes=(called,)))

    (outcome,), _ = tale.tell([SCENES[OUTAGE]])

    assert outcome.ended == "escalated"


def test_a_session_is_not_ended_when_no_login_is_left() -> None:
    platform = ScriptedPlatform()
    platform.attempts = 0
    tale, _ = story(platform)

    (outcome,), _ = tale.tell([SCENES[SESSION]])

    assert platform.planted == []
    assert "budget of logins" in outcome.problem


def test_an_account_that_is_logged_in_again_is_checked_again() -> None:
    platform = ScriptedPlatform()
    tale, _ = story(platform)

    (outcome,), _ = tale.tell([SCENES[SESSION]])

    assert (outcome.problem, platform.checked) == ("", [SCENES[SESSION].target])


def test_books_that_differ_are_told_at_the_end() -> None:
    platform = ScriptedPlatform()
    platform.books = ["AAPL: 3 here, 4 at alpha"]
    tale, _ = story(platform)

    _, problems = tale.tell([])

    assert problems[0] == "AAPL: 3 here, 4 at alpha"


@pytest.mark.parametrize("reason", [KeyboardInterrupt(), StackError("the venue does not answer")])
def test_faults_are_taken_back_whatever_happens(reason: BaseException) -> None:
    platform = ScriptedPlatform()
    platform.plant_raises = reason
    tale, _ = story(platform)

    with pytest.raises(type(reason)):
        tale.tell([SCENES[OUTAGE]])

    assert platform.taken_back == 1
