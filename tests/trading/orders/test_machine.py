"""Every edge of the state diagram, and what happens off it."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.contracts.orders import OrderStatus, Source
from services.contracts.trading import OrderIncidentKind
from services.trading.orders.news import (
    Busted,
    CancelFailed,
    CancelUnanswered,
    News,
    NotFound,
    Patience,
    ReplaceFailed,
)
from tests.trading.orders.stories import (
    CANCEL,
    NOT_FOUND,
    NOT_SENT,
    REJECTED,
    REPLACE,
    REPLACED,
    STATUSES,
    UNKNOWN,
    Story,
    begun,
    execution,
    in_status,
    report,
)

S = OrderStatus
_WORKING = (S.OPEN, S.PARTIAL)
_LIVE = (*_WORKING, S.SUSPENDED, S.PENDING_CANCEL, S.PENDING_REPLACE)
_TERMINAL = tuple(status for status in STATUSES if status.terminal)
CANCEL_FAILED = CancelFailed(source=Source.SUBMIT, reason="too late")
CANCEL_UNANSWERED = CancelUnanswered(source=Source.SUBMIT, reason="no answer")
REPLACE_FAILED = ReplaceFailed(source=Source.SUBMIT, reason="too late")

Made = Callable[[Story], News]


def _told(status: OrderStatus, filled: object = 0) -> Made:
    return lambda story: story.told(status, max(Decimal(str(filled)), story.order.filled))


def _fill(cumulative: int) -> Made:
    return lambda story: execution(cumulative - story.order.filled, cumulative)


def _is(news: News) -> Made:
    return lambda _: news


EDGES: list[tuple[OrderStatus, Made, OrderStatus]] = [
    (S.SUBMITTING, _is(NOT_SENT), S.NOT_SENT),
    (S.SUBMITTING, _is(REJECTED), S.REJECTED),
    (S.SUBMITTING, _told(S.REJECTED), S.REJECTED),
    (S.SUBMITTING, _told(S.OPEN), S.OPEN),
    (S.SUBMITTING, _fill(4), S.PARTIAL),
    (S.SUBMITTING, _fill(10), S.FILLED),
    (S.SUBMITTING, _told(S.CANCELED), S.CANCELED),
    (S.SUBMITTING, _told(S.EXPIRED), S.EXPIRED),
    (S.SUBMITTING, _is(UNKNOWN), S.UNKNOWN),
    (S.UNKNOWN, _told(S.OPEN), S.OPEN),
    (S.UNKNOWN, _fill(4), S.PARTIAL),
    (S.UNKNOWN, _fill(10), S.FILLED),
    (S.UNKNOWN, _told(S.CANCELED), S.CANCELED),
    (S.UNKNOWN, _told(S.REJECTED), S.REJECTED),
    (S.UNKNOWN, _told(S.EXPIRED), S.EXPIRED),
    *((status, _is(CANCEL), S.PENDING_CANCEL) for status in (*_WORKING, S.SUSPENDED, S.PENDING_REPLACE)),
    *((status, _is(REPLACE), S.PENDING_REPLACE) for status in (*_WORKING, S.SUSPENDED)),
    *((status, _told(S.PENDING_CANCEL), S.PENDING_CANCEL) for status in _WORKING),
    *((status, _told(S.PENDING_REPLACE), S.PENDING_REPLACE) for status in _WORKING),
    (S.OPEN, _fill(4), S.PARTIAL),
    *((status, _fill(10), S.FILLED) for status in _LIVE),
    *((status, _told(S.CANCELED), S.CANCELED) for status in _LIVE),
    *((status, _told(S.EXPIRED), S.EXPIRED) for status in _LIVE),
    *((status, _told(S.REJECTED), S.REJECTED) for status in _LIVE),
    *((status, _told(S.REPLACED), S.REPLACED) for status in _LIVE),
    *((status, _is(REPLACED), S.REPLACED) for status in _LIVE),
    *((status, _told(S.SUSPENDED), S.SUSPENDED) for status in _WORKING),
    (S.SUSPENDED, _told(S.OPEN), S.OPEN),
    (S.PENDING_CANCEL, _is(CANCEL_FAILED), S.OPEN),
    (S.PENDING_REPLACE, _is(REPLACE_FAILED), S.OPEN),
    *((status, _fill(10), S.FILLED) for status in _TERMINAL if status is not S.FILLED),
    *((status, _fill(4), S.PARTIAL) for status in (S.NOT_SENT, S.REJECTED, S.NOT_FOUND_CONFIRMED)),
]


@pytest.mark.parametrize(("was", "made", "now"), EDGES)
def test_each_edge_of_the_diagram_is_taken(was: OrderStatus, made: Made, now: OrderStatus) -> None:
    story = in_status(was)
    story.hears(made(story))
    assert story.order.status is now


@pytest.mark.parametrize(("was", "made", "now"), EDGES)
def test_each_edge_is_recorded_with_source_sequence_time_and_trace(
    was: OrderStatus, made: Made, now: OrderStatus
) -> None:
    story = in_status(was)
    before, news = story.order, made(story)
    transitions = story.hears(news).transitions
    assert (transitions[0].was, transitions[-1].now) == (was, now)
    assert [each.sequence for each in transitions] == [
        before.sequence + number for number in range(1, len(transitions) + 1)
    ]
    assert all((each.source, each.at, each.traceparent) == (news.source, story.at, "") for each in transitions)


@pytest.mark.parametrize("status", [S.SUBMITTING, S.UNKNOWN])
def test_an_order_is_accepted_before_it_is_filled(status: OrderStatus) -> None:
    story = in_status(status)
    step = story.hears(execution(10, 10))
    assert [(each.was, each.now) for each in step.transitions] == [(status, S.OPEN), (S.OPEN, S.FILLED)]


@pytest.mark.parametrize(
    ("status", "news"),
    [
        *((status, REJECTED) for status in STATUSES if status not in {S.SUBMITTING, S.UNKNOWN, S.REJECTED}),
        *((status, NOT_SENT) for status in STATUSES if status not in {S.SUBMITTING, S.NOT_SENT}),
        *((status, CANCEL) for status in (*_TERMINAL, S.SUBMITTING, S.UNKNOWN)),
        *((status, REPLACE) for status in (*_TERMINAL, S.SUBMITTING, S.UNKNOWN, S.PENDING_CANCEL, S.PENDING_REPLACE)),
        *((status, REPLACED) for status in (S.SUBMITTING, S.UNKNOWN)),
        (S.SUBMITTING, CANCEL_FAILED),
        (S.SUBMITTING, REPLACE_FAILED),
    ],
)
def test_what_cannot_be_is_an_incident_and_leaves_the_order_alone(status: OrderStatus, news: News) -> None:
    story = in_status(status)
    before = story.order
    step = story.hears(news)
    assert [each.kind for each in step.incidents] == [OrderIncidentKind.ILLEGAL_TRANSITION]
    assert (step.order, step.transitions, step.bookings) == (before, (), ())


@pytest.mark.parametrize(
    ("status", "news"),
    [
        *((status, UNKNOWN) for status in STATUSES if status is not S.SUBMITTING),
        *((status, CANCEL_FAILED) for status in STATUSES if status not in {S.SUBMITTING, S.PENDING_CANCEL}),
        *((status, REPLACE_FAILED) for status in STATUSES if status not in {S.SUBMITTING, S.PENDING_REPLACE}),
        *((status, REPLACED) for status in _TERMINAL),
        *((status, NOT_FOUND) for status in (*_TERMINAL, S.SUBMITTING)),
        (S.REJECTED, REJECTED),
        (S.NOT_SENT, NOT_SENT),
    ],
)
def test_what_was_overtaken_changes_nothing_and_nothing_is_wrong(status: OrderStatus, news: News) -> None:
    story = in_status(status)
    before = story.order
    step = story.hears(news)
    assert (step.order, step.incidents) == (before, ())


@pytest.mark.parametrize("status", [S.CANCELED, S.EXPIRED, S.REPLACED])
def test_a_part_filled_after_the_end_is_booked_as_late_and_leaves_the_end(status: OrderStatus) -> None:
    story = in_status(status)
    step = story.hears(execution(4, 4))
    assert [each.kind for each in step.incidents] == [OrderIncidentKind.LATE_FILL]
    assert [(fill.quantity, fill.late) for fill in step.fills] == [(4, True)]
    assert (story.order.status, story.order.filled) == (status, 4)


def test_a_fill_that_the_cancel_had_announced_is_not_late() -> None:
    story = in_status(S.OPEN)
    story.hears(story.told(S.CANCELED, 4))
    step = story.hears(execution(4, 4))
    assert ([fill.late for fill in step.fills], step.incidents) == ([False], ())
    assert story.order.settled


def test_fills_beat_a_cancel() -> None:
    story = in_status(S.PENDING_CANCEL)
    story.hears(execution(10, 10))
    story.hears(story.told(S.CANCELED, 10))
    assert story.order.status is S.FILLED


def test_an_overfill_is_booked_and_is_an_incident() -> None:
    story = in_status(S.FILLED)
    step = story.hears(execution(2, 12))
    assert ([each.kind for each in step.incidents], story.order.filled) == ([OrderIncidentKind.OVERFILL], 12)


def test_an_execution_that_is_told_three_times_is_booked_once() -> None:
    story = in_status(S.OPEN)
    fills = [fill for _ in range(3) for fill in story.hears(execution(4, 4, "e")).fills]
    assert (len(fills), story.order.filled) == (1, 4)


def test_an_execution_under_another_id_is_booked_once() -> None:
    story = in_status(S.OPEN)
    story.hears(execution(4, 4, "stream-id"))
    step = story.hears(execution(4, 4, "activity-id"))
    assert (step.fills, len(step.bookings), story.order.filled) == ((), 1, 4)


def test_executions_out_of_order_book_right() -> None:
    story = in_status(S.OPEN)
    story.hears(execution(3, 7, price=Decimal(103)))
    story.hears(execution(4, 4, price=Decimal(100)))
    assert (story.order.filled, story.order.ledger.value) == (7, 3 * 103 + 4 * 100)


def test_what_an_answer_counts_beyond_the_ledger_is_inferred_at_the_price_that_explains_it() -> None:
    story = in_status(S.OPEN)
    story.hears(execution(4, 4, price=Decimal(100)))
    step = story.hears(story.told(S.PARTIAL, 6, average_price=Decimal(101), asked_at=story.at))
    assert [(fill.quantity, fill.price, fill.inferred) for fill in step.fills] == [(2, 103, True)]


def test_an_execution_that_was_inferred_before_is_booked_once() -> None:
    story = in_status(S.OPEN)
    story.hears(story.told(S.FILLED, 10, asked_at=story.at))
    step = story.hears(execution(10, 10))
    assert (step.fills, story.order.status) == ((), S.FILLED)


def test_what_the_stream_counts_beyond_the_ledger_waits_for_its_executions() -> None:
    story = in_status(S.OPEN)
    step = story.hears(story.told(S.FILLED, 10))
    assert (step.fills, story.order.status, story.order.missing) == ((), S.OPEN, 10)


def test_a_count_without_a_price_is_an_incident() -> None:
    story = in_status(S.OPEN)
    step = story.hears(story.told(S.FILLED, 10, average_price=None, asked_at=story.at))
    assert [each.kind for each in step.incidents] == [OrderIncidentKind.TERMS_DIFFER]
    assert story.order.filled == 0


def test_a_word_that_is_not_known_is_an_incident_and_keeps_the_state() -> None:
    story = in_status(S.PARTIAL)
    step = story.hears(story.told(None, 4, substatus="frozen"))
    assert [(each.kind, "frozen" in each.detail) for each in step.incidents] == [
        (OrderIncidentKind.UNKNOWN_STATUS, True)
    ]
    assert story.order.status is S.PARTIAL


def test_a_word_that_is_not_known_in_answer_to_a_submit_means_that_the_venue_has_the_order() -> None:
    story = begun()
    story.hears(story.told(None, source=Source.SUBMIT, asked_at=story.at))
    assert story.order.status is S.OPEN


@pytest.mark.parametrize("status", [S.SUBMITTING, S.UNKNOWN, S.DENIED, S.NOT_SENT, S.NOT_FOUND_CONFIRMED])
def test_a_status_that_no_venue_can_tell_is_not_known(status: OrderStatus) -> None:
    story = in_status(S.OPEN)
    step = story.hears(story.told(status))
    assert ([each.kind for each in step.incidents], story.order.status) == ([OrderIncidentKind.UNKNOWN_STATUS], S.OPEN)


def test_other_terms_than_sent_are_an_incident_and_their_quantity_is_what_works() -> None:
    story = begun()
    step = story.hears(story.told(S.OPEN, quantity=Decimal(8)))
    assert [each.kind for each in step.incidents] == [OrderIncidentKind.TERMS_DIFFER]
    story.hears(execution(8, 8))
    assert story.order.status is S.FILLED


def test_another_symbol_or_side_than_sent_is_an_incident() -> None:
    story = begun()
    step = story.hears(story.told(S.OPEN, symbol="MSFT"))
    assert [each.kind for each in step.incidents] == [OrderIncidentKind.TERMS_DIFFER]


def test_a_second_order_under_our_name_is_an_incident_and_changes_nothing() -> None:
    story = in_status(S.OPEN)
    before = story.order
    step = story.hears(story.told(S.FILLED, 10, venue_order_id="v-2", asked_at=story.at))
    assert ([each.kind for each in step.incidents], story.order) == ([OrderIncidentKind.TERMS_DIFFER], before)


def test_an_older_word_than_the_last_one_is_left_aside() -> None:
    story = in_status(S.SUSPENDED)
    step = story.hears(report(S.OPEN, updated_at=story.order.told_at - timedelta(seconds=1)))  # type: ignore[operator]
    assert (story.order.status, step.incidents) == (S.SUSPENDED, ())


def test_an_end_counts_however_old_its_word_is() -> None:
    story = in_status(S.SUSPENDED)
    story.hears(report(S.CANCELED, updated_at=story.order.told_at - timedelta(seconds=1)))  # type: ignore[operator]
    assert story.order.status is S.CANCELED


def test_a_newer_stream_word_of_life_after_the_end_is_an_incident_and_nothing_more() -> None:
    story = in_status(S.CANCELED)
    step = story.hears(story.told(S.OPEN))
    assert ([each.kind for each in step.incidents], story.order.status) == (
        [OrderIncidentKind.ILLEGAL_TRANSITION],
        S.CANCELED,
    )


def test_an_answer_that_the_order_works_after_its_end_is_believed_and_an_incident() -> None:
    story = in_status(S.CANCELED)
    step = story.hears(story.told(S.OPEN, asked_at=story.at + timedelta(seconds=1)))
    assert ([each.kind for each in step.incidents], story.order.status) == (
        [OrderIncidentKind.ILLEGAL_TRANSITION],
        S.OPEN,
    )


def test_an_answer_to_a_question_that_was_asked_before_the_end_is_not_believed() -> None:
    story = in_status(S.CANCELED)
    asked_at = story.order.changed_at - timedelta(seconds=1)
    story.hears(report(S.OPEN, updated_at=story.at + timedelta(seconds=9), asked_at=asked_at))
    assert story.order.status is S.CANCELED


@pytest.mark.parametrize("status", [S.NOT_SENT, S.REJECTED, S.NOT_FOUND_CONFIRMED])
def test_an_order_that_was_thought_absent_and_is_there_works_again(status: OrderStatus) -> None:
    story = in_status(status)
    step = story.hears(story.told(S.OPEN))
    assert ([each.kind for each in step.incidents], story.order.status) == (
        [OrderIncidentKind.ILLEGAL_TRANSITION],
        S.OPEN,
    )


def test_two_ends_that_contradict_each_other_are_an_incident() -> None:
    story = in_status(S.CANCELED)
    step = story.hears(story.told(S.EXPIRED))
    assert ([each.kind for each in step.incidents], story.order.status) == (
        [OrderIncidentKind.ILLEGAL_TRANSITION],
        S.CANCELED,
    )


def test_a_pending_cancel_falls_back_to_the_state_before() -> None:
    for before in (S.OPEN, S.PARTIAL, S.SUSPENDED):
        story = in_status(before)
        story.hears(CANCEL)
        story.hears(CANCEL_FAILED)
        assert (story.order.status, story.order.reason) == (before, "too late")


def test_an_unanswered_cancel_stays_pending() -> None:
    story = in_status(S.PENDING_CANCEL)
    story.hears(CANCEL_UNANSWERED)
    assert (story.order.status, story.order.reason) == (S.PENDING_CANCEL, "no answer")


def test_a_stream_word_of_before_the_cancel_leaves_it_pending() -> None:
    story = in_status(S.PENDING_CANCEL)
    story.hears(story.told(S.OPEN))
    assert story.order.status is S.PENDING_CANCEL


def test_an_answer_that_knows_nothing_of_the_cancel_ends_its_wait_after_a_while() -> None:
    story = in_status(S.PENDING_CANCEL)
    story.hears(story.told(S.OPEN, asked_at=story.at + timedelta(seconds=4)))
    assert story.order.status is S.PENDING_CANCEL
    story.hears(story.told(S.OPEN, asked_at=story.at + timedelta(seconds=5)))
    assert story.order.status is S.OPEN


def test_a_cancel_that_the_venue_had_pending_and_no_longer_has_is_over() -> None:
    story = in_status(S.OPEN)
    story.hears(story.told(S.PENDING_CANCEL))
    story.hears(story.told(S.OPEN))
    assert story.order.status is S.OPEN


def test_a_fill_while_a_cancel_is_pending_leaves_it_pending() -> None:
    story = in_status(S.PENDING_CANCEL)
    story.hears(execution(4, 4))
    assert (story.order.status, story.order.filled) == (S.PENDING_CANCEL, 4)


def test_a_replaced_order_names_its_successor() -> None:
    assert in_status(S.REPLACED).order.replaced_by == "child"


def test_unknown_keeps_everything_open() -> None:
    assert in_status(S.UNKNOWN).order.open_quantity == 10


@pytest.mark.parametrize(
    ("waits", "confirmed"),
    [((100,), False), ((61, 4), False), ((61, 5), True), ((50, 5), False), ((50, 5, 5), True), ((1, 1, 58), True)],
)
def test_no_such_order_is_believed_when_told_twice_apart_and_late_enough(
    waits: tuple[float, ...], *, confirmed: bool
) -> None:
    story = begun()
    story.hears(UNKNOWN, after=0)
    for seconds in waits:
        story.hears(NOT_FOUND, after=seconds)
    assert (story.order.status is S.NOT_FOUND_CONFIRMED) is confirmed


def test_no_such_order_starts_anew_once_the_venue_has_told_of_it() -> None:
    story = in_status(S.OPEN)
    story.hears(NOT_FOUND, after=100)
    story.hears(story.told(S.OPEN))
    story.hears(NOT_FOUND, after=100)
    assert story.order.status is S.OPEN


def test_a_working_order_that_the_venue_no_longer_has_ends() -> None:
    story = in_status(S.PARTIAL)
    patience = Patience(answers=1, apart=timedelta(0), after=timedelta(0))
    story.hears(NotFound(source=Source.RECONCILIATION, patience=patience))
    assert (story.order.status, story.order.filled) == (S.NOT_FOUND_CONFIRMED, 4)


def test_a_bust_is_the_one_way_for_the_filled_quantity_to_fall() -> None:
    story = in_status(S.FILLED)
    bust = Busted(source=Source.OPERATOR, execution_id="first", reason="erroneous trade")  # type: ignore[arg-type]
    step = story.hears(bust)
    assert [(fill.side.value, fill.quantity, fill.price) for fill in step.fills] == [("sell", 10, 100)]
    assert (story.order.status, story.order.filled) == (S.OPEN, 0)


def test_what_was_taken_back_is_not_booked_again_and_not_taken_back_twice() -> None:
    story = in_status(S.PARTIAL)
    bust = Busted(source=Source.OPERATOR, execution_id="first", reason="erroneous trade")  # type: ignore[arg-type]
    story.hears(bust)
    assert (story.hears(bust).fills, story.hears(execution(4, 4, "first")).fills) == ((), ())


def test_taking_back_what_is_not_booked_is_an_incident() -> None:
    story = in_status(S.OPEN)
    step = story.hears(Busted(source=Source.OPERATOR, execution_id="e", reason="?"))  # type: ignore[arg-type]
    assert [each.kind for each in step.incidents] == [OrderIncidentKind.ILLEGAL_TRANSITION]


def test_the_time_that_an_order_was_unknown_is_told_when_that_ends() -> None:
    story = in_status(S.UNKNOWN)
    step = story.hears(story.told(S.OPEN), after=7)
    assert (step.transitions[0].unknown_seconds, story.order.unknown_since) == (7.0, None)


@pytest.mark.parametrize("status", STATUSES)
def test_an_order_with_other_values_is_what_replace_makes_of_it(status: OrderStatus) -> None:
    order = in_status(status).order
    changes = {"reason": "for a test", "sequence": 7, "pending": None, "quantity": Decimal(3)}
    changed = order.changed(**changes)
    assert changed == replace(order, **changes)  # type: ignore[arg-type]
    assert {each.name for each in fields(order) if getattr(order, each.name) != getattr(changed, each.name)} <= {
        *changes
    }


def test_an_order_takes_no_value_for_a_field_that_it_does_not_have() -> None:
    with pytest.raises(AttributeError):
        begun().order.changed(colour="red")
