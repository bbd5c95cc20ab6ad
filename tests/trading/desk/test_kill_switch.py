"""The kill switch: everything cancelled, everything closed, whatever else is away, and after a crash as well."""

import threading
import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from services.contracts.market import Side, Symbol
from services.contracts.orders import ClientOrderId, DenyReason, OrderStatus, OrderTicket, TradingState, VenueOrderId
from services.contracts.trading import KillSwitchDone, KillSwitchPulled, TradingStateChanged
from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.trading.brokers.port import NotSent, OutcomeUnknown, Rejected, VenuePosition
from services.trading.desk.errors import HaltUnderWayError
from services.trading.desk.parts import DeskRules
from tests.fakes.broker import FakeBroker
from tests.trading.desk.support import AAPL, ALPHA, MSFT, DeskHouse, PlainBroker


def trade(broker: FakeBroker) -> None:
    """Have market orders at a venue filled as they come, as in an open market."""
    submit = broker.submit

    def submit_and_fill(name: ClientOrderId, ticket: OrderTicket) -> object:
        outcome = submit(name, ticket)
        if ticket.limit_price is None and name in broker.orders:
            broker.fill(name, ticket.quantity, 100)
        return outcome

    broker.submit = submit_and_fill  # type: ignore[method-assign, assignment]


@pytest.fixture
def open_market(house: DeskHouse) -> DeskHouse:
    """A house with ten AAPL at alpha and two working orders, whose venues fill market orders at once."""
    house.hold(house.alpha)
    house.desk.submit(house.limit(90, leg="low"))
    house.desk.submit(house.limit(91, leg="lower", symbol=MSFT))
    for broker in house.brokers.values():
        trade(broker)
    return house


def test_a_pull_cancels_what_works_closes_what_is_held_and_halts(open_market: DeskHouse) -> None:
    report = open_market.desk.halt("operator", "a drill")

    assert (report.canceled, report.flattened, report.flat, report.left) == (2, 1, True, "")
    assert open_market.desk.state().state is TradingState.HALTED
    assert open_market.desk.unended() == ()
    assert open_market.alpha.positions[AAPL].quantity == 0
    assert [type(fact) for fact in open_market.facts.facts if "KillSwitch" in type(fact).__name__] == [
        KillSwitchPulled,
        KillSwitchDone,
    ]


def test_a_pull_without_flattening_leaves_what_is_held(open_market: DeskHouse) -> None:
    report = open_market.desk.halt("operator", "a drill", flatten=False)

    assert (report.canceled, report.flattened, report.flat) == (2, 0, True)
    assert open_market.alpha.positions[AAPL].quantity == 10


def test_nothing_passes_while_trading_is_halted(open_market: DeskHouse) -> None:
    open_market.desk.halt("operator", "a drill", flatten=False)

    opened = open_market.desk.submit(open_market.intent(leg="open"))
    closed = open_market.desk.submit(open_market.intent(leg="close", side=Side.SELL))

    reasons = [placed.denial and placed.denial.reason for placed in (opened, closed)]
    assert reasons == [DenyReason.TRADING_HALTED, DenyReason.TRADING_HALTED]


def test_a_short_position_is_bought_back(house: DeskHouse) -> None:
    house.hold(house.alpha, -7)
    trade(house.alpha)

    house.desk.halt("operator", "a drill")

    name, ticket = house.alpha.submitted[-1]
    assert (ticket.side, ticket.quantity) == (Side.BUY, 7)
    assert house.alpha.orders[name].status is OrderStatus.FILLED


def test_a_venue_that_cancels_everything_in_one_call_is_asked_for_that(database: Database) -> None:
    alpha = FakeBroker("alpha")
    house = DeskHouse(database, brokers=(alpha,)).start()
    for number in range(5):
        house.desk.submit(house.limit(90, leg=f"leg-{number}"))

    report = house.desk.halt("operator", "a drill")

    assert (report.canceled, alpha.bulk_cancels, alpha.canceled) == (5, 1, [])


def test_what_the_one_call_leaves_is_cancelled_one_by_one_and_no_closing_order_with_it(database: Database) -> None:
    alpha = FakeBroker("alpha")
    house = DeskHouse(database, brokers=(alpha,)).start()
    house.hold(alpha)
    house.desk.submit(house.limit(90))
    alpha.answer_cancels(OutcomeUnknown("504"))
    trade(alpha)

    report = house.desk.halt("operator", "a drill")

    assert (report.flat, report.canceled, report.flattened) == (True, 1, 1)
    assert len(alpha.canceled) == 1


def test_a_venue_without_such_a_call_is_asked_for_each_order(database: Database) -> None:
    alpha = PlainBroker("alpha")
    house = DeskHouse(database, brokers=(alpha,)).start()
    for number in range(5):
        house.desk.submit(house.limit(90, leg=f"leg-{number}"))

    report = house.desk.halt("operator", "a drill")

    assert (report.flat, report.canceled, len(alpha.canceled)) == (True, 5, 5)


