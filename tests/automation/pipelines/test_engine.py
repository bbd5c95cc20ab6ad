"""Runs on the real engine: once for each cause, step by step, one at a time on a target, with a person's consent."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from services.automation.approvals.desk import ApprovalClosedError, ParametersDifferError
from services.automation.pipelines.dbos_engine import TwoEnginesError
from services.automation.pipelines.engine import RunEndedError, UnknownRunError
from services.automation.pipelines.failures import FailedError
from services.automation.pipelines.pipeline import Answer, Cause, Context, Pipeline
from services.automation.pipelines.retrying import RetryPolicy
from services.automation.tables import RUNS
from services.contracts.pipelines import ApprovalStatus, CauseKind, FailureClass, RunStatus
from tests.automation.pipelines.conftest import Pipelines, command, until

House = Callable[..., Pipelines]
AT_ONCE = RetryPolicy(first_seconds=0.0)


def pipeline(name: str, run: Callable[[Context], None]) -> Pipeline:
    return Pipeline(name=name, purpose="A test.", run=run)


def test_run_when_its_steps_succeed_then_it_ends_well_and_its_steps_are_told(house: House) -> None:
    seen: list[object] = []

    def run(context: Context) -> None:
        first = context.step("first", lambda: {"price": "101.5"})
        seen.append(context.step("second", lambda: first["price"]))

    here = house(pipeline("two", run))
    started = here.engine.start(here.pipelines[0], command())
    assert here.ended(started.run_id).status is RunStatus.SUCCEEDED
    assert seen == ["101.5"]
    assert [step["function_name"] for step in here.engine.steps(started.run_id)] == ["first", "second"]


def test_cause_when_delivered_many_times_at_once_then_it_runs_once(house: House) -> None:
    count, here = [], house(pipeline("once", lambda context: context.step("count", lambda: count.append(1))))
    new: list[bool] = []
    together = threading.Barrier(8)

    def deliver() -> None:
        together.wait()
        new.append(here.engine.start(here.pipelines[0], command()).new)

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    here.ended("once:1")
    assert count == [1]
    assert sorted(new) == [False] * 7 + [True]


def test_note_when_its_transaction_is_rolled_back_then_nothing_runs(house: House) -> None:
    count: list[int] = []
    here = house(pipeline("never", lambda context: context.step("count", lambda: count.append(1))))

    def note_and_fail() -> None:
        with here.facts.transaction() as tx:
            here.engine.note(tx, here.pipelines[0], command())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        note_and_fail()
    assert here.engine.start(here.pipelines[0], command()).new
    here.ended("never:1")
    assert count == [1]


def test_step_when_it_fails_for_a_while_then_it_is_tried_until_it_succeeds(house: House) -> None:
    tries: list[int] = []

    def flaky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise FailedError(FailureClass.TRANSIENT, "away")
        return "there"

    here = house(pipeline("flaky", lambda context: context.step("call", flaky, retry=AT_ONCE)))
    here.engine.start(here.pipelines[0], command())
    assert here.ended("flaky:1").status is RunStatus.SUCCEEDED
    assert len(tries) == 3


@pytest.mark.parametrize("kind", [FailureClass.DEFINITIVE, FailureClass.UNKNOWN, FailureClass.AUTH])
def test_step_when_trying_again_does_not_help_then_it_is_tried_once(house: House, kind: FailureClass) -> None:
    tries: list[int] = []

    def refused() -> None:
        tries.append(1)
        raise FailedError(kind, "the venue says no")

    here = house(pipeline("refused", lambda context: context.step("call", refused)))
    here.engine.start(here.pipelines[0], command())
    run = here.ended("refused:1")
    assert run.status is RunStatus.FAILED
    assert run.detail == "call: the venue says no"
    assert len(tries) == 1


def test_step_when_a_session_is_recovered_then_it_is_tried_once_more(house: House) -> None:
    done: list[str] = []

    def call() -> None:
        done.append("call")
        if "recover" not in done:
            raise FailedError(FailureClass.AUTH, "401")

    policy = RetryPolicy(first_seconds=0.0, recover=lambda: done.append("recover"))
    here = house(pipeline("auth", lambda context: context.step("call", call, retry=policy)))
    here.engine.start(here.pipelines[0], command())
    assert here.ended("auth:1").status is RunStatus.SUCCEEDED
    assert done == ["call", "recover", "call"]


def test_run_when_a_later_step_fails_then_earlier_ones_are_undone_the_latest_first(house: House) -> None:
    undone: list[str] = []

    def fail() -> None:
        raise FailedError(FailureClass.DEFINITIVE, "no")

    def run(context: Context) -> None:
        context.step("a", lambda: None, compensate=lambda: undone.append("a"))
        context.step("b", lambda: None, compensate=lambda: undone.append("b"))
        context.step("c", fail, compensate=lambda: undone.append("c"))

    here = house(pipeline("undo", run))
    here.engine.start(here.pipelines[0], command())
    assert here.ended("undo:1").status is RunStatus.FAILED
    assert undone == ["b", "a"]


def test_result_when_it_looks_like_a_secret_then_it_is_refused_and_stored_nowhere(house: House) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
    here = house(pipeline("leak", lambda context: context.step("login", lambda: {"authorization": f"Bearer {token}"})))
    here.engine.start(here.pipelines[0], command())
    run = here.ended("leak:1")
    assert run.status is RunStatus.FAILED
    assert "looks like a secret" in run.detail
    here.engine.close()
    kept = b"".join(path.read_bytes() for path in here.directory.iterdir() if path.is_file())
    assert token.encode() not in kept


def test_pipeline_when_it_has_a_mistake_then_the_run_fails_with_the_type_alone(house: House) -> None:
    here = house(pipeline("mistaken", lambda _context: {}["password hunter2"]))  # type: ignore[index]
    here.engine.start(here.pipelines[0], command())
    run = here.ended("mistaken:1")
    assert "KeyError" in run.detail
    assert "hunter2" not in run.detail


def test_runs_when_on_one_target_then_one_waits_for_the_other(house: House) -> None:
    inside, most, lock, go = [0], [0], threading.Lock(), threading.Event()

    def work() -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        go.wait(0.05)
        with lock:
            inside[0] -= 1

    here = house(pipeline("alone", lambda context: context.step("work", work)))
    for number in range(4):
        here.engine.start(here.pipelines[0], command(str(number), target="alpha"))
    for number in range(4):
        assert here.ended(f"alone:{number}").status is RunStatus.SUCCEEDED
    assert most == [1]


def test_cancel_when_a_run_is_in_a_step_then_the_next_step_is_not_taken(house: House) -> None:
    reached, go, after = threading.Event(), threading.Event(), []

    def hold() -> None:
        reached.set()
        go.wait(10)

    def run(context: Context) -> None:
        context.step("hold", hold)
        context.step("after", lambda: after.append(1))

    here = house(pipeline("canceled", run))
    here.engine.start(here.pipelines[0], command())
    assert reached.wait(10)
    here.engine.cancel("canceled:1")
    go.set()
    assert here.ended("canceled:1").status is RunStatus.CANCELED
    with pytest.raises(RunEndedError):
        here.engine.cancel("canceled:1")
    with pytest.raises(UnknownRunError):
        here.engine.cancel("nothing:1")
    assert after == []


def test_run_when_canceled_then_its_step_is_not_tried_again_and_another_takes_its_target(house: House) -> None:
    reached, over, tries, other = threading.Event(), threading.Event(), [], []

    def fail() -> None:
        tries.append(1)
        reached.set()
        assert over.wait(10)
        raise FailedError(FailureClass.TRANSIENT, "away")

    def run(context: Context) -> None:
        if context.cause.cause_id == "first":
            context.step("call", fail, retry=AT_ONCE, compensate=lambda: other.append("undone"))
        else:
            context.step("other", lambda: other.append("done"))

    here = house(pipeline("taken", run))
    here.engine.start(here.pipelines[0], command("first", target="alpha"))
    assert reached.wait(10)
    here.engine.start(here.pipelines[0], command("second", target="alpha"))
    here.engine.cancel("taken:first")
    assert here.ended("taken:second").status is RunStatus.SUCCEEDED
    lost = "sightline_pipeline_leases_lost_total"
    assert here.telemetry.value(lost, pipeline="taken") == 0
    over.set()
    until(lambda: here.telemetry.value(lost, pipeline="taken") == 1)
    assert (tries, other) == ([1], ["done"])


def test_wait_when_its_run_is_canceled_then_it_looks_no_more(house: House) -> None:
    looked, over = threading.Event(), threading.Event()

    def look() -> bool:
        looked.set()
        return False

    def run(context: Context) -> None:
        try:
            context.wait_until("never", look, timeout_seconds=600, poll_seconds=0.01)
        finally:
            over.set()

    here = house(pipeline("waiting", run))
    here.engine.start(here.pipelines[0], command())
    assert looked.wait(10)
    here.engine.cancel("waiting:1")
    assert over.wait(10)
    assert here.run("waiting:1").status is RunStatus.CANCELED


def test_run_when_the_engine_stops_in_the_middle_then_it_goes_on_where_it_was(house: House) -> None:
    done, ready = [], threading.Event()

    def run(context: Context) -> None:
        context.step("first", lambda: done.append("first"))
        context.wait_until("ready", lambda: done.append("look") or ready.is_set(), timeout_seconds=600)  # type: ignore[func-returns-value]
        context.step("last", lambda: done.append("last"))

    here = house(pipeline("cut", run))
    here.engine.start(here.pipelines[0], command())
    until(lambda: "look" in done)
    here = here.again()
    ready.set()
    assert here.ended("cut:1").status is RunStatus.SUCCEEDED
    assert [each for each in done if each != "look"] == ["first", "last"]
    assert here.telemetry.value("sightline_pipeline_recoveries_total", pipeline="cut") == 1
    here.close()


def test_cause_when_it_tells_a_secret_then_the_run_starts_and_the_secret_is_stored_nowhere(house: House) -> None:
    token, seen = f"sk-{'a1b2' * 12}", []
    payload = {
        "venue": "alpha",
        "password": "hunter2-canary",
        "secret": {"a": "hunter2-canary"},
        "more": [{"note": f"Authorization: Bearer {token}"}],
    }
    here = house(pipeline("told", lambda context: seen.append(dict(context.cause.payload))))
    cause = Cause(kind=CauseKind.EVENT, cause_id="1", name="a.b", payload=payload)
    here.engine.start(here.pipelines[0], cause)
    assert here.ended("told:1").status is RunStatus.SUCCEEDED
    assert seen == [
        {
            "venue": "alpha",
            "password": "[redacted]",
            "secret": "[redacted]",
            "more": [{"note": "Authorization: [redacted]"}],
        }
    ]
    with here.database.reading() as connection:
        (kept,) = connection.execute(select(RUNS.c.cause)).scalars()
    assert token not in kept
    assert "hunter2-canary" not in kept


def test_engine_when_another_process_has_the_directory_then_it_does_not_open(house: House) -> None:
    here = house(pipeline("first", lambda _context: None))
    with pytest.raises(TwoEnginesError, match="Another process holds"):
        Pipelines(here.directory, here.pipelines).open()


def asking(answers: list[Answer]) -> Callable[[Context], None]:
    return lambda context: answers.append(context.approve("resume", {"venue": "alpha"}, "The fault is gone."))


def test_approval_when_granted_then_the_run_goes_on_and_the_answer_is_used_up(house: House) -> None:
    answers: list[Answer] = []
    here = house(pipeline("resuming", asking(answers)))
    here.engine.start(here.pipelines[0], command(target="alpha"))
    until(lambda: here.approvals.listing(status=ApprovalStatus.PENDING, limit=1).approvals)
    (asked,) = here.approvals.listing(status=None, limit=5).approvals
    assert here.run("resuming:1").status is RunStatus.WAITING_APPROVAL
    with pytest.raises(ParametersDifferError):
        here.approvals.grant(asked.approval_id, "0" * 64, by="operator")
    here.approvals.grant(asked.approval_id, asked.parameters_digest, by="operator")
    assert here.ended("resuming:1").status is RunStatus.SUCCEEDED
    assert answers == [Answer.APPROVED]
    with pytest.raises(ApprovalClosedError):
        here.approvals.grant(asked.approval_id, asked.parameters_digest, by="operator")


def test_approval_when_refused_then_the_run_is_told(house: House) -> None:
    answers: list[Answer] = []
    here = house(pipeline("refusing", asking(answers)))
    here.engine.start(here.pipelines[0], command(target="alpha"))
    until(lambda: here.approvals.listing(status=ApprovalStatus.PENDING, limit=1).approvals)
    (asked,) = here.approvals.listing(status=None, limit=5).approvals
    here.approvals.refuse(asked.approval_id, asked.parameters_digest, by="operator")
    here.ended("refusing:1")
    assert answers == [Answer.REFUSED]


def test_run_when_it_waits_for_a_person_over_a_restart_then_it_waits_still_and_the_answer_counts(house: House) -> None:
    answers: list[Answer] = []
    here = house(pipeline("patient", asking(answers)))
    here.engine.start(here.pipelines[0], command(target="alpha"))
    until(lambda: here.run("patient:1").status is RunStatus.WAITING_APPROVAL)
    here = here.again()
    until(lambda: here.telemetry.value("sightline_pipeline_recoveries_total", pipeline="patient") == 1)
    assert here.run("patient:1").status is RunStatus.WAITING_APPROVAL
    (asked,) = here.approvals.listing(status=ApprovalStatus.PENDING, limit=5).approvals
    here.approvals.grant(asked.approval_id, asked.parameters_digest, by="operator")
    assert here.ended("patient:1").status is RunStatus.SUCCEEDED
    assert answers == [Answer.APPROVED]
    here.close()


def test_approval_when_its_run_was_canceled_then_it_cannot_be_granted_and_is_closed(house: House) -> None:
    answers: list[Answer] = []
    here = house(pipeline("gone", asking(answers)))
    here.engine.start(here.pipelines[0], command(target="alpha"))
    until(lambda: here.approvals.listing(status=ApprovalStatus.PENDING, limit=1).approvals)
    (asked,) = here.approvals.listing(status=None, limit=5).approvals
    here.engine.cancel("gone:1")
    with pytest.raises(ApprovalClosedError, match="has ended"):
        here.approvals.grant(asked.approval_id, asked.parameters_digest, by="operator")
    assert here.approvals.close_left() == 1
    assert here.approvals.one(asked.approval_id).status is ApprovalStatus.EXPIRED
    assert here.approvals.waiting() == (0, 0.0)
    assert answers == []
