"""A fact is one statement with four projections, made after the commit or not at all."""

import json
import logging

import pytest
from sqlalchemy import select, text

from services.contracts.events import Envelope
from services.kit.database import Database
from services.kit.envelopes import EnvelopeMismatchError, EnvelopeTooLargeError, opened
from services.kit.facts import Facts
from services.kit.instruments import InstrumentError
from services.kit.tables import OUTBOX
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry
from tests.kit.ledger import BookClosed, EntryPosted, PageTorn

_ENTRY = EntryPosted(subject="book/1", number=7)


def _outbox(database: Database) -> list[Envelope]:
    with database.reading() as connection:
        rows = connection.execute(select(OUTBOX.c.envelope).order_by(OUTBOX.c.position)).scalars()
        return [Envelope.model_validate_json(row) for row in rows]


def _state(facts: Facts, *events: EntryPosted) -> None:
    with facts.transaction() as transaction:
        for event in events:
            transaction.record(event)


def _fail_after_stating(facts: Facts) -> None:
    with facts.transaction() as transaction:
        transaction.connection.execute(text("DELETE FROM inbox"))
        transaction.record(_ENTRY)
        raise RuntimeError


def test_record_when_committed_then_outbox_holds_the_envelope(
    facts: Facts, database: Database, clock: FakeClock
) -> None:
    with facts.transaction() as transaction:
        event_id = transaction.record(_ENTRY)
    assert _outbox(database) == [
        Envelope(
            event_id=event_id,
            event_type="ledger.entry_posted",
            version=1,
            subject="book/1",
            occurred_at=clock.now(),
            source="ledger",
            traceparent="",
            payload={"number": 7, "amount": "1", "severity": "info", "status": "firing"},
        )
    ]


def test_record_when_several_then_outbox_keeps_their_order(facts: Facts, database: Database) -> None:
    _state(facts, *(EntryPosted(subject=f"b{number % 3}", number=number) for number in range(20)))
    assert [envelope.payload["number"] for envelope in _outbox(database)] == list(range(20))


def test_record_when_rolled_back_then_outbox_is_empty(facts: Facts, database: Database) -> None:
    with pytest.raises(RuntimeError):
        _fail_after_stating(facts)
    assert _outbox(database) == []


def test_record_when_rolled_back_then_nothing_is_said(
    facts: Facts, telemetry: RecordedTelemetry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with telemetry.tracer("test").start_as_current_span("work"), pytest.raises(RuntimeError):
        _fail_after_stating(facts)
    counted = telemetry.value("sightline_events_recorded_total", event_type="ledger.entry_posted")
    (span,) = telemetry.spans.get_finished_spans()
    assert (counted, caplog.messages, span.events) == (0, [], ())


def test_record_when_not_yet_committed_then_nothing_is_said(facts: Facts, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with facts.transaction() as transaction:
        transaction.record(_ENTRY)
        assert caplog.messages == []


def test_record_when_committed_then_log_line_carries_declared_fields(
    facts: Facts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with facts.transaction() as transaction:
        event_id = transaction.record(_ENTRY)
    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage(), record.__dict__["fields"]) == (
        "facts.ledger",
        "INFO",
        "entry 7 of 1 posted",
        {
            "event_type": "ledger.entry_posted",
            "event_id": event_id,
            "subject": "book/1",
            "number": "7",
            "amount": "1",
        },
    )


def test_record_when_committed_then_metrics_of_the_table_move(facts: Facts, telemetry: RecordedTelemetry) -> None:
    _state(facts, _ENTRY, EntryPosted(subject="book/1", number=8, amount=3))
    assert (
        telemetry.value("sightline_events_recorded_total", event_type="ledger.entry_posted"),
        telemetry.value("sightline_alerts_received_total", severity="info", status="firing"),
        telemetry.value("sightline_outbox_oldest_age_seconds"),
    ) == (2, 4, 8)


def test_record_when_in_a_span_then_span_and_envelope_know_each_other(
    facts: Facts, database: Database, telemetry: RecordedTelemetry
) -> None:
    with telemetry.tracer("test").start_as_current_span("work"):
        _state(facts, _ENTRY)
    (span,) = telemetry.spans.get_finished_spans()
    (envelope,) = _outbox(database)
    assert span.context is not None
    assert (envelope.traceparent.split("-")[1], [event.name for event in span.events]) == (
        format(span.context.trace_id, "032x"),
        ["ledger.entry_posted"],
    )


def test_record_when_committed_then_listener_is_called_once(facts: Facts) -> None:
    calls: list[str] = []
    facts.after_commit(lambda: calls.append("woken"))
    _state(facts, _ENTRY, _ENTRY)
    _state(facts)
    assert calls == ["woken"]


def test_record_when_event_has_no_row_then_refused_and_rolled_back(facts: Facts, database: Database) -> None:
    def state() -> None:
        with facts.transaction() as transaction:
            transaction.record(_ENTRY)
            transaction.record(PageTorn(subject="p"))

    with pytest.raises(InstrumentError):
        state()
    assert _outbox(database) == []


def test_record_when_event_is_too_large_then_refused(facts: Facts) -> None:
    with pytest.raises(EnvelopeTooLargeError, match="put a reference"), facts.transaction() as transaction:
        transaction.record(EntryPosted(subject="b", number=1, severity="x" * 600_000))


def test_open_when_type_fits_then_the_event_comes_back(facts: Facts, database: Database) -> None:
    _state(facts, _ENTRY)
    assert opened(_outbox(database)[0], EntryPosted) == _ENTRY


def test_open_when_type_differs_then_refused(facts: Facts, database: Database) -> None:
    _state(facts, _ENTRY)
    with pytest.raises(EnvelopeMismatchError, match=r"Expected ledger\.book_closed"):
        opened(_outbox(database)[0], BookClosed)


def test_record_when_written_then_it_is_plain_json(facts: Facts, database: Database) -> None:
    _state(facts, _ENTRY)
    with database.reading() as connection:
        written = connection.execute(select(OUTBOX.c.envelope)).scalar_one()
    assert json.loads(written)["payload"]["number"] == 7
