"""A look at the audit trail costs what is new; an edit of what is old is found when the whole is walked."""

import logging
from dataclasses import replace

import pytest
from sqlalchemy import event, update

from services.auth.anchoring import AuditAnchor
from services.auth.audit_watch import WHOLE_EVERY, AuditWatch
from services.auth.secret import Secret
from services.auth.tables import AUDIT
from services.auth.vault.audit import ACCEPTED, Anchor, AuditEntry, AuditHead
from services.contracts.auth import CredentialKind
from telemetry.emit.metrics import Metrics
from tests.auth.support import ACCOUNT, OPERATOR, House
from tests.fakes.clock import FakeClock

ROWS = 40


class _NoTime:
    def time_ns(self) -> int:
        return 0


@pytest.fixture
def long_trail(house: House) -> House:
    store(house, ROWS - 1)
    return house


@pytest.fixture
def watch(long_trail: House) -> AuditWatch:
    return AuditWatch(long_trail.vault, long_trail.database, long_trail.clock)


def store(house: House, times: int) -> None:
    for number in range(times):
        house.vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret(f"secret {number}"), actor=OPERATOR)


def edit(house: House, row: int, actor: str) -> None:
    with house.database.transaction() as connection:
        connection.execute(update(AUDIT).where(AUDIT.c.sequence == row).values(actor=actor))


def problem(watch: AuditWatch, *, whole: bool = False) -> str:
    with watch.followed(whole=whole) as (_, report):
        return report.problem


def read_rows(watch: AuditWatch) -> int:
    with watch.followed() as (_, report):
        return report.rows_read


def test_look_when_the_trail_was_walked_before_then_only_what_is_new_is_read(
    watch: AuditWatch, long_trail: House
) -> None:
    assert read_rows(watch) == ROWS
    assert read_rows(watch) == 0
    store(long_trail, 2)
    assert [read_rows(watch), read_rows(watch)] == [2, 0]


def test_look_when_the_trail_is_longer_then_the_database_is_asked_no_more(watch: AuditWatch, long_trail: House) -> None:
    problem(watch)
    asked: list[str] = []
    event.listen(long_trail.database._reading, "before_cursor_execute", lambda *call: asked.append(call[2]))
    problem(watch)
    few = len(asked)
    store(long_trail, ROWS)
    problem(watch)
    asked.clear()
    problem(watch)
    assert len(asked) == few
    assert not [statement for statement in asked if "GROUP BY" in statement or "count(" in statement]


def test_edit_when_it_is_of_a_row_walked_before_then_a_walk_of_the_whole_finds_it_and_each_look_tells(
    watch: AuditWatch, long_trail: House, clock: FakeClock
) -> None:
    problem(watch)
    edit(long_trail, 3, "nobody")
    assert problem(watch) == ""
    assert not watch.whole_is_due
    clock.advance(WHOLE_EVERY.total_seconds())
    assert watch.whole_is_due
    assert problem(watch, whole=True) == "row 3 was edited"
    assert problem(watch) == "row 3 was edited"


def test_edit_when_it_is_taken_back_then_the_next_walk_of_the_whole_says_so(
    watch: AuditWatch, long_trail: House
) -> None:
    edit(long_trail, 3, "nobody")
    assert problem(watch, whole=True) == "row 3 was edited"
    edit(long_trail, 3, OPERATOR)
    assert watch.whole_is_due  # as long as something is wrong, however long ago the last one was
    assert problem(watch, whole=True) == ""
    assert problem(watch) == ""


def test_generations_when_walked_in_two_steps_then_they_are_those_of_the_whole(
    watch: AuditWatch, long_trail: House
) -> None:
    problem(watch)
    store(long_trail, 1)
    long_trail.vault.put(ACCOUNT, CredentialKind.API_KEY, Secret("key"), actor=OPERATOR)
    long_trail.vault.remove(ACCOUNT, CredentialKind.API_KEY, actor=OPERATOR)
    with watch.followed() as (_, report):
        assert report.walked.generations == {(ACCOUNT, "password"): ROWS}


def test_anchors_when_an_operator_accepted_the_trail_then_only_later_ones_prove_something(
    watch: AuditWatch, long_trail: House, clock: FakeClock
) -> None:
    audit, gone = long_trail.vault.open_state().audit, AuditHead(ROWS + 5, "ab" * 32)
    before = replace(audit.anchor(gone), at=clock.now())

    def found(anchor: Anchor) -> str:
        with watch.followed([anchor]) as (_, report):
            return report.problem

    assert found(before).startswith("the trail was cut")
    clock.advance(60)
    with long_trail.database.transaction() as connection:
        audit.append(connection, AuditEntry(clock.now(), OPERATOR, ACCEPTED))
    assert found(before) == ""
    clock.advance(60)
    assert found(replace(before, at=clock.now())).startswith("the trail was cut")
    assert problem(watch, whole=True) == ""
    assert found(before) == ""


def test_anchor_when_an_old_row_was_edited_then_it_is_said_within_the_hour_and_no_head_is_anchored(
    watch: AuditWatch, long_trail: House, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics(_NoTime())
    anchor = AuditAnchor(long_trail.vault, watch, tuple, metrics)
    caplog.set_level(logging.INFO, logger="audit.auth")
    anchor.look()
    edit(long_trail, 3, "nobody")
    clock.advance(WHOLE_EVERY.total_seconds() - 1)
    anchor.look()
    clock.advance(1)
    anchor.look()
    told = [record.getMessage() for record in caplog.records if record.name == "audit.auth"]
    assert [message.startswith("audit head 40 is ") for message in told] == [True, True, False]
    assert told[2] == "the audit trail is broken: row 3 was edited"
    (gauge,) = [each.value for each in metrics.samples() if each.name == "sightline_auth_audit_chain_broken"]
    assert gauge == 1
