"""The book on a database: written before it is sent, booked once, stated with the change."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import Connection

from services.contracts.market import Side
from services.contracts.orders import ClientOrderId, DenyReason, ExecutionId, Fill, OrderStatus, Source, VenueOrderId
from services.contracts.trading import FillBooked, OrderDenied, OrderSubmitting
from services.kit.database import Database
from services.trading.brokers.port import Accepted, CancelTaken, Change, NotSent, OutcomeUnknown, Rejected, Update
from services.trading.orders.book import OrderBook, Wanted
from services.trading.orders.errors import OrderNotFoundError, OrderNotWorkingError, RouteNotProvenError
from services.trading.portfolio import store as portfolio
from tests.auth.support import CrashError
from tests.fakes.clock import FakeClock
from tests.trading.orders.support import AAPL, ALPHA, BETA, House, bracket, held, intent, ticket, venue_fill

S = OrderStatus


# --- submitting


def test_begin_is_durable_and_states_that_the_order_is_about_to_be_sent(house: House) -> None:
    order = house.begun()
    assert (house.facts.durable_commits, house.said()) == (1, ["OrderSubmitting"])
    assert house.now(order) == order


def test_begin_twice_is_one_order_and_says_that_it_is_not_new(house: House) -> None:
    wish = intent()
    first, new = house.book.begin(wish, ALPHA, 0)
    again, anew = house.book.begin(wish, ALPHA, 0)
    assert (new, anew, again) == (True, False, first)
    assert (house.rows("intents"), house.rows("orders"), house.rows("order_transitions")) == (1, 1, 1)


def test_begin_after_a_crash_is_still_one_order(house: House) -> None:
    wish = intent()
    first, _ = house.book.begin(wish, ALPHA, 0)
    house.crash()
    again, new = house.book.begin(wish, ALPHA, 0)
    assert (again.client_order_id, again.status, new) == (first.client_order_id, S.UNKNOWN, False)


def test_begin_when_the_commit_fails_then_nothing_is_there(house: House) -> None:
    house.facts.crash_after = 0
    with pytest.raises(CrashError):
        house.begun()
    assert (house.rows("orders"), house.book.working.orders()) == (0, ())


def test_begin_on_another_route_needs_proof_that_the_first_order_does_not_trade(house: House) -> None:
    wish = intent()
    house.book.begin(wish, ALPHA, 0)
    with pytest.raises(RouteNotProvenError, match="is submitting"):
        house.book.begin(wish, BETA, 1)


@pytest.mark.parametrize("outcome", [NotSent("no connection"), Rejected("403", "account blocked")])
def test_begin_on_another_route_follows_a_proof(house: House, outcome: NotSent | Rejected) -> None:
    wish = intent()
    first, _ = house.book.begin(wish, ALPHA, 0)
    house.book.submit_answered(first.client_order_id, outcome)
    second, new = house.book.begin(wish, BETA, 1)
    assert (new, second.venue, second.client_order_id) == (True, BETA, f"{wish.intent_id}.1")


def test_begin_on_another_route_is_refused_after_a_cancel_with_fills(house: House) -> None:
    wish = intent()
    first, _ = house.book.begin(wish, ALPHA, 0)
    house.streams(house.says(first, S.CANCELED, 4))
    with pytest.raises(RouteNotProvenError):
        house.book.begin(wish, BETA, 1)


def test_an_accepted_submit_opens_the_order(house: House) -> None:
    order = house.opened()
    assert (order.status, order.venue_order_id) == (S.OPEN, f"at-venue:{order.client_order_id}")
    assert house.said() == ["OrderSubmitting", "OrderAccepted"]


def test_a_submit_that_filled_at_once_is_booked_with_its_answer(house: House) -> None:
    order = house.begun()
    answer = Accepted(house.says(order, S.FILLED, 10, average="100.05"))
    filled = house.book.submit_answered(order.client_order_id, answer)
    assert (filled.status, filled.average_price, house.position()) == (S.FILLED, Decimal("100.05"), 10)
    assert house.said() == ["OrderSubmitting", "OrderAccepted", "OrderFilled", "FillBooked"]


@pytest.mark.parametrize(
    ("outcome", "status", "fact"),
    [
        (NotSent("refused"), S.NOT_SENT, "OrderNotSent"),
        (Rejected("40310000", "insufficient buying power"), S.REJECTED, "OrderRejected"),
        (OutcomeUnknown("read timeout"), S.UNKNOWN, "OrderUnknown"),
    ],
)
def test_other_outcomes_are_kept_with_their_reason(
    house: House, outcome: NotSent | Rejected | OutcomeUnknown, status: OrderStatus, fact: str
) -> None:
    order = house.begun()
    after = house.book.submit_answered(order.client_order_id, outcome)
    assert (after.status, outcome.reason in after.reason, house.said()[-1]) == (status, True, fact)


def test_an_answer_to_an_order_that_is_not_there_is_refused(house: House) -> None:
    with pytest.raises(OrderNotFoundError, match="no order nobody"):
        house.book.submit_answered(ClientOrderId("nobody"), NotSent("x"))


def test_an_order_that_the_stream_told_of_first_is_not_unknown_when_the_answer_is_lost(house: House) -> None:
    order = house.begun()
    house.streams(house.says(order))
    after = house.book.submit_answered(order.client_order_id, OutcomeUnknown("read timeout"))
    assert (after.status, house.incidents()) == (S.OPEN, [])


def test_a_denial_is_stated_and_listed(house: House) -> None:
    wish = intent()
    house.book.deny(wish, DenyReason.DAILY_LOSS, "1,000 dollars are lost today")
    (fact,) = house.facts.of(OrderDenied)
    (denial,) = house.book.denials(wish.intent_id)
    assert (fact.subject, denial.intent, denial.reason) == (wish.intent_id, wish, DenyReason.DAILY_LOSS)
    assert house.book.denials(intent().intent_id) == []


# --- fills


def test_a_fill_is_booked_in_ledger_and_position_and_stated_with_its_price(house: House) -> None:
    order = house.opened()
    house.clock.advance(2)
    after = house.fills(order, 4, 4, price="100.5")
    (fact,) = house.facts.of(FillBooked)
    assert isinstance(fact, FillBooked)
    assert (after.status, after.filled, house.position()) == (S.PARTIAL, 4, 4)
    assert (fact.quantity, fact.price, fact.slippage_bps, fact.source) == (4, Decimal("100.5"), 50.0, Source.STREAM)


def test_the_same_frame_three_times_is_one_fill(house: House) -> None:
    order = house.opened()
    told = house.says(order, S.PARTIAL, 4)
    fill = venue_fill(told, 4, 4)
    for _ in range(3):
        house.streams(told, fill)
    assert (house.rows("fills"), house.position(), house.incidents()) == (1, 4, [])


def test_frames_out_of_order_book_right(house: House) -> None:
    order = house.opened()
    first, second = house.says(order, S.PARTIAL, 4), house.says(order, S.FILLED, 10)
    house.streams(second, venue_fill(second, 6, 10))
    assert house.now(order).filled == 6
    house.streams(first, venue_fill(first, 4, 4))
    assert (house.now(order).status, house.position(), house.incidents()) == (S.FILLED, 10, [])


def test_a_fill_after_a_cancel_is_booked_and_an_incident(house: House) -> None:
    order = house.opened()
    house.streams(house.says(order, S.CANCELED))
    house.fills(order, 4, 4)
    assert (house.now(order).status, house.position(), house.incidents()) == (S.CANCELED, 4, ["late_fill"])


def test_replaying_everything_that_was_told_changes_nothing(house: House) -> None:
    order = house.opened()
    partial, whole = house.says(order, S.PARTIAL, 4), house.says(order, S.FILLED, 10)
    frames = [(partial, venue_fill(partial, 4, 4)), (whole, venue_fill(whole, 6, 10))]
    for told, fill in frames:
        house.streams(told, fill)
    before, facts = house.now(order), len(house.facts.facts)
    for told, fill in [*frames, *reversed(frames)]:
        house.streams(told, fill)
    assert (house.now(order), len(house.facts.facts), house.position()) == (before, facts, 10)


def test_a_bust_takes_the_shares_back(house: House) -> None:
    order = house.opened()
    house.fills(order, 4, 4, name="e-1")
    house.book.bust(order.client_order_id, ExecutionId("e-1"), "erroneous trade")
    assert (house.now(order).filled, house.position()) == (0, 0)
    assert [fact.side for fact in house.facts.of(FillBooked) if isinstance(fact, FillBooked)] == [Side.BUY, Side.SELL]


def test_a_fill_that_the_portfolio_cannot_book_is_not_in_the_ledger_either(
    database: Database, clock: FakeClock
) -> None:
    house = House(database, clock)
    order = house.opened()

    def fail(_connection: Connection, _fill: Fill) -> None:
        raise RuntimeError("the portfolio is away")

    house.book = OrderBook(house.facts, database, clock, book_fill=fail, held=held)
    house.fills(order, 4, 4)
    assert (house.now(order).filled, house.rows("fills"), house.incidents()) == (0, 0, ["unreadable_frame"])
    house.book = OrderBook(house.facts, database, clock, book_fill=portfolio.book, held=held)
    house.compares(house.says(order, S.PARTIAL, 4))
    assert (house.now(order).filled, house.position()) == (4, 4)


# --- cancels and replacements


def test_a_cancel_that_the_venue_takes_waits_for_its_word(house: House) -> None:
    order = house.opened()
    house.book.cancel_requested(order.client_order_id, "kim")
    after = house.book.cancel_answered(order.client_order_id, CancelTaken())
    assert (after.status, after.reason) == (S.PENDING_CANCEL, "kim asked to cancel")
    house.streams(house.says(order, S.CANCELED))
    assert house.now(order).status is S.CANCELED


@pytest.mark.parametrize("outcome", [Rejected("42210000", "already filled"), NotSent("no connection")])
def test_a_cancel_that_fails_leaves_the_order_as_it_was(house: House, outcome: Rejected | NotSent) -> None:
    order = house.opened()
    house.fills(order, 4, 4)
    house.book.cancel_requested(order.client_order_id, "kim")
    after = house.book.cancel_answered(order.client_order_id, outcome)
    assert (after.status, outcome.reason in after.reason) == (S.PARTIAL, True)


def test_a_cancel_without_an_answer_stays_pending(house: House) -> None:
    order = house.opened()
    house.book.cancel_requested(order.client_order_id, "kim")
    assert house.book.cancel_answered(order.client_order_id, OutcomeUnknown("timeout")).status is S.PENDING_CANCEL


@pytest.mark.parametrize("outcome", [None, OutcomeUnknown("x"), NotSent("x")])
def test_what_is_not_known_to_work_cannot_be_cancelled(house: House, outcome: OutcomeUnknown | NotSent | None) -> None:
    order = house.begun()
    if outcome is not None:
        house.book.submit_answered(order.client_order_id, outcome)
    with pytest.raises(OrderNotWorkingError, match=order.client_order_id):
        house.book.cancel_requested(order.client_order_id, "kim")


def test_a_replacement_is_a_row_of_its_own_before_anything_is_sent(house: House) -> None:
    order = house.opened()
    durable = house.facts.durable_commits
    child = house.book.replace_requested(order.client_order_id, Change(limit_price=Decimal(101)), "kim")
    assert house.facts.durable_commits == durable + 1
    assert (child.status, child.replaces, child.ticket.limit_price) == (S.SUBMITTING, order.client_order_id, 101)
    assert (child.client_order_id, house.now(order).status) == (f"{order.intent_id}.1", S.PENDING_REPLACE)


def test_a_replacement_is_for_what_is_left(house: House) -> None:
    order = house.opened()
    house.fills(order, 4, 4)
    rest = house.book.replace_requested(order.client_order_id, Change(limit_price=Decimal(101)), "kim")
    assert rest.ticket.quantity == 6


def test_a_replacements_quantity_counts_what_is_filled(house: House) -> None:
    order = house.opened()
    house.fills(order, 4, 4)
    child = house.book.replace_requested(order.client_order_id, Change(quantity=Decimal(15)), "kim")
    assert child.ticket.quantity == 11


def test_a_replacement_for_no_more_than_is_filled_is_refused(house: House) -> None:
    order = house.opened()
    house.fills(order, 4, 4)
    with pytest.raises(OrderNotWorkingError):
        house.book.replace_requested(order.client_order_id, Change(quantity=Decimal(4)), "kim")
    assert house.now(order).status is S.PARTIAL


def _replacing(house: House) -> tuple[ClientOrderId, ClientOrderId]:
    order = house.opened()
    child = house.book.replace_requested(order.client_order_id, Change(limit_price=Decimal(101)), "kim")
    return order.client_order_id, child.client_order_id


def test_a_replacement_that_is_accepted_ends_the_order_that_it_replaces(house: House) -> None:
    order, child = _replacing(house)
    after = house.book.replace_answered(child, Accepted(house.says(house.now(child))))
    assert (after.status, house.now(order).status, house.now(order).replaced_by) == (S.OPEN, S.REPLACED, child)


@pytest.mark.parametrize("outcome", [Rejected("42210000", "not open"), NotSent("no connection")])
def test_a_replacement_that_fails_leaves_the_old_order_working(house: House, outcome: Rejected | NotSent) -> None:
    order, child = _replacing(house)
    house.book.replace_answered(child, outcome)
    assert (house.now(order).status, house.now(child).status.terminal) == (S.OPEN, True)


def test_a_replacement_without_an_answer_is_unknown_and_settled_by_the_venues_word(house: House) -> None:
    order, child = _replacing(house)
    house.book.replace_answered(child, OutcomeUnknown("timeout"))
    assert (house.now(order).status, house.now(child).status) == (S.PENDING_REPLACE, S.UNKNOWN)
    house.book.found(child, house.says(house.now(child)), asked_at=house.clock.now())
    assert (house.now(order).status, house.now(child).status) == (S.REPLACED, S.OPEN)


def test_a_replacement_that_never_arrived_leaves_the_old_order_working(house: House) -> None:
    order, child = _replacing(house)
    house.book.replace_answered(child, OutcomeUnknown("timeout"))
    for _ in range(2):
        house.clock.advance(61)
        house.book.not_found(child)
    assert (house.now(order).status, house.now(child).status) == (S.OPEN, S.NOT_FOUND_CONFIRMED)


def test_a_replacement_that_the_stream_tells_of_first_settles_both(house: House) -> None:
    order, child = _replacing(house)
    first = replace(house.says(house.now(order), S.REPLACED), replaced_by=VenueOrderId(f"at-venue:{child}"))
    house.streams(first)
    house.streams(house.says(house.now(child)))
    house.book.replace_answered(child, Accepted(house.says(house.now(child))))
    assert (house.now(order).status, house.now(order).replaced_by, house.now(child).status) == (
        S.REPLACED,
        child,
        S.OPEN,
    )
    assert house.incidents() == []


def test_an_order_that_is_filled_while_it_is_being_replaced_is_filled(house: House) -> None:
    order, child = _replacing(house)
    house.fills(house.now(order), 10, 10)
    house.book.replace_answered(child, Rejected("42210000", "order is filled"))
    assert (house.now(order).status, house.now(child).status, house.incidents()) == (S.FILLED, S.REJECTED, [])


def test_an_order_and_its_replacement_are_reserved_once(house: House) -> None:
    _replacing(house)
    assert dict(house.book.working.view().reserved) == {(ALPHA, AAPL, Side.BUY): 10}


# --- what the venue makes


def test_the_legs_of_a_bracket_are_orders_of_the_same_intent(house: House) -> None:
    order = house.begun(bracket())
    entry = house.says(order)
    target = replace(
        entry,
        client_order_id=ClientOrderId("8f3c-target"),
        venue_order_id=VenueOrderId("leg-1"),
        side=Side.SELL,
        limit_price=Decimal(110),
        substatus="held",
    )
    stop = replace(
        target,
        client_order_id=None,
        venue_order_id=VenueOrderId("leg-2"),
        order_type=None,
        limit_price=None,
        stop_price=Decimal(90),
    )
    house.book.submit_answered(order.client_order_id, Accepted(replace(entry, legs=(target, stop))))
    family = house.book.of_intent(order.intent_id)
    assert [(leg.parent, leg.ticket.side, leg.substatus) for leg in family if leg.parent] == [
        (order.client_order_id, Side.SELL, "held"),
        (order.client_order_id, Side.SELL, "held"),
    ]
    assert {leg.client_order_id for leg in family} >= {"8f3c-target", "alpha:leg-2"}


def test_legs_are_reserved_as_far_as_their_entry_is_filled(house: House) -> None:
    order = house.begun(bracket())
    entry = house.says(order)
    legs = tuple(
        replace(entry, client_order_id=None, venue_order_id=VenueOrderId(name), side=Side.SELL) for name in ("t", "s")
    )
    house.book.submit_answered(order.client_order_id, Accepted(replace(entry, legs=legs)))
    assert dict(house.book.working.view().reserved) == {(ALPHA, AAPL, Side.BUY): 10}
    house.fills(order, 4, 4)
    assert dict(house.book.working.view().reserved) == {(ALPHA, AAPL, Side.BUY): 6, (ALPHA, AAPL, Side.SELL): 4}
    house.fills(order, 6, 10)
    assert dict(house.book.working.view().reserved) == {(ALPHA, AAPL, Side.SELL): 10}


def test_a_leg_that_the_stream_tells_of_before_the_answer_is_taken_in_by_its_parent(house: House) -> None:
    order = house.opened(bracket())
    leg = replace(
        house.says(order, S.FILLED, 10),
        client_order_id=ClientOrderId("8f3c"),
        venue_order_id=VenueOrderId("leg-1"),
        side=Side.SELL,
        parent=order.venue_order_id,
    )
    house.streams(leg, venue_fill(leg, 10, 10))
    assert (house.now(ClientOrderId("8f3c")).status, house.position()) == (S.FILLED, -10)


def test_an_order_that_somebody_replaced_at_the_venue_goes_on_under_its_new_name(house: House) -> None:
    order = house.opened()
    by_hand = replace(
        house.says(order),
        client_order_id=ClientOrderId("by-hand"),
        venue_order_id=VenueOrderId("v-77"),
        replaces=order.venue_order_id,
        limit_price=Decimal(99),
    )
    house.streams(by_hand)
    assert (house.now(order).status, house.now(order).replaced_by) == (S.REPLACED, "by-hand")
    assert house.now(ClientOrderId("by-hand")).intent_id == order.intent_id


def test_an_order_of_somebody_else_is_left_alone(house: House) -> None:
    order = house.begun()
    foreign = replace(
        house.says(order), client_order_id=ClientOrderId("web-1"), venue_order_id=VenueOrderId("v-9"), parent=None
    )
    house.streams(foreign)
    assert (house.rows("orders"), house.incidents()) == (1, [])


def test_an_order_under_a_name_of_ours_that_is_not_in_our_books_is_an_incident(house: House) -> None:
    order = house.begun()
    stranger = replace(
        house.says(order),
        client_order_id=ClientOrderId(f"{intent().intent_id}.0"),
        venue_order_id=VenueOrderId("v-9"),
    )
    house.streams(stranger)
    assert (house.rows("orders"), house.incidents()) == (1, ["orphan"])


def test_such_an_order_is_taken_in_where_its_intent_is_known(house: House) -> None:
    order = house.opened()
    orphan = replace(
        house.says(order, S.FILLED, 10),
        client_order_id=ClientOrderId(f"{order.intent_id}.7"),
        venue_order_id=VenueOrderId("v-9"),
    )
    house.streams(orphan, venue_fill(orphan, 10, 10))
    taken = house.now(ClientOrderId(f"{order.intent_id}.7"))
    assert (taken.status, taken.route, house.position(), house.incidents()) == (S.FILLED, 7, 10, ["orphan"])


# --- asking, crashing, reading


def test_an_unknown_order_that_the_venue_has_is_resolved(house: House) -> None:
    order = house.begun()
    house.book.submit_answered(order.client_order_id, OutcomeUnknown("504"))
    house.clock.advance(3)
    after = house.book.found(order.client_order_id, house.says(order, S.FILLED, 10), asked_at=house.clock.now())
    assert (after.status, house.position(), house.book.unknown()) == (S.FILLED, 10, [])
    assert house.said()[-3:] == ["OrderResolved", "OrderFilled", "FillBooked"]


def test_what_was_being_submitted_is_unknown_after_a_crash(house: House) -> None:
    order = house.begun()
    (unknown,) = house.crash()
    assert (unknown.client_order_id, unknown.status) == (order.client_order_id, S.UNKNOWN)
    assert house.book.history(order.client_order_id).transitions[-1].source is Source.RECOVERY
    assert house.crash() == [unknown]


def test_what_works_is_in_memory_again_after_a_crash(house: House) -> None:
    order = house.opened()
    house.fills(order, 4, 4)
    before = (house.book.working.view(), house.book.working.orders())
    house.crash()
    assert (house.book.working.view(), house.book.working.orders()) == before


def test_an_order_in_memory_is_equal_to_the_stored_one(house: House) -> None:
    order = house.opened()
    house.fills(order, 4, 4)
    house.book.cancel_requested(order.client_order_id, "kim")
    assert house.book.working.get(order.client_order_id) == house.now(order)


def test_an_incident_is_stated_once_however_often_it_is_told(house: House) -> None:
    order = house.opened()
    for _ in range(3):
        house.streams(house.says(order, None, word="frozen"))
    assert house.incidents() == ["unknown_status"]


def test_the_history_holds_everything(house: House) -> None:
    order = house.opened()
    told = house.says(order, S.FILLED, 10)
    house.streams(told, venue_fill(told, 10, 10), '{"event": "fill"}')
    house.streams(house.says(order, None, word="odd"), None, '{"event": "odd"}')
    past = house.book.history(order.client_order_id)
    assert past.intent is not None
    assert (past.intent.intent_id, past.order.status) == (order.intent_id, S.FILLED)
    assert [each.now for each in past.transitions] == [S.SUBMITTING, S.OPEN, S.FILLED]
    assert [each.fill.quantity for each in past.fills] == [10]
    assert [each.raw for each in past.frames] == ['{"event": "fill"}', '{"event": "odd"}']
    assert [each.kind.value for each in past.incidents] == ["unknown_status"]


def test_the_history_of_nothing_is_refused(house: House) -> None:
    with pytest.raises(OrderNotFoundError):
        house.book.history(ClientOrderId("nobody"))


def test_orders_are_listed_newest_first_and_page_by_page(house: House) -> None:
    made = []
    for _ in range(5):
        house.clock.advance(1)
        made.append(house.begun().client_order_id)
    first = house.book.listing(Wanted(limit=2))
    rest = house.book.listing(Wanted(before=first[-1].submitted_at))
    assert [order.client_order_id for order in [*first, *rest]] == list(reversed(made))


def test_orders_are_listed_by_what_is_asked_for(house: House) -> None:
    ended, working = house.begun(), house.opened(venue=BETA)
    house.book.submit_answered(ended.client_order_id, NotSent("x"))
    by = {
        "working": Wanted(working=True),
        "ended": Wanted(working=False),
        "status": Wanted(status=S.NOT_SENT),
        "venue": Wanted(venue=BETA),
        "strategy": Wanted(strategy="other"),
        "symbol": Wanted(symbol=AAPL),
    }
    found = {name: {order.client_order_id for order in house.book.listing(wanted)} for name, wanted in by.items()}
    assert found == {
        "working": {working.client_order_id},
        "ended": {ended.client_order_id},
        "status": {ended.client_order_id},
        "venue": {working.client_order_id},
        "strategy": set(),
        "symbol": {ended.client_order_id, working.client_order_id},
    }


def test_submitting_is_stated_with_the_terms(house: House) -> None:
    house.begun(ticket("0.3"))
    (fact,) = house.facts.of(OrderSubmitting)
    assert isinstance(fact, OrderSubmitting)
    assert (fact.quantity, fact.was, fact.sequence) == (Decimal("0.3"), None, 1)


def test_an_update_of_an_order_at_another_venue_of_ours_is_not_mixed_up(house: House) -> None:
    order = house.opened(venue=BETA)
    house.book.update(ALPHA, Update(order=house.says(order, S.FILLED, 10), fill=None), "{}")
    assert (house.now(order).status, house.incidents()) == (S.OPEN, ["orphan"])


def test_news_for_an_order_that_another_commit_has_changed_since_is_worked_into_it_as_it_is_now(house: House) -> None:
    order = house.opened()
    elsewhere = house.another_book()
    elsewhere.recover()
    told = house.says(order, OrderStatus.PARTIAL, 4)
    elsewhere.update(ALPHA, Update(order=told, fill=venue_fill(told, 4, 4)), "first")
    assert house.book.working.get(order.client_order_id) == order  # it has not heard of that
    after = house.fills(order, 6, 10)
    assert (after.filled, after.status, house.position()) == (Decimal(10), OrderStatus.FILLED, Decimal(10))
