"""What one strategy does at each bar: each signal becomes one order, or it is told why it does not."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from services.contracts.columns import Panel
from services.contracts.market import OrderClass, Side, Symbol
from services.contracts.orders import NEVER_ABOVE, DenyReason, intent_id
from services.contracts.strategies import (
    SignalDenied,
    SignalEmitted,
    SignalExpired,
    StrategyBudgetExhausted,
    StrategyPaused,
    StrategyStarted,
    StrategyState,
    StrategyStopped,
)
from services.kit.database import Database
from services.trading.brokers.port import NotSent, OutcomeUnknown, Rejected
from services.trading.engine.config import Budget
from services.trading.portfolio import store as portfolio
from services.trading.strategies.parameters import Params
from services.trading.strategies.protocol import Decisions
from services.trading.strategies.trend import SmaCross
from tests.trading.engine.support import DAY, FIRST, A, B, World, bar, trend

_FALL = [110, 108, 106, 104, 102, 100]
_RISE = [104, 108, 112]


def fallen(world: World, symbol: Symbol = A) -> World:
    """A market that has fallen: the next rise crosses the averages."""
    for day, price in enumerate(_FALL):
        world.day(bar(symbol, day, price))
    return world


def risen(world: World, symbol: Symbol = A) -> World:
    for day, price in enumerate(_RISE, start=len(_FALL)):
        world.day(bar(symbol, day, price))
    return world


def test_a_signal_becomes_one_order_under_a_name_that_follows_from_its_bar(database: Database) -> None:
    world = risen(fallen(World(database, trend())))

    crossed = FIRST + 7 * DAY
    [(name, ticket)] = world.broker.submitted
    assert name == f"{intent_id('trend', A, crossed, 'entry')}.0"
    assert (ticket.side, ticket.quantity) == (Side.BUY, Decimal(10_000) // Decimal(108))
    [emitted] = world.house.said(SignalEmitted)
    assert (emitted.bar_at, emitted.symbol, emitted.strategy) == (crossed, A, "trend")
    assert world.outcomes() == [(A, "entry", "sent")]


def test_it_holds_what_its_order_got_and_values_it_at_the_last_close(database: Database) -> None:
    world = risen(fallen(World(database, trend())))

    shares = Decimal(10_000) // Decimal(108)
    assert world.look.held == {A: shares}
    assert world.look.equity == Decimal(10_000) - shares * 112 + shares * 112
    world.day(bar(A, 9, 120))
    assert world.look.equity == Decimal(10_000) + shares * 8


def test_a_bracket_with_a_stop_alone_has_its_target_where_no_price_goes(database: Database) -> None:
    config = trend(parameters={"fast": 2, "slow": 5, "stop": 0.05})
    world = risen(fallen(World(database, config)))

    [(_, ticket)] = world.broker.submitted
    assert ticket.order_class is OrderClass.BRACKET
    assert ticket.take_profit == NEVER_ABOVE
    assert ticket.stop_loss is not None
    assert ticket.stop_loss.stop_price == Decimal("102.60")


def test_nothing_is_decided_before_there_are_bars_enough(database: Database) -> None:
    world = World(database, trend())
    states = []
    for day, price in enumerate(_FALL):
        world.day(bar(A, day, price))
        states.append(world.look.state)

    assert states == [StrategyState.WARMING_UP] * 5 + [StrategyState.RUNNING]


@pytest.mark.parametrize("late", [0, 3, 8])
def test_a_bar_that_comes_again_or_late_decides_nothing(database: Database, late: int) -> None:
    world = risen(fallen(World(database, trend())))
    before = list(world.sent)

    world.hear([bar(A, late, 500)])

    assert world.sent == before
    assert world.strategist.decided == FIRST + 8 * DAY


def test_a_signal_of_a_bar_that_ended_too_long_ago_is_not_sent(database: Database) -> None:
    world = fallen(World(database, trend(stale_after_seconds=60)))
    bars = [bar(A, day, price) for day, price in enumerate(_RISE, start=len(_FALL))]
    for each in bars:
        world.trade([each])  # the process hears of none of them before the last one has come
    world.hear(bars)

    assert world.sent == []
    assert world.outcomes() == [(A, "entry", "expired")]
    [told] = world.house.said(SignalExpired)
    assert told.age_seconds == pytest.approx(86_400, abs=5)


def test_what_closes_a_position_is_sent_however_late(database: Database) -> None:
    world = risen(fallen(World(database, trend(stale_after_seconds=60))))
    bars = [bar(A, 9, 90), bar(A, 10, 80), bar(A, 11, 70)]
    for each in bars:
        world.trade([each])
    world.hear(bars)

    assert [side for _, side, _ in world.sent] == ["buy", "sell"]


def test_a_refusal_of_the_gate_is_told_with_its_reason(database: Database) -> None:
    world = fallen(World(database, trend(capital="10000000000")))
    risen(world)

    [told] = world.house.said(SignalDenied)
    assert told.reason is DenyReason.ORDER_NOTIONAL
    assert "order_notional" in told.detail
    assert world.outcomes() == [(A, "entry", "denied")]
    assert world.look.held == {}


def test_a_rejection_of_the_venue_leaves_the_strategy_without_the_position(database: Database) -> None:
    world = fallen(World(database, trend()))
    world.broker.answer_submits(Rejected("40310000", "insufficient buying power"))
    risen(world)

    assert world.outcomes() == [(A, "entry", "sent")]
    assert world.look.held == {}
    assert world.strategist._ledger.flat


@pytest.mark.parametrize("lost", [OutcomeUnknown("the process ended"), NotSent("the network is down")])
def test_a_signal_whose_order_no_venue_has_is_sent_again_under_another_name(
    database: Database, lost: OutcomeUnknown | NotSent
) -> None:
    world = fallen(World(database, trend()))
    world.broker.answer_submits(lost)
    for day, price in [(6, 104), (7, 108)]:
        world.day(bar(A, day, price))
    for _ in range(15):
        world.wait(10)

    crossed = FIRST + 7 * DAY
    names = [name for name, _ in world.broker.submitted]
    assert names == [f"{intent_id('trend', A, crossed, leg)}.0" for leg in ("entry", "entry-2")]
    assert list(world.orders()) == names[1:]
    assert world.outcomes() == [(A, "entry", "dropped"), (A, "entry-2", "sent")]
    [emitted] = world.house.said(SignalEmitted)
    assert f"{emitted.intent_id}.0" == names[1]
    world.day(bar(A, 8, 112))
    assert world.look.held[A] > 0


def test_a_signal_whose_answer_was_lost_is_not_sent_again(database: Database) -> None:
    world = fallen(World(database, trend()))
    world.broker.answer_submits(OutcomeUnknown("the answer was lost"), arrived=True)
    for day, price in [(6, 104), (7, 108)]:
        world.day(bar(A, day, price))
    assert world.outcomes() == [(A, "entry", "planned")]
    for _ in range(15):
        world.wait(10)

    assert len(world.broker.submitted) == 1
    assert world.outcomes() == [(A, "entry", "sent")]


def test_an_order_in_question_that_a_newer_decision_overtakes_is_not_forgotten(database: Database) -> None:
    config = trend(parameters={"fast": 2, "slow": 5}, stale_after_seconds=10**6)
    world = fallen(World(database, config))
    world.broker.answer_submits(OutcomeUnknown("the answer was lost"), arrived=True)
    for day, price in [(6, 104), (7, 108), (8, 90), (9, 80)]:
        world.day(bar(A, day, price))

    assert world.outcomes()[0] == (A, "entry", "sent")
    assert [side for _, side, _ in world.sent] == ["buy", "sell"]


def test_a_signal_waits_for_a_venue_that_is_not_ready(database: Database) -> None:
    world = fallen(World(database, trend()))
    world.house.made.listeners[world.broker.name].disconnected("the cable is cut")
    for day, price in [(6, 104), (7, 108)]:
        world.day(bar(A, day, price))
    assert (world.sent, world.outcomes()) == ([], [(A, "entry", "planned")])

    world.house.made.listeners[world.broker.name].connected()
    world.house.settle()
    world.hear(())

    assert world.outcomes() == [(A, "entry", "sent")]


def test_a_signal_waits_while_nobody_knows_of_an_order_in_its_symbol(database: Database) -> None:
    world = fallen(World(database, trend()))
    world.broker.answer_submits(OutcomeUnknown("the answer was lost"))
    world.house.desk.submit(world.house.intent(leg="other", symbol=A))
    for day, price in [(6, 104), (7, 108)]:
        world.day(bar(A, day, price))
    assert world.outcomes() == [(A, "entry", "planned")]
    for _ in range(3):
        world.wait(10)
    assert world.outcomes() == [(A, "entry", "planned")]

    for _ in range(12):
        world.wait(10)  # the venue says again and again that it has no such order

    assert world.outcomes() == [(A, "entry", "sent")]


def test_a_refusal_that_does_not_pass_is_the_last_word_after_a_while(database: Database) -> None:
    world = fallen(World(database, trend()))
    world.house.prices.prices[A] = None
    world.house.made.submitter._sighting.prices._told.clear()
    for day, price in [(6, 104), (7, 108)]:
        world.trade([bar(A, day, price)])
        world.house.prices.prices[A] = None
        world.hear([bar(A, day, price)])
    assert world.outcomes() == [(A, "entry", "planned")]

    for _ in range(11):
        world.wait(30)

    assert world.outcomes() == [(A, "entry", "denied")]
    [told] = world.house.said(SignalDenied)
    assert told.reason is DenyReason.NO_REFERENCE_PRICE


def test_a_budget_refuses_what_would_be_more_and_says_so_once(database: Database) -> None:
    config = trend(A, B, share=1, budget=Budget(largest_exposure=Decimal(15_000)))
    world = World(database, config)
    for day, price in enumerate([*_FALL, *_RISE]):
        world.day(bar(A, day, price), bar(B, day, price))

    assert world.outcomes() == [(A, "entry", "sent"), (B, "entry", "denied")]
    [told] = world.house.said(StrategyBudgetExhausted)
    assert (told.budget, told.used) == (Decimal(15_000), Decimal(92 * 2 * 108))
    [denied] = world.house.said(SignalDenied)
    assert "its budget is 15,000.00 (largest_exposure)" in denied.detail


def test_a_day_has_so_many_orders_and_no_more(database: Database) -> None:
    config = trend(A, B, budget=Budget(orders_a_day=1))
    world = World(database, config)
    for day, price in enumerate([*_FALL, *_RISE]):
        world.day(bar(A, day, price), bar(B, day, price))

    [denied] = world.house.said(SignalDenied)
    assert (denied.symbol, denied.reason) == (B, DenyReason.ORDER_RATE)


def test_a_paused_strategy_sends_nothing_also_after_a_restart(database: Database) -> None:
    world = fallen(World(database, trend()))
    fact = StrategyPaused(subject="trend", actor="operator", reason="a drill")
    world.strategist.change(StrategyState.PAUSED, "by operator: a drill", fact)
    world.begin()
    risen(world)

    assert (world.sent, world.look.state, world.look.detail) == ([], StrategyState.PAUSED, "by operator: a drill")
    assert world.strategist.decided == FIRST + 8 * DAY


def test_a_strategy_that_is_begun_anew_decides_from_the_next_bar_on(database: Database) -> None:
    world = fallen(World(database, trend()))
    for day, price in [(6, 104), (7, 108)]:
        world.trade([bar(A, day, price)])
    world.begin(fresh=True)
    world.day(bar(A, 8, 112))

    assert world.sent == []
    assert [each.resumed_from for each in world.house.said(StrategyStarted)] == [None, None]


def test_a_start_says_whether_the_strategy_runs_by_another_setting_than_before(database: Database) -> None:
    world = fallen(World(database, trend()))
    world.begin()
    world.config = trend(parameters={"fast": 3, "slow": 5})
    world.begin()
    world.begin()

    started = world.house.said(StrategyStarted)
    assert [each.changed for each in started] == [False, False, True, False]
    assert started[1].settings != started[2].settings == started[3].settings


def test_a_turn_waits_until_the_old_position_is_closed(database: Database) -> None:
    config = trend(parameters={"fast": 2, "slow": 5, "side": "both"}, stale_after_seconds=200_000)
    world = risen(fallen(World(database, config)))
    for day, price in enumerate([95, 85, 75], start=9):
        world.day(bar(A, day, price))

    legs = [(leg, outcome) for _, leg, outcome in world.outcomes()]
    assert legs == [("entry", "sent"), ("close", "sent"), ("entry", "sent")]
    sides = [side for _, side, _ in world.sent]
    assert sides == ["buy", "sell", "sell"]
    world.day(bar(A, 12, 74))
    assert world.look.held[A] < 0


def test_an_exit_that_filled_first_leaves_nothing_to_close(database: Database) -> None:
    world = risen(fallen(World(database, trend())))
    hands = world.strategist._hands
    perform = hands.perform

    def late() -> bool:
        # Between the decision and its order a protective stop has sold all but two.
        world.strategist._ledger.account.shares = {A: Decimal(2)}
        return perform()

    hands.perform = late  # type: ignore[method-assign]
    world.day(bar(A, 9, 90))

    assert world.sent[1:] == [(A, "sell", Decimal(2))]


def test_a_daily_signal_is_sent_until_the_next_session_has_ended(database: Database) -> None:
    world = fallen(World(database, trend()))
    world.house.made.listeners[world.broker.name].disconnected("the cable is cut")
    for day, price in [(6, 104), (7, 108)]:
        world.day(bar(A, day, price))
    world.clock.advance(86_399)
    world.hear(())
    assert world.outcomes() == [(A, "entry", "planned")]

    world.clock.advance(1)
    world.hear(())

    assert world.outcomes() == [(A, "entry", "expired")]


class Raising(SmaCross):
    def decide(self, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:  # noqa: ARG002 -- the protocol's
        raise RuntimeError("no such thing as a trend")


class Nonsense(SmaCross):
    def decide(self, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:
        decided = super().decide(panel, params)
        return {symbol: replace(each, target=np.full(len(each), 7.0)) for symbol, each in decided.items()}


@pytest.mark.parametrize(
    ("kind", "words"),
    [(Raising(), "RuntimeError: no such thing as a trend"), (Nonsense(), "a target lies between -1 and 1, not at 7")],
)
def test_a_strategy_that_raises_is_stopped_with_its_error_told(database: Database, kind: SmaCross, words: str) -> None:
    world = World(database, trend())
    world.strategist._strategy = kind
    with pytest.raises(Exception) as raised:  # noqa: PT011 -- whatever a strategy raises
        fallen(world)
    world.strategist.fail(raised.value)

    [told] = world.house.said(StrategyStopped)
    assert words in told.detail
    assert (world.look.state, words in world.look.detail) == (StrategyState.STOPPED, True)


def test_after_a_split_it_holds_the_new_shares_and_waits_to_be_begun_anew(database: Database) -> None:
    world = risen(fallen(World(database, trend())))
    before = world.look.held[A]
    with world.house.facts.transaction() as tx:
        portfolio.split(tx.connection, (world.broker.name, A), date(2013, 1, 11), Decimal(2))
    world.day(bar(A, 9, 30))
    world.day(bar(A, 10, 20))

    assert world.look.held == {A: 2 * before}
    assert world.look.state is StrategyState.PAUSED
    [told] = world.house.said(StrategyPaused)
    assert "2 shares of AAA for one since a split: restart it" in told.reason
    assert len(world.sent) == 1
    world.begin(fresh=True)
    assert world.look.held == {A: 2 * before}


def test_a_split_from_before_its_time_is_not_its_own(database: Database) -> None:
    world = World(database, trend())
    with world.house.facts.transaction() as tx:
        portfolio.split(tx.connection, (world.broker.name, A), date(2013, 1, 1), Decimal(2))
    world.begin(fresh=True)

    assert risen(fallen(world)).look.state is StrategyState.RUNNING
