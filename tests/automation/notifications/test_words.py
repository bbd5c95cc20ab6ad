from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.automation.notifications.words import EVENT_TYPES, message_of
from services.contracts.alerting import AlertingFellSilent, AlertingHeardAgain
from services.contracts.documents import DocumentKind, DocumentWritten
from services.contracts.events import Envelope, Event
from services.contracts.ids import EventId
from services.contracts.incidents import IncidentEscalated, IncidentResolved, IncidentSeverity
from services.contracts.pipelines import ApprovalExpired, ApprovalRequested
from services.contracts.trading import KillSwitchDone, KillSwitchPulled
from services.kit.ids import SystemRandomness
from telemetry.emit.redaction import Redactor

AT = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
INCIDENT: dict[str, Any] = {
    "subject": "20260302-1430-0a1b2c3d",
    "incident_id": "20260302-1430-0a1b2c3d",
    "title": "alpha does not work as it should",
    "target": "alpha",
    "severity": IncidentSeverity.WARNING,
    "started_at": AT,
    "detected_at": AT,
    "actions": ("hold_venue: done",),
    "causes": ("venue_down",),
    "knowledge_ids": ("alpaca-403",),
}
APPROVAL: dict[str, Any] = {
    "subject": "a1",
    "approval_id": "a1",
    "action": "restore_lying_venue",
    "parameters_digest": "0" * 64,
    "target": "alpha",
    "reason": "alpha said what was not so.",
    "expires_at": AT,
}
STATED: tuple[Event, ...] = (
    ApprovalRequested(**APPROVAL, parameters={"venue": "alpha"}, run_id="venue_degraded:1", pipeline="venue_degraded"),
    ApprovalExpired(**APPROVAL),
    IncidentEscalated(**INCIDENT, reason="alpha stays held back"),
    IncidentResolved(
        **INCIDENT,
        mitigated_at=AT,
        resolved_at=AT + timedelta(seconds=125),
        seconds_to_detect=0.0,
        seconds_to_mitigate=3.0,
        seconds_to_resolve=125.0,
    ),
    DocumentWritten(
        subject="postmortem-1",
        document_id="postmortem-1",
        kind=DocumentKind.POSTMORTEM,
        title="alpha does not work as it should",
        incident_id="20260302-1430-0a1b2c3d",
        period_start=AT,
        period_end=AT + timedelta(minutes=2),
        seconds=0.4,
    ),
    AlertingFellSilent(subject="alerting", last_heard_at=AT, silence_limit_seconds=300.0),
    AlertingHeardAgain(subject="alerting", silent_for_seconds=4_000.0),
    KillSwitchPulled(subject="trading", actor="operator", reason="enough"),
    KillSwitchDone(subject="trading", canceled=2, flattened=1, duration_seconds=1.0, flat=False, left="5 AAPL at beta"),
)


def envelope(event: Event) -> Envelope:
    return Envelope(
        event_id=EventId("e1"),
        event_type=event.event_type,
        version=event.version,
        subject=event.subject,
        occurred_at=AT,
        source="automation",
        traceparent="",
        payload=event.model_dump(mode="json", exclude={"subject"}),
    )


@pytest.mark.parametrize("event", STATED, ids=lambda event: event.event_type)
def test_event_when_told_then_its_message_fits_a_phone_and_says_more_than_its_title(event: Event) -> None:
    message = message_of(envelope(event))
    assert 10 < len(message.title) <= 100
    assert message.body
    assert len(message.body.splitlines()) <= 8
    assert "None" not in message.title + message.body


def test_events_when_a_person_is_told_then_each_has_been_looked_at_here() -> None:
    assert sorted(event.event_type for event in STATED) == list(EVENT_TYPES)


def test_approval_when_asked_then_the_message_says_exactly_what_and_how_to_answer() -> None:
    message = message_of(envelope(STATED[0]))
    assert message.urgent
    assert message.title == "May I restore lying venue for alpha?"
    assert "Exactly: restore_lying_venue (venue = alpha)" in message.body
    assert "Yes: sightline approve a1" in message.body
    assert "2026-03-02 14:30:00 UTC" in message.body


def test_approval_when_its_id_is_random_then_redaction_leaves_it_readable() -> None:
    approval_id = SystemRandomness().token()
    asked = STATED[0].model_copy(update={"approval_id": approval_id})
    assert f"sightline approve {approval_id}" in Redactor().text(message_of(envelope(asked)).body)


def test_escalation_when_told_then_it_says_why_what_was_done_and_where_to_look() -> None:
    message = message_of(envelope(STATED[2]))
    assert message.urgent
    assert message.body.splitlines() == [
        "Why you: alpha stays held back",
        "Since: 2026-03-02 14:30:00 UTC",
        "About: alpha",
        "Probably: venue_down",
        "Done so far: hold_venue: done",
        "Look: sightline incidents 20260302-1430-0a1b2c3d",
        "Known: sightline kb show alpaca-403",
    ]


def test_resolution_when_told_then_it_says_that_nothing_is_left_to_do() -> None:
    message = message_of(envelope(STATED[3]))
    assert not message.urgent
    assert "for 2 min 5 s" in message.body
    assert "You need to do nothing." in message.body


def test_document_when_told_then_it_says_where_to_read_it_and_that_it_is_a_draft() -> None:
    message = message_of(envelope(STATED[4]))
    assert message.title == "[POSTMORTEM] alpha does not work as it should"
    assert "Read: sightline documents show postmortem-1" in message.body
    assert "left blank for you" in message.body


def test_message_when_its_event_is_long_then_it_is_cut() -> None:
    asked = STATED[2].model_copy(update={"reason": "x" * 5_000})
    assert len(message_of(envelope(asked)).body) == 1_500
