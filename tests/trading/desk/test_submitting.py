"""The order path: each wish once, at a second venue only on proof, never past the gate."""

import threading
from decimal import Decimal

import pytest

from services.contracts.market import Side
from services.contracts.orders import DenyReason, OrderStatus
from services.contracts.trading import FailedOver, OrderDenied, OrderSubmitting
from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.trading.brokers.port import NotSent, OutcomeUnknown, Rejected
from services.trading.desk.errors import NotOwnerError
from tests.auth.support import CrashError
from tests.trading.desk.support import BETA, MSFT, WIDE, DeskHouse, failing_once


def test_a_wish_becomes_one_order_at_one_venue(house: DeskHouse) -> None:
    placed = house.desk.submit(house.intent())

    assert placed.denial is None
    assert [order.status for order in placed.orders] == [OrderStatus.OPEN]
    assert len(house.alpha.submitted) + len(house.beta.submitted) == 1


def test_a_wish_that_was_told_before_gets_the_answer_that_there_is(house: DeskHouse) -> None:
    intent = house.intent()
    first = house.desk.submit(intent)

    again = house.desk.submit(intent)

    assert again.known
    assert [order.client_order_id for order in again.orders] == [order.client_order_id for order in first.orders]
    assert len(house.alpha.submitted) == 1