def test_an_order_that_is_filled_before_its_cancel_is_not_counted_as_cancelled(database: Database) -> None:
    house = DeskHouse(database, brokers=(PlainBroker("alpha"),)).start()
    (order,) = house.desk.submit(house.limit(90)).orders
    real = house.alpha.cancel

    def fill_first(name: VenueOrderId) -> object:
        house.alpha.fill(order.client_order_id, 10, 90)
        return real(name)

    house.alpha.cancel = fill_first  # type: ignore[method-assign, assignment]
    trade(house.alpha)

    report = house.desk.halt("operator", "a drill")

    assert (report.canceled, report.flattened) == (0, 1)


def test_orders_that_somebody_else_placed_are_cancelled_too(house: DeskHouse) -> None:
    house.desk.submit(house.limit(90))
    (name,) = house.alpha.orders
    house.book.working.load([], [])  # our books know nothing of it

    report = house.desk.halt("operator", "a drill")

    assert report.canceled == 1
    assert house.alpha.orders[name].status is OrderStatus.CANCELED


def test_a_position_is_not_closed_while_an_order_offers_its_shares(house: DeskHouse) -> None:
    house.hold(house.alpha)
    house.desk.submit(house.limit(120, leg="target", side=Side.SELL))
    house.alpha.cancels_wait = True
    trade(house.alpha)
    sold: list[ClientOrderId] = []
    house.alpha.before_submit = lambda name, _ticket: sold.append(name)
    rounds = 0

    def wait(seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            assert not sold
            house.alpha.cancel_at_venue(next(name for name, order in house.alpha.orders.items() if order.limit_price))
        house.advance(seconds)

    house.made.kill_switch._pause = wait

    assert house.desk.halt("operator", "a drill").flat
    assert len(sold) == 1


def test_a_refused_closing_order_is_tried_again_under_another_name(open_market: DeskHouse) -> None:
    open_market.alpha.answer_submits(Rejected("40310000", "held for orders"), NotSent("no connection"))

    assert open_market.desk.halt("operator", "a drill").flat

    names = [name for name, _ in open_market.alpha.submitted[-3:]]
    assert len(set(names)) == 3


def test_a_closing_order_without_an_answer_that_arrived_is_not_doubled(open_market: DeskHouse) -> None:
    open_market.alpha.answer_submits(OutcomeUnknown("the connection was reset"), arrived=True)

    assert open_market.desk.halt("operator", "a drill").flat

    assert open_market.alpha.positions[AAPL].quantity == 0
    sells = [ticket for _, ticket in open_market.alpha.submitted if ticket.side is Side.SELL]
    assert len(sells) == 1


def test_a_closing_order_that_never_arrived_is_sent_again_under_its_name(open_market: DeskHouse) -> None:
    open_market.alpha.answer_submits(OutcomeUnknown("the connection was reset"))

    assert open_market.desk.halt("operator", "a drill").flat

    sells = [name for name, ticket in open_market.alpha.submitted if ticket.side is Side.SELL]
    assert len(sells) == 2
    assert len(set(sells)) == 1


def test_it_works_without_a_database_and_makes_up_for_it(open_market: DeskHouse) -> None:
    house, real = open_market, open_market.facts.transaction

    def away(*, durable: bool = False) -> object:
        raise DatabaseError("the disk is full")

    house.facts.transaction = away  # type: ignore[method-assign, assignment]
    report = house.desk.halt("operator", "a drill")
    assert (report.flat, report.canceled, report.flattened) == (True, 2, 1)
    assert house.alpha.positions[AAPL].quantity == 0
    house.facts.transaction = real  # type: ignore[method-assign]

    house.advance(1)
    house.settle()

    assert house.said(TradingStateChanged)[-1].now is TradingState.HALTED
    assert house.desk.state().state is TradingState.HALTED
    assert house.another().start().desk is not None


def test_it_works_without_auth(open_market: DeskHouse) -> None:
    open_market.auth.away = "auth is away"
    open_market.advance(400)

    assert open_market.desk.halt("operator", "a drill").flat


def test_a_venue_that_does_not_answer_is_told_of_and_holds_up_no_other(database: Database) -> None:
    house = DeskHouse(database, rules=DeskRules(kill_deadline=5)).start()
    house.hold(house.alpha)
    trade(house.alpha)
    house.beta.away = "no route to host"

    def wait(seconds: float) -> None:
        if threading.current_thread().name == "kill-beta":  # whose waiting moves the clock of both
            wait_for(lambda: not any(thread.name == "kill-alpha" for thread in threading.enumerate()))
        house.advance(seconds)

    house.made.kill_switch._pause = wait

    report = house.desk.halt("operator", "a drill")

    flat = {venue.venue: venue.flat for venue in report.venues}
    assert flat == {"alpha": True, "beta": False}
    assert report.left == "beta: no route to host"


def test_a_crash_in_the_middle_is_gone_on_with_and_nothing_is_doubled(open_market: DeskHouse) -> None:
    house = open_market
    house.alpha.answer_submits(OutcomeUnknown("the process died before the answer"), arrived=True)

    # As far as a process gets that ends after the first round: nothing later is done or written.
    house.made.kill_switch._deadline_seconds = 0.0
    house.made.kill_switch._keep = lambda _report: None  # type: ignore[method-assign]
    assert not house.desk.halt("operator", "a drill").flat
    house.owner.release()

    second = house.another().start()
    wait_for(lambda: second.desk.last_halt() is not None)

    report = second.desk.last_halt()
    assert report is not None
    assert report.flat
    assert second.alpha.positions[AAPL].quantity == 0
    assert len([ticket for _, ticket in second.alpha.submitted if ticket.side is Side.SELL]) == 1
    assert second.desk.state().state is TradingState.HALTED


def test_a_fault_at_one_position_leaves_no_other_open(house: DeskHouse) -> None:
    house.hold(house.alpha)
    house.hold(house.alpha, 5, leg="other", symbol=MSFT)
    trade(house.alpha)
    submit, faults = house.alpha.submit, [1, 2]

    def fail_at_aapl(name: ClientOrderId, ticket: OrderTicket) -> object:
        if ticket.symbol == AAPL and faults:
            raise ZeroDivisionError(faults.pop())
        return submit(name, ticket)

    house.alpha.submit = fail_at_aapl  # type: ignore[method-assign, assignment]

    report = house.desk.halt("operator", "a drill")

    assert (report.flat, report.flattened) == (True, 2)
    assert [position.quantity for position in house.alpha.positions.values()] == [0, 0]


def test_two_who_pull_at_once_share_one_pull(open_market: DeskHouse) -> None:
    reports = []
    pulls = [
        threading.Thread(target=lambda: reports.append(open_market.desk.halt("operator", "a drill"))) for _ in range(2)
    ]
    entered, release = threading.Event(), threading.Event()

    def hold(_name: ClientOrderId, _ticket: OrderTicket) -> None:
        entered.set()
        release.wait(10)

    open_market.alpha.before_submit = hold
    pulls[0].start()
    assert entered.wait(10)
    assert open_market.desk.state().halt_under_way
    with pytest.raises(HaltUnderWayError):
        open_market.desk.resume("operator", "too early")
    pulls[1].start()
    release.set()
    for pull in pulls:
        pull.join(10)

    assert {report.halt_id for report in reports} == {reports[0].halt_id}
    assert len(open_market.said(KillSwitchPulled)) == 1


def test_an_order_that_turns_up_after_the_halt_is_cancelled(house: DeskHouse) -> None:
    house.alpha.answer_submits(OutcomeUnknown("504"))
    (order,) = house.desk.submit(house.limit(90)).orders
    house.desk.halt("operator", "a drill")
    house.alpha.orders[order.client_order_id] = house.alpha._new_order(order.client_order_id, order.ticket)

    for _ in range(3):
        house.advance(5)
        house.settle()

    assert house.alpha.orders[order.client_order_id].status is OrderStatus.CANCELED


def test_a_resume_lets_orders_pass_again(open_market: DeskHouse) -> None:
    open_market.desk.halt("operator", "a drill")

    open_market.desk.resume("operator", "the drill is over")
    open_market.settle()

    assert open_market.desk.submit(open_market.intent(leg="again")).denial is None


def test_a_process_beside_the_one_that_trades_can_pull_and_takes_over(open_market: DeskHouse) -> None:
    second = open_market.another()
    second.renew()
    second.made.leader.tick()
    assert not second.desk.state().owner

    report = second.desk.halt("operator", "the other process hangs")

    assert report.flat
    open_market.advance(5)
    open_market.settle()
    assert not open_market.desk.state().owner


def test_positions_that_are_told_late_are_not_closed_twice(house: DeskHouse) -> None:
    house.hold(house.alpha)
    trade(house.alpha)
    real, stale = house.alpha.snapshot, 3

    def late(since: object) -> object:
        nonlocal stale
        told = real(since)  # type: ignore[arg-type]
        if stale and any(order.side is Side.SELL for order in told.orders):
            stale -= 1
            held = VenuePosition(symbol=Symbol("AAPL"), quantity=Decimal(10), average_price=Decimal(100))
            return type(told)(**{name: getattr(told, name) for name in told.__slots__} | {"positions": (held,)})
        return told

    house.alpha.snapshot = late  # type: ignore[method-assign, assignment]

    assert house.desk.halt("operator", "a drill").flat
    assert len([ticket for _, ticket in house.alpha.submitted if ticket.side is Side.SELL]) == 1
    assert house.alpha.positions[AAPL].quantity == 0


def test_the_report_is_there_after_a_restart(open_market: DeskHouse) -> None:
    report = open_market.desk.halt("operator", "a drill")
    open_market.owner.release()

    told = open_market.another().start().desk.last_halt()

    assert told is not None
    assert (told.halt_id, told.canceled, told.flattened, told.flat) == (report.halt_id, 2, 1, True)
    assert {venue.venue for venue in told.venues} == {ALPHA, "beta"}


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)
