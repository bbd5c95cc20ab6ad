"""An approval allows exactly what was asked, once, and not after its time."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.automation.approvals.desk import (
    ApprovalClosedError,
    ApprovalDesk,
    ParametersDifferError,
    UnknownActionError,
    UnknownApprovalError,
    digest_of,
)
from services.automation.approvals.policy import POLICY
from services.automation.instruments import TABLE
from services.automation.pipelines.pipeline import Answer
from services.contracts.pipelines import ApprovalStatus, ApprovalView
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.ids import SystemRandomness
from services.kit.instruments import Instruments
from telemetry.emit.metrics import Metrics
from tests.automation.conftest import MIGRATIONS
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock

RESUME_SECONDS = POLICY["resume"].open_for.total_seconds()
LIMIT = {"limit": "day_loss", "to": "500"}


@dataclass
class Asked:
    """A desk and its clock."""

    database: Database
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        telemetry = RecordedTelemetry(Metrics(_TelemetryClock()))
        facts = Facts(self.database, Instruments(TABLE), telemetry, self.clock, "automation")
        self.desk = ApprovalDesk(facts, self.clock, SystemRandomness())

    def ask(self, action: str = "raise_limits", number: int = 1) -> ApprovalView:
        return self.desk.one(self.desk.ask("run:1", number, action, LIMIT, "The day is volatile.").approval_id)


@pytest.fixture
def asked(tmp_path: Path, storage: str | None) -> Iterator[Asked]:
    database = Database(storage or f"sqlite:///{tmp_path}/automation.db", service="automation", versions=[MIGRATIONS])
    database.migrate()
    yield Asked(database)
    database.close()


def test_question_when_asked_again_by_the_same_run_then_it_is_the_same_one(asked: Asked) -> None:
    assert asked.ask() == asked.ask()
    assert len(asked.desk.listing(status=None, limit=5).approvals) == 1


def test_action_when_no_rule_names_it_then_nothing_is_asked(asked: Asked) -> None:
    with pytest.raises(UnknownActionError):
        asked.ask("sell_everything")


def test_approval_when_granted_then_a_second_answer_is_refused(asked: Asked) -> None:
    view = asked.ask()
    asked.desk.grant(view.approval_id, view.parameters_digest, by="operator")
    for answer in (asked.desk.grant, asked.desk.refuse):
        with pytest.raises(ApprovalClosedError):
            answer(view.approval_id, view.parameters_digest, by="operator")
    assert asked.desk.answered(view.approval_id)
    assert asked.desk.one(view.approval_id).status is ApprovalStatus.GRANTED


def test_approval_when_two_people_answer_at_once_then_one_answer_counts(asked: Asked) -> None:
    view, together, ends = asked.ask(), threading.Barrier(4), []

    def answer(decide: Callable[..., ApprovalView]) -> None:
        together.wait()
        try:
            ends.append(decide(view.approval_id, view.parameters_digest, by="operator").status.value)
        except ApprovalClosedError:
            ends.append("closed")

    decisions = [asked.desk.grant, asked.desk.refuse] * 2
    threads = [threading.Thread(target=answer, args=(each,)) for each in decisions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends)[:3] == ["closed"] * 3
    assert asked.desk.one(view.approval_id).status.value in ends


def test_approval_when_used_then_the_next_question_needs_one_of_its_own(asked: Asked) -> None:
    first = asked.ask()
    asked.desk.grant(first.approval_id, first.parameters_digest, by="operator")
    assert asked.desk.settle(first.approval_id) is Answer.APPROVED
    second = asked.ask(number=2)
    assert second.parameters_digest == first.parameters_digest
    assert second.status is ApprovalStatus.PENDING


@pytest.mark.parametrize(
    ("action", "target", "parameters"),
    [
        ("raise_limits", None, LIMIT | {"to": "5000"}),
        ("raise_limits", None, LIMIT | {"also": "position"}),
        ("raise_limits", "alpha", LIMIT),
        ("resume", None, LIMIT),
    ],
)
def test_approval_when_widened_then_it_is_not_given(
    asked: Asked, action: str, target: str | None, parameters: dict[str, str]
) -> None:
    view = asked.ask()
    assert view.parameters_digest == digest_of("raise_limits", None, LIMIT)
    with pytest.raises(ParametersDifferError):
        asked.desk.grant(view.approval_id, digest_of(action, target, parameters), by="operator")
    assert asked.desk.one(view.approval_id).status is ApprovalStatus.PENDING


def test_approval_when_its_time_is_over_then_it_cannot_be_granted(asked: Asked) -> None:
    view = asked.ask()
    asked.clock.advance(RESUME_SECONDS)
    with pytest.raises(ApprovalClosedError):
        asked.desk.grant(view.approval_id, view.parameters_digest, by="operator")
    assert asked.desk.settle(view.approval_id) is Answer.EXPIRED


def test_approval_when_the_run_comes_for_it_after_its_time_then_it_is_none(asked: Asked) -> None:
    view = asked.ask()
    asked.desk.grant(view.approval_id, view.parameters_digest, by="operator")
    asked.clock.advance(RESUME_SECONDS)
    assert asked.desk.settle(view.approval_id) is Answer.EXPIRED
    assert asked.desk.one(view.approval_id).status is ApprovalStatus.EXPIRED


def test_approval_when_a_crash_has_it_settled_again_then_the_answer_is_the_same(asked: Asked) -> None:
    view = asked.ask()
    asked.desk.grant(view.approval_id, view.parameters_digest, by="operator")
    assert asked.desk.settle(view.approval_id) is Answer.APPROVED
    asked.clock.advance(RESUME_SECONDS)
    assert asked.desk.settle(view.approval_id) is Answer.APPROVED


def test_run_when_nobody_has_answered_then_it_is_not_allowed_to_go_on(asked: Asked) -> None:
    view = asked.ask()
    assert not asked.desk.answered(view.approval_id)
    assert asked.desk.settle(view.approval_id) is Answer.EXPIRED


def test_approval_when_there_is_none_of_this_id_then_the_error_says_where_they_are(asked: Asked) -> None:
    with pytest.raises(UnknownApprovalError, match="sightline approvals"):
        asked.desk.grant("nothing", "0" * 64, by="operator")
