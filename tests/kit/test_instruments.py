"""The table of instruments is complete and right, or the service does not start."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.events import Event
from services.kit.instruments import Either, Instrument, InstrumentError, Instruments, Measure
from telemetry.catalogue import ALERTS_RECEIVED, EVENT_LAG, EVENTS_RECORDED, OUTBOX_OLDEST
from tests.kit.ledger import TABLE, BookClosed, EntryPosted, PageTorn

_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _row(**changes: object) -> Instrument:
    return Instrument(**{"event": EntryPosted, "level": "info", "message": "posted", **changes})  # type: ignore[arg-type]


def test_make_when_a_stated_event_has_no_row_then_refused() -> None:
    with pytest.raises(InstrumentError, match=r"No row .* ledger\.page_torn"):
        Instruments(TABLE, stated=(EntryPosted, PageTorn))


def test_make_when_every_stated_event_has_a_row_then_accepted() -> None:
    assert Instruments(TABLE, stated=(EntryPosted, BookClosed)).event_types == (
        "ledger.entry_posted",
        "ledger.book_closed",
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (_row(message="{nowhere}"), "'nowhere', which the event does not have"),
        (_row(message=Either(field="nowhere", true="", false="")), "'nowhere', which the event does not have"),
        (_row(message=Either(field="subject", true="", false="{nowhere}")), "'nowhere', which the event does not have"),
        (_row(fields=("nowhere",)), "'nowhere', which the event does not have"),
        (_row(gauges=(Measure(metric=OUTBOX_OLDEST, value="nowhere"),)), "'nowhere', which the event does not have"),
        (_row(counters=(Measure(metric=OUTBOX_OLDEST),)), "lists sightline_outbox_oldest_age_seconds as a counter"),
        (_row(counters=(Measure(metric=ALERTS_RECEIVED),)), r"must set the labels \['severity', 'status'\]"),
        (
            _row(counters=(Measure(metric=ALERTS_RECEIVED, labels={"severity": "x", "status": "status"}),)),
            "'x', which the event does not have",
        ),
        (_row(histograms=(Measure(metric=EVENT_LAG, labels={"consume": "subject"}),)), "must set the labels"),
        (
            _row(
                counters=(
                    Measure(
                        metric=ALERTS_RECEIVED,
                        labels={"severity": "severity", "status": "status"},
                        fixed={"status": "firing"},
                    ),
                )
            ),
            r"must set the labels .*, not \['severity', 'status', 'status'\]",
        ),
        (
            _row(
                counters=(
                    Measure(metric=ALERTS_RECEIVED, labels={"severity": "severity"}, fixed={"status": "burning"}),
                )
            ),
            "fixes status of sightline_alerts_received_total to 'burning'",
        ),
    ],
)
def test_make_when_a_row_is_wrong_then_refused_with_words(row: Instrument, words: str) -> None:
    with pytest.raises(InstrumentError, match=words):
        Instruments((row,))


def test_make_when_an_event_has_two_rows_then_refused() -> None:
    with pytest.raises(InstrumentError, match="two rows"):
        Instruments((_row(), _row()))


def test_state_when_event_has_no_row_then_refused() -> None:
    with pytest.raises(InstrumentError, match=r"ledger\.page_torn"):
        Instruments(TABLE).statement(PageTorn(subject="p1"))


def test_state_when_event_has_a_row_then_message_and_fields_hold_its_values() -> None:
    statement = Instruments(TABLE).statement(EntryPosted(subject="b1", number=7, amount=Decimal("2.50")))
    assert (statement.message, dict(statement.fields)) == (
        "entry 7 of 2.50 posted",
        {"subject": "b1", "number": "7", "amount": "2.50"},
    )


def test_state_when_event_has_a_row_then_it_is_counted() -> None:
    statement = Instruments(TABLE).statement(EntryPosted(subject="b1", number=7))
    counted = statement.observations[0]
    assert (counted.metric, counted.labels) == (EVENTS_RECORDED, {"event_type": "ledger.entry_posted"})


def test_state_when_a_label_is_fixed_then_every_event_carries_its_value() -> None:
    measure = Measure(metric=ALERTS_RECEIVED, labels={"severity": "severity"}, fixed={"status": "resolved"})
    statement = Instruments((_row(counters=(measure,)),)).statement(EntryPosted(subject="b1", number=7))
    assert statement.observations[-1].labels == {"severity": "info", "status": "resolved"}


@given(st.timedeltas(min_value=timedelta(days=-10), max_value=timedelta(days=10)))
def test_state_when_value_is_a_time_then_gauge_gets_unix_seconds(offset: timedelta) -> None:
    at = _NOON + offset
    statement = Instruments(TABLE).statement(BookClosed(subject="b1", closed_at=at))
    assert statement.observations[-1].value == at.timestamp()


def test_state_when_value_is_no_number_then_refused_before_anything_is_written() -> None:
    table = (_row(gauges=(Measure(metric=OUTBOX_OLDEST, value="severity"),)),)
    with pytest.raises(InstrumentError, match="no number"):
        Instruments(table).statement(EntryPosted(subject="b1", number=7))


class MeasuredEvent(Event):
    event_type: ClassVar[str] = "ledger.page_measured"

    seconds: float


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.03349006200005533, "0.0334901"), (300.0, "300"), (0.5, "0.5"), (1234567.0, "1.23457e+06")]
)
def test_state_when_a_value_is_a_measurement_then_the_line_shows_six_digits(seconds: float, shown: str) -> None:
    table = Instruments([Instrument(event=MeasuredEvent, level="info", message="took {seconds} s")])
    assert table.statement(MeasuredEvent(subject="page-1", seconds=seconds)).message == f"took {shown} s"


class PageWeighed(Event):
    event_type: ClassVar[str] = "ledger.page_weighed"

    seconds: float | None = None
    consumer: str | None = None
    torn: bool = False
    corners: tuple[str, ...] = ()


def test_state_when_a_measured_field_is_none_then_nothing_is_observed() -> None:
    row = Instrument(
        event=PageWeighed,
        level="info",
        message="weighed",
        histograms=(Measure(metric=EVENT_LAG, labels={"consumer": "consumer"}, value="seconds"),),
    )
    (counted,) = Instruments((row,)).statement(PageWeighed(subject="page-1")).observations
    assert counted.metric == EVENTS_RECORDED


def test_state_when_a_labelled_field_is_empty_then_the_label_says_none() -> None:
    row = Instrument(
        event=PageWeighed,
        level="info",
        message="weighed",
        histograms=(Measure(metric=EVENT_LAG, labels={"consumer": "consumer"}, value="seconds"),),
    )
    statement = Instruments((row,)).statement(PageWeighed(subject="page-1", seconds=1.0))
    assert statement.observations[-1].labels == {"consumer": "none"}


def test_state_when_values_are_truths_and_lists_then_the_line_reads_as_words() -> None:
    row = Instrument(event=PageWeighed, level="info", message="torn: {torn} at {corners}")
    event = PageWeighed(subject="page-1", torn=True, corners=("top left", "top right"))
    assert Instruments((row,)).statement(event).message == "torn: true at top left, top right"


class _Weighed(Event):
    event_type: ClassVar[str] = "ledger.weighed"

    even: bool
    difference: float


@pytest.mark.parametrize(
    ("even", "difference", "line"), [(True, -0.0, "even"), (False, 2.5, "off by 2.5"), (False, -0.0, "off by 0")]
)
def test_state_when_an_event_is_one_of_two_kinds_then_its_text_is_of_its_kind(
    *, even: bool, difference: float, line: str
) -> None:
    row = Instrument(
        event=_Weighed, level="info", message=Either(field="even", true="even", false="off by {difference}")
    )
    event = _Weighed(subject="scales", even=even, difference=difference)
    assert Instruments([row]).statement(event).message == line