def test_many_callers_with_one_wish_send_one_order(house: DeskHouse) -> None:
    intent = house.intent()
    gate = threading.Barrier(8)

    def submit() -> None:
        gate.wait()
        house.desk.submit(intent)

    callers = [threading.Thread(target=submit) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert len(house.alpha.submitted) == 1


def test_the_wish_is_written_down_before_the_venue_hears_of_it(house: DeskHouse) -> None:
    seen: list[OrderStatus] = []
    house.alpha.before_submit = lambda name, _ticket: seen.append(house.book.get(name).status)

    house.desk.submit(house.intent())

    assert seen == [OrderStatus.SUBMITTING]
    assert house.said(OrderSubmitting)


def test_nothing_is_sent_when_the_wish_cannot_be_written_down(house: DeskHouse) -> None:
    house.facts.crash_after = house.facts.commits

    with pytest.raises(CrashError):
        house.desk.submit(house.intent())

    assert not house.alpha.submitted


def test_a_venue_that_was_not_reached_hands_the_wish_on(house: DeskHouse) -> None:
    house.alpha.answer_submits(NotSent("no connection"))

    placed = house.desk.submit(house.intent())

    assert [(order.venue, order.status) for order in placed.orders] == [
        ("alpha", OrderStatus.NOT_SENT),
        ("beta", OrderStatus.OPEN),
    ]
    assert len(house.said(FailedOver)) == 1


def test_a_rejection_that_lies_with_the_venue_hands_the_wish_on(house: DeskHouse) -> None:
    house.alpha.answer_submits(Rejected("http-503", "maintenance", venue_side=True))

    placed = house.desk.submit(house.intent())

    assert [order.venue for order in placed.orders] == ["alpha", "beta"]


def test_a_rejection_of_the_order_itself_ends_it(house: DeskHouse) -> None:
    house.alpha.answer_submits(Rejected("40310000", "wash trade"))

    placed = house.desk.submit(house.intent())

    assert [order.status for order in placed.orders] == [OrderStatus.REJECTED]
    assert not house.beta.submitted


def test_an_outcome_that_nobody_knows_goes_to_no_other_venue(house: DeskHouse) -> None:
    house.alpha.answer_submits(OutcomeUnknown("the connection was reset"), arrived=True)

    placed = house.desk.submit(house.intent())

    assert [order.status for order in placed.orders] == [OrderStatus.UNKNOWN]
    assert not house.beta.submitted


def test_an_unknown_order_keeps_new_exposure_in_its_symbol_away_from_every_venue(house: DeskHouse) -> None:
    house.alpha.answer_submits(OutcomeUnknown("the connection was reset"))
    house.desk.submit(house.intent())

    placed = house.desk.submit(house.intent(leg="second"))

    assert placed.denial is not None
    assert placed.denial.reason is DenyReason.UNKNOWN_IN_SYMBOL


def test_an_adapter_that_fails_leaves_an_unknown_order(house: DeskHouse) -> None:
    def fail(_name: object, _ticket: object) -> None:
        raise ZeroDivisionError

    house.alpha.before_submit = fail

    placed = house.desk.submit(house.intent())

    assert [order.status for order in placed.orders] == [OrderStatus.UNKNOWN]


def test_an_exit_goes_to_the_venue_that_holds_the_shares_and_to_no_other(house: DeskHouse) -> None:
    house.hold(house.beta)
    house.beta.answer_submits(NotSent("no connection"))
    before = len(house.alpha.submitted)

    placed = house.desk.submit(house.intent(leg="exit", side=Side.SELL))

    assert [(order.venue, order.status) for order in placed.orders] == [("beta", OrderStatus.NOT_SENT)]
    assert len(house.alpha.submitted) == before


def test_an_exit_passes_without_verdict_and_readiness(house: DeskHouse) -> None:
    house.hold(house.alpha)
    house.auth.failing = ("telemetry_flowing",)
    house.renew()
    house.made.listeners[house.alpha.name].disconnected("reset")

    placed = house.desk.submit(house.intent(leg="exit", side=Side.SELL))

    assert placed.denial is None
    assert placed.orders[0].venue == "alpha"


def test_new_exposure_needs_a_verdict(house: DeskHouse) -> None:
    house.auth.failing = ("telemetry_flowing",)
    house.renew()

    placed = house.desk.submit(house.intent())

    assert placed.denial is not None
    assert placed.denial.reason is DenyReason.VERDICT_MISSING
    assert "telemetry_flowing" in placed.denial.detail
    assert len(house.said(OrderDenied)) == 1


def test_new_exposure_is_denied_while_no_venue_is_ready(database: Database) -> None:
    house = DeskHouse(database)
    house.renew()
    house.made.leader.tick()

    placed = house.desk.submit(house.intent())

    assert placed.denial is not None
    assert placed.denial.reason is DenyReason.NO_VENUE
    assert "not reconciled since the start" in placed.denial.detail


def test_orders_at_work_count_against_the_limits(database: Database) -> None:
    limits = WIDE.model_copy(update={"symbol_notional": Decimal(1_500)})
    house = DeskHouse(database, limits=limits).start()
    house.desk.submit(house.limit(99))

    placed = house.desk.submit(house.limit(99, leg="second"))

    assert placed.denial is not None
    assert placed.denial.reason is DenyReason.SYMBOL_NOTIONAL


def test_concurrent_wishes_never_pass_a_limit_together(database: Database) -> None:
    limits = WIDE.model_copy(update={"symbol_notional": Decimal(3_500)})
    house = DeskHouse(database, limits=limits).start()
    intents = [house.limit(99, leg=f"leg-{number}") for number in range(8)]
    callers = [threading.Thread(target=house.desk.submit, args=(intent,)) for intent in intents]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert len(house.alpha.submitted) + len(house.beta.submitted) == 3


def test_a_venue_that_fails_again_and_again_is_used_no_more(house: DeskHouse) -> None:
    for number in range(house.rules.circuit.failures_in_row):
        house.alpha.answer_submits(NotSent("no connection"))
        house.desk.submit(house.intent(leg=f"leg-{number}", symbol="MSFT"))
    tried = len(house.alpha.submitted)

    placed = house.desk.submit(house.intent(leg="next"))

    assert [order.venue for order in placed.orders] == ["beta"]
    assert len(house.alpha.submitted) == tried


def test_a_halt_between_intent_and_call_sends_nothing(house: DeskHouse) -> None:
    begin = house.book.begin

    def begin_then_halt(*arguments: object, **how: bool) -> object:
        begun = begin(*arguments, **how)  # type: ignore[arg-type]
        house.desk.halt("operator", "a drill", flatten=False)
        return begun

    house.book.begin = begin_then_halt  # type: ignore[method-assign]

    placed = house.desk.submit(house.intent())

    assert [order.status for order in placed.orders] == [OrderStatus.NOT_SENT]
    assert not house.alpha.submitted
    assert not house.beta.submitted


def test_an_answer_that_cannot_be_written_is_written_later(house: DeskHouse) -> None:
    house.book.submit_answered = failing_once(house.book.submit_answered)  # type: ignore[method-assign]

    placed = house.desk.submit(house.intent())
    assert [order.status for order in placed.orders] == [OrderStatus.SUBMITTING]
    house.settle()

    assert house.book.get(placed.orders[0].client_order_id).status is OrderStatus.OPEN


def test_a_process_that_does_not_trade_sends_nothing(house: DeskHouse) -> None:
    second = house.another()
    second.renew()
    second.made.leader.tick()

    with pytest.raises(NotOwnerError):
        second.desk.submit(second.intent())


def test_a_process_whose_lease_ran_out_sends_nothing(house: DeskHouse) -> None:
    house.advance(15)

    placed = house.desk.submit(house.intent())

    assert placed.orders == () or placed.orders[0].status is OrderStatus.NOT_SENT
    assert not house.alpha.submitted


def test_the_wish_is_on_the_disk_before_the_venue_hears_of_it(house: DeskHouse) -> None:
    seen: list[int] = []
    before = house.facts.syncs
    house.alpha.before_submit = lambda *_: seen.append(house.facts.syncs - before)

    house.desk.submit(house.intent())

    assert seen == [1]


def test_a_wish_that_the_disk_does_not_take_is_not_sent_and_reserves_nothing(house: DeskHouse) -> None:
    def fail() -> None:
        raise DatabaseError("the disk failed")

    house.facts.sync = fail  # type: ignore[method-assign]
    intent = house.intent()

    with pytest.raises(DatabaseError):
        house.desk.submit(intent)

    assert [order.status for order in house.book.of_intent(intent.intent_id)] == [OrderStatus.NOT_SENT]
    assert (house.alpha.submitted, house.beta.submitted, house.desk.unended()) == ([], [], ())


def test_callers_wait_for_the_disk_together_and_never_pass_a_limit_together(database: Database) -> None:
    most, callers = 3, 8
    house = DeskHouse(database, limits=WIDE.model_copy(update={"open_orders": most})).start()
    sync, together = house.facts.sync, threading.Barrier(most)

    def sync_together() -> None:
        together.wait(timeout=10)  # as many as the limit lets pass are here at once: none holds the lock
        sync()

    house.facts.sync = sync_together  # type: ignore[method-assign]
    denials: list[DenyReason | None] = []

    def submit(number: int) -> None:
        placed = house.desk.submit(house.intent(leg=f"leg-{number}"))
        denials.append(placed.denial.reason if placed.denial else None)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, denials)) == sorted(["None"] * most + [str(DenyReason.OPEN_ORDERS)] * (callers - most))
    assert len(house.alpha.submitted) + len(house.beta.submitted) == most


def test_a_wish_that_is_bound_to_a_venue_goes_there_alone(database: Database) -> None:
    house = DeskHouse(database).start()
    house.hold(house.alpha, 10)
    bound = house.intent(leg="bound", side=Side.SELL, quantity=Decimal(4)).model_copy(update={"venue": BETA})

    placed = house.desk.submit(bound)

    assert [order.venue for order in placed.orders] == [BETA], placed.denial


def test_a_wish_that_is_bound_to_a_venue_that_is_away_goes_nowhere(database: Database) -> None:
    house = DeskHouse(database).start()
    house.made.listeners[BETA].disconnected("the cable is cut")

    placed = house.desk.submit(house.intent(leg="bound").model_copy(update={"venue": BETA}))

    assert placed.denial is not None
    assert placed.denial.reason in {DenyReason.NO_VENUE, DenyReason.NOT_READY}
    assert house.alpha.submitted == []


def test_after_a_start_an_order_that_works_in_another_symbol_is_counted_by_its_price(database: Database) -> None:
    first = DeskHouse(database).start()
    assert first.desk.submit(first.limit(99, symbol=MSFT)).denial is None
    first.owner.release()
    second = first.another().start()

    assert second.desk.submit(second.intent(leg="next")).denial is None
