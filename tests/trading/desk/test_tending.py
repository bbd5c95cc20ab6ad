"""What is done about a venue again and again: comparing, asking, noticing."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from services.contracts.orders import OrderStatus, TradingState, client_order_id
from services.contracts.trading import ReadinessChanged, Reconciled, ReconciliationFailed
from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.trading.brokers.port import Accepted, OutcomeUnknown, Rejected, Snapshot, VenuePosition
from services.trading.risk.sight import Market
from tests.fakes.broker import FakeBroker
from tests.trading.desk.support import AAPL, ALPHA, WIDE, DeskHouse


def reasons(house: DeskHouse) -> tuple[str, ...]:
    return house.desk.state().venues[0].reasons


def at_intervals(house: DeskHouse, rounds: int, seconds: float = 31.0) -> None:
    for _ in range(rounds):
        for _ in range(4):
            house.advance(seconds / 4)
            house.made.leader.tick()
        house.settle()


def test_a_venue_is_ready_once_everything_is_in_order(house: DeskHouse) -> None:
    assert reasons(house) == ()
    assert [fact.ready for fact in house.said(ReadinessChanged) if fact.subject == ALPHA][-1]


def test_no_venue_is_ready_before_it_was_compared_with(database: Database) -> None:
    broker = FakeBroker("alpha")
    broker.away = "no route to host"
    house = DeskHouse(database, brokers=(broker,)).start()

    assert any("not reconciled since the start: no route to host" in reason for reason in reasons(house))
    assert house.said(ReconciliationFailed)
    broker.away = ""
    house.advance(1)
    house.settle()

    assert reasons(house) == ()


def test_no_venue_is_called_before_there_is_a_session(database: Database) -> None:
    house = DeskHouse(database)
    house.auth.away = "auth is away"
    house.start()
    assert house.alpha.snapshots_since == []
    house.auth.away = ""

    house.renew()
    house.settle()

    assert reasons(house) == ()


def test_a_new_session_leads_out_of_a_circuit_that_the_old_one_shut(house: DeskHouse) -> None:
    house.alpha.answer_submits(Rejected("http-401", "key revoked", unauthorised=True))
    house.desk.submit(house.intent())
    assert any("not used at present: key revoked" in reason for reason in reasons(house))

    house.renew()
    house.settle()

    assert reasons(house) == ()


def test_a_venue_is_compared_with_every_half_minute(house: DeskHouse) -> None:
    before = len(house.said(Reconciled))

    at_intervals(house, 3)

    assert [fact.trigger for fact in house.said(Reconciled)[before:]].count("interval") == 6


def test_a_venue_that_was_not_compared_with_lately_is_not_ready(house: DeskHouse) -> None:
    house.alpha.away = "no route to host"

    at_intervals(house, 2)

    assert any(reason.startswith("last reconciled 62 s ago: no route to host") for reason in reasons(house))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("stream", "the stream is down: reset"),
        ("skew", "its clock and ours are 2.5 s apart"),
        ("calendar", "it says that its market is open, the calendar says otherwise"),
        ("blocked", "the venue has blocked the account"),
        ("lease", "not authenticated: the session's lease has run out."),
        ("halted", "trading is halted by operator: a drill"),
        ("owner", "another process trades on this database"),
    ],
)
def test_each_thing_that_is_wrong_is_said_in_words(house: DeskHouse, wrong: str, words: str) -> None:
    match wrong:
        case "stream":
            house.made.listeners[ALPHA].disconnected("reset")
        case "skew":
            house.alpha.skew_seconds = 2.5
        case "calendar":
            house.market.state = Market.CLOSED
        case "blocked":
            house.alpha.account = replace(house.alpha.account, blocked=True)
        case "lease":
            at_intervals(house, 10)
        case "halted":
            house.desk.halt("operator", "a drill")
        case _:
            house.advance(15)
            house.another().made.leader.tick()
            house.made.leader.tick()
    if wrong != "owner":
        at_intervals(house, 1)

    assert any(words in reason for reason in reasons(house))


def test_a_clock_close_to_the_opening_does_not_disagree(house: DeskHouse) -> None:
    opening = house.clock.now()
    house.market.market = lambda at: Market.OPEN if at >= opening else Market.CLOSED  # type: ignore[method-assign]
    house.alpha.clock = replace(house.alpha.clock, is_open=False)
    house.desk.reconcile(ALPHA)

    assert reasons(house) == ()


def test_an_unknown_order_is_asked_for_until_it_is_found(house: DeskHouse) -> None:
    house.alpha.mute = True
    house.alpha.answer_submits(OutcomeUnknown("504"), arrived=True)
    (order,) = house.desk.submit(house.limit(90)).orders
    house.alpha.away = "no route to host"
    for _ in range(5):
        house.advance(1)
        house.settle()
    assert house.book.get(order.client_order_id).status is OrderStatus.UNKNOWN
    house.alpha.away = ""

    for _ in range(10):
        house.advance(2)
        house.settle()

    assert house.book.get(order.client_order_id).status is OrderStatus.OPEN


def test_an_order_that_never_arrived_is_given_up_after_a_minute_and_not_before(house: DeskHouse) -> None:
    house.alpha.answer_submits(OutcomeUnknown("504"))
    (order,) = house.desk.submit(house.limit(90)).orders
    for _ in range(28):
        house.advance(2)
        house.settle()
    assert house.book.get(order.client_order_id).status is OrderStatus.UNKNOWN

    for _ in range(10):
        house.advance(2)
        house.settle()

    assert house.book.get(order.client_order_id).status is OrderStatus.NOT_FOUND_CONFIRMED
    assert len(house.alpha.submitted) == 1
    assert len(house.alpha.asked) < 15


def test_an_order_that_was_being_sent_when_the_process_ended_is_adopted(house: DeskHouse) -> None:
    (order,) = house.desk.submit(house.limit(90)).orders
    crashed = house.another()
    crashed.owner.claim(force=True)
    begun, _ = crashed.book.begin(crashed.limit(91, leg="crash"), ALPHA, 0)
    crashed.alpha.submit(begun.client_order_id, begun.ticket)
    crashed.owner.release()

    third = house.another().start()
    for _ in range(3):
        third.advance(2)
        third.settle()

    assert third.book.get(begun.client_order_id).status is OrderStatus.OPEN
    assert {each.client_order_id for each in third.desk.unended()} == {order.client_order_id, begun.client_order_id}


def test_a_mute_stream_is_built_up_anew(house: DeskHouse) -> None:
    (order,) = house.desk.submit(house.limit(90)).orders
    house.alpha.mute = True
    house.advance(5)
    house.alpha.fill(order.client_order_id, 10, 90)

    at_intervals(house, 1)

    assert len(house.alpha.restarts) == 1
    assert house.book.get(order.client_order_id).status is OrderStatus.FILLED


def test_a_quiet_stream_that_missed_nothing_is_left_alone(house: DeskHouse) -> None:
    at_intervals(house, 5)

    assert house.alpha.restarts == []


def test_what_a_lost_stream_missed_is_made_good_when_it_is_back(house: DeskHouse) -> None:
    (order,) = house.desk.submit(house.limit(90)).orders
    house.alpha.mute = True
    house.alpha.fill(order.client_order_id, 10, 90)
    house.alpha.mute = False

    house.alpha.break_stream()
    house.settle()

    assert house.book.get(order.client_order_id).status is OrderStatus.FILLED
    assert house.said(Reconciled)[-1].trigger == "reconnect"


def test_shares_from_before_our_time_are_taken_over_at_the_first_comparison(database: Database) -> None:
    broker = FakeBroker("alpha")
    broker.positions[AAPL] = VenuePosition(symbol=AAPL, quantity=Decimal(7), average_price=Decimal(80))

    house = DeskHouse(database, brokers=(broker,)).start()

    assert [(each.position.symbol, each.position.quantity) for each in house.desk.positions()] == [(AAPL, 7)]
    assert house.desk.state().state is TradingState.ACTIVE


def test_a_position_that_stays_unexplained_reduces_trading_until_a_person_has_looked(house: DeskHouse) -> None:
    house.alpha.positions[AAPL] = VenuePosition(symbol=AAPL, quantity=Decimal(7), average_price=Decimal(80))
    at_intervals(house, 5)
    state = house.desk.state()
    assert state.state is TradingState.REDUCING
    assert "the position in AAPL at alpha" in state.reason

    house.desk.resume("operator", "they are mine")
    at_intervals(house, 5)

    assert house.desk.state().state is TradingState.ACTIVE
    assert [each.position.quantity for each in house.desk.positions()] == [7]


def test_a_venue_that_cannot_be_compared_with_for_long_reduces_trading(house: DeskHouse) -> None:
    house.alpha.away = "no route to host"

    at_intervals(house, 22)

    assert house.desk.state().state is TradingState.REDUCING
    assert "alpha could not be compared with for 10 minutes" in house.desk.state().reason


def test_the_days_loss_reduces_trading(database: Database) -> None:
    house = DeskHouse(database, limits=WIDE.model_copy(update={"daily_loss": Decimal(500)})).start()
    house.hold(house.alpha, 100)
    house.prices.prices[AAPL] = Decimal(94)

    house.settle()

    assert house.desk.day_result() == -600
    assert house.desk.state().state is TradingState.REDUCING


def test_a_news_that_cannot_be_worked_in_is_made_good_by_a_comparison(house: DeskHouse) -> None:
    (order,) = house.desk.submit(house.limit(90)).orders
    before = len(house.said(Reconciled))

    def away(*_arguments: object) -> None:
        raise DatabaseError("locked")

    update, house.book.update = house.book.update, away  # type: ignore[method-assign, assignment]
    house.alpha.fill(order.client_order_id, 10, 90)
    house.book.update = update  # type: ignore[method-assign]
    house.settle()

    assert len(house.said(Reconciled)) == before + 1
    assert house.book.get(order.client_order_id).status is OrderStatus.FILLED


def test_a_second_process_takes_over_when_the_first_one_is_gone(house: DeskHouse) -> None:
    house.desk.submit(house.limit(90))
    second = house.another()
    second.renew()
    second.made.leader.tick()
    assert not second.desk.state().owner

    second.advance(15)
    second.start()

    assert second.desk.state().owner
    assert len(second.desk.unended()) == 1
    assert second.desk.submit(second.intent(leg="next")).denial is None


def test_an_order_that_the_venue_takes_while_it_is_being_compared_with_is_no_difference(house: DeskHouse) -> None:
    real = house.alpha.snapshot

    def look(since: datetime) -> Snapshot:
        told = real(since)
        house.advance(0.01)
        (order,) = house.desk.unended()
        house.book.submit_answered(order.client_order_id, Accepted(house.alpha._new_order(name, order.ticket)))
        return told

    intent = house.limit(90)
    house.book.begin(intent, ALPHA, 0)
    name = client_order_id(intent.intent_id, 0)
    house.alpha.snapshot = look  # type: ignore[method-assign]

    assert house.desk.reconcile(ALPHA).differences == 0
