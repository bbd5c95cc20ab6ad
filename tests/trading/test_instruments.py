"""The table of trading's facts."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.contracts import strategies, trading
from services.contracts.events import Event
from services.contracts.market import OrderType, Side, Symbol
from services.contracts.orders import DenyReason, IntentId, OrderStatus, Source, TradingState, VenueName
from services.contracts.strategies import StopCause, StrategyState, StudyVerdict
from services.contracts.trading import (
    CircuitState,
    Drift,
    FailoverCause,
    FillBooked,
    KillSwitchDone,
    OrderIncidentKind,
)
from services.kit.instruments import Instruments, Statement
from services.trading.instruments import TABLE
from services.trading.meter import declare_venues
from services.trading.strategy_gauges import declare_strategies, declare_tuned
from telemetry import catalogue
from telemetry.catalogue import METRIC_UNDECLARED, Metric, emitted_by
from telemetry.emit.clock import SystemClock
from telemetry.emit.metrics import Metrics

_VENUES = (VenueName("alpha"), VenueName("beta"))
_ORDER: dict[str, Any] = {
    "subject": "sl-1.0",
    "venue": "alpha",
    "strategy": "trend",
    "symbol": Symbol("AAPL"),
    "side": Side.BUY,
}
_OF_VENUE: dict[str, Any] = {"subject": "alpha"}
_OF_TRADING: dict[str, Any] = {"subject": "trading"}
_OF_STRATEGY: dict[str, Any] = {"subject": "trend"}
_OF_SYMBOL: dict[str, Any] = {"subject": "AAPL"}
_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_SIGNAL: dict[str, Any] = {
    "subject": "sl-1",
    "strategy": "trend",
    "symbol": Symbol("AAPL"),
    "side": Side.BUY,
    "quantity": Decimal(10),
    "intent_id": IntentId("sl-1"),
    "bar_at": _NOON,
}
_GAP: dict[str, Any] = {**_OF_SYMBOL, "start": _NOON, "end": datetime(2026, 3, 2, 12, 7, tzinfo=UTC), "bars": 7}


def _transition(was: OrderStatus | None, now: OrderStatus, source: Source = Source.SUBMIT) -> dict[str, Any]:
    return {**_ORDER, "intent_id": IntentId("sl-1"), "sequence": 1, "was": was, "now": now, "source": source}


_FILL = FillBooked(
    **_ORDER,
    execution_id="e1",
    quantity=Decimal(4),
    price=Decimal("10.50"),
    source=Source.STREAM,
    inferred=False,
    late=False,
    delay_seconds=0.25,
    slippage_bps=-3.5,
)
_KILLED = KillSwitchDone(
    **_OF_TRADING, canceled=50, flattened=20, duration_seconds=1.5, flat=False, left="beta: does not answer"
)
_SAID: dict[Event, str] = {
    trading.OrderDenied(
        subject="sl-1",
        strategy="trend",
        symbol=Symbol("AAPL"),
        side=Side.BUY,
        quantity=Decimal(10),
        reason=DenyReason.PRICE_COLLAR,
        detail="12 is 9 % above 11",
    ): "buy 10 AAPL for trend was denied, price_collar: 12 is 9 % above 11",
    trading.OrderSubmitting(
        **_transition(None, OrderStatus.SUBMITTING), order_type=OrderType.MARKET, quantity=Decimal(10)
    ): "sl-1.0 goes to alpha: buy 10 AAPL market for trend",
    trading.OrderNotSent(
        **_transition(OrderStatus.SUBMITTING, OrderStatus.NOT_SENT), reason="connection refused"
    ): "sl-1.0 never left for alpha: connection refused",
    trading.OrderAccepted(
        **_transition(OrderStatus.SUBMITTING, OrderStatus.OPEN), venue_order_id="v-1"
    ): "alpha has sl-1.0 as v-1",
    trading.OrderRejected(
        **_transition(OrderStatus.SUBMITTING, OrderStatus.REJECTED), reason="insufficient buying power"
    ): "alpha rejected sl-1.0: insufficient buying power",
    trading.OrderUnknown(
        **_transition(OrderStatus.SUBMITTING, OrderStatus.UNKNOWN), reason="no answer within 5 s"
    ): "nobody knows whether sl-1.0 is at alpha: no answer within 5 s",
    trading.OrderResolved(
        **_transition(OrderStatus.UNKNOWN, OrderStatus.OPEN, Source.RECONCILIATION), unknown_seconds=12.5
    ): "sl-1.0 was unknown for 12.5 s and is open, as reconciliation told",
    trading.OrderChanged(
        **_transition(OrderStatus.OPEN, OrderStatus.PENDING_CANCEL, Source.OPERATOR)
    ): "sl-1.0 was open and is pending_cancel at alpha, as operator told",
    trading.OrderFilled(
        **_transition(OrderStatus.OPEN, OrderStatus.FILLED, Source.STREAM),
        quantity=Decimal(10),
        average_price=Decimal("10.50"),
    ): "sl-1.0 is filled: buy 10 AAPL at 10.50 on alpha",
    trading.OrderEnded(
        **_transition(OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED, Source.STREAM), filled=Decimal(4)
    ): "sl-1.0 ended canceled at alpha with 4 AAPL filled",
    _FILL: "buy 4 AAPL at 10.50 on alpha for sl-1.0",
    trading.OrderIncident(
        subject="sl-1.0", venue=VenueName("alpha"), kind=OrderIncidentKind.OVERFILL, detail="11 of 10 are filled"
    ): "overfill of sl-1.0 at alpha: 11 of 10 are filled",
    trading.FailedOver(
        subject="sl-1",
        from_venue=VenueName("alpha"),
        to_venue=VenueName("beta"),
        cause=FailoverCause.NOT_SENT,
        symbol=Symbol("AAPL"),
        quantity=Decimal(6),
    ): "6 AAPL of sl-1 went on from alpha to beta: not_sent",
    trading.Reconciled(
        **_OF_VENUE, trigger="interval", orders=12, differences=0, duration_seconds=0.125
    ): "12 orders were compared with alpha in 0.125 s, 0 differed",
    trading.ReconciliationFailed(
        **_OF_VENUE, trigger="start", reason="connection refused"
    ): "alpha could not be compared with (start): connection refused",
    trading.DriftFound(
        **_OF_VENUE, kind=Drift.POSITION, symbol=Symbol("AAPL"), detail="ours 4, theirs 6"
    ): "alpha and we differ in AAPL, position: ours 4, theirs 6",
    trading.SplitBooked(
        **_OF_VENUE, symbol=Symbol("AAPL"), ratio=Decimal(4), before=Decimal(10)
    ): "AAPL was split at alpha: 4 for each of 10 shares",
    trading.StreamConnected(**_OF_VENUE): "the stream of alpha stands",
    trading.StreamLost(**_OF_VENUE, reason="mute for 10 s"): "the stream of alpha is lost: mute for 10 s",
    trading.CircuitChanged(
        **_OF_VENUE, was=CircuitState.CLOSED, now=CircuitState.OPEN, reason="5 failures in a row"
    ): "the circuit of alpha was closed and is open: 5 failures in a row",
    trading.ReadinessChanged(
        **_OF_VENUE, ready=False, reasons=("the stream is down", "not reconciled"), at=datetime(2026, 3, 2, tzinfo=UTC)
    ): "alpha takes no new orders: the stream is down, not reconciled",
    trading.ReadinessChanged(
        **_OF_VENUE, ready=True, reasons=(), at=datetime(2026, 3, 2, tzinfo=UTC)
    ): "alpha is ready for new orders",
    trading.TradingStateChanged(
        **_OF_TRADING, was=TradingState.ACTIVE, now=TradingState.REDUCING, actor="ada", reason="lunch"
    ): "trading was active and is reducing, by ada: lunch",
    trading.KillSwitchPulled(**_OF_TRADING, actor="ada", reason="smoke"): "ada pulled the kill switch: smoke",
    _KILLED: (
        "the kill switch ended after 1.5 s with 50 orders canceled and 20 positions flattened; something is"
        " left: beta: does not answer"
    ),
    _KILLED.model_copy(update={"flat": True, "left": ""}): (
        "the kill switch ended after 1.5 s with 50 orders canceled and 20 positions flattened, as every venue confirmed"
    ),
    trading.VenueHeld(**_OF_VENUE, actor="ada", reason="it is slow"): "ada holds alpha back: it is slow",
    trading.VenueRestored(
        **_OF_VENUE, actor="ada", reason="it answers", held_seconds=90.5
    ): "ada restored alpha after 90.5 s: it answers",
    strategies.StrategyStarted(
        **_OF_STRATEGY, kind="sma-cross", symbols=(Symbol("AAPL"), Symbol("IBM")), warm_up_bars=50
    ): "trend (sma-cross) sees AAPL, IBM from now on, after 50 bars of the past",
    strategies.StrategyStopped(
        **_OF_STRATEGY, cause=StopCause.ERROR, detail="division by zero"
    ): "trend is stopped, error: division by zero",
    strategies.StrategyPaused(
        **_OF_STRATEGY, actor="ada", reason="earnings"
    ): "trend sends nothing until it is resumed, by ada: earnings",
    strategies.StrategyResumed(**_OF_STRATEGY, actor="ada", reason="all well"): "trend sends again, by ada: all well",
    strategies.StrategyBudgetExhausted(
        **_OF_STRATEGY, budget=Decimal(5000), used=Decimal(4990)
    ): "trend wants more than its budget of 5000 dollars: 4990 are used",
    strategies.ParityDiverged(
        **_OF_STRATEGY, symbol=Symbol("AAPL"), at=_NOON, difference="sold 10, the reference holds"
    ): "trend and its reference differ in AAPL since 2026-03-02T12:00:00+00:00: sold 10, the reference holds",
    strategies.SignalEmitted(
        **_SIGNAL, delay_seconds=0.25
    ): "trend wants to buy 10 AAPL by the bar of 2026-03-02T12:00:00+00:00",
    strategies.SignalExpired(
        **_SIGNAL, age_seconds=900.0
    ): "trend wanted to buy 10 AAPL by the bar of 2026-03-02T12:00:00+00:00, which is 900 s ago",
    strategies.SignalDenied(
        **_SIGNAL, reason=DenyReason.BUYING_POWER, detail="900 of 1000 dollars"
    ): "trend may not buy 10 AAPL, buying_power: 900 of 1000 dollars",
    strategies.MarketDataStale(**_OF_SYMBOL, age_seconds=180.0): "no bar of AAPL for 180 s, and its market is open",
    strategies.MarketDataFresh(**_OF_SYMBOL, stale_seconds=240.0): "bars of AAPL come again, after 240 s",
    strategies.BarGapFound(
        **_GAP
    ): "7 bars of AAPL are missing from 2026-03-02T12:00:00+00:00 to 2026-03-02T12:07:00+00:00",
    strategies.BarGapFilled(
        **_GAP
    ): "7 bars of AAPL were read again from 2026-03-02T12:00:00+00:00 to 2026-03-02T12:07:00+00:00",
    strategies.StudyFinished(
        subject="trend-1",
        kind="sma-cross",
        market="AAPL 1d raw",
        trials=125,
        verdict=StudyVerdict.NO_EDGE,
        failed=("probability of overfitting",),
        deflated_sharpe=0.4,
        duration_seconds=12.0,
    ): "study trend-1 of sma-cross on AAPL 1d raw tried 125 settings: no_edge",
}


def _facts_of_trading() -> set[type[Event]]:
    words = {**vars(trading), **vars(strategies)}.values()
    found = {value for value in words if isinstance(value, type) and issubclass(value, Event)}
    return {event for event in found if hasattr(event, "event_type")}


def _statement(event: Event) -> Statement:
    return Instruments(TABLE).statement(event)


def _seen(statement: Statement) -> dict[str, tuple[dict[str, str], float]]:
    return {each.metric.name: (dict(each.labels), each.value) for each in statement.observations}


def test_table_when_checked_then_every_fact_of_trading_has_its_row_and_no_other_has() -> None:
    Instruments(TABLE)
    assert {row.event for row in TABLE} == _facts_of_trading()


def test_table_when_tested_then_every_row_has_its_example() -> None:
    assert {type(event) for event in _SAID} == {row.event for row in TABLE}


@pytest.mark.parametrize("event", _SAID, ids=lambda event: event.event_type)
def test_fact_when_stated_then_its_line_is_a_sentence(event: Event) -> None:
    assert _statement(event).message == _SAID[event]


@pytest.mark.parametrize("event", _SAID, ids=lambda event: event.event_type)
def test_fact_when_measured_then_no_label_is_unknown_to_the_catalogue(event: Event) -> None:
    metrics = Metrics(SystemClock(), emitted_by("trading"))
    declare_venues(metrics, _VENUES)
    declare_strategies(metrics, ["trend"], [Symbol("AAPL"), Symbol("IBM")])
    declare_tuned(metrics, ["sma-cross"])
    Instruments(TABLE).declare(metrics)
    for observation in _statement(event).observations:
        observation.apply(metrics)
    (undeclared,) = (sample.value for sample in metrics.samples() if sample.name == METRIC_UNDECLARED.name)
    assert undeclared == 0


def test_first_transition_when_stated_then_it_comes_from_none() -> None:
    (event,) = (event for event in _SAID if isinstance(event, trading.OrderSubmitting))
    seen = _seen(_statement(event))
    assert seen[catalogue.TRADING_TRANSITIONS.name] == ({"from": "none", "to": "submitting"}, 1.0)
    assert seen[catalogue.TRADING_TRANSITION_SOURCES.name] == ({"to": "submitting", "source": "submit"}, 1.0)


def test_fill_when_booked_then_its_delay_and_slippage_are_observed() -> None:
    seen = _seen(_statement(_FILL))
    assert seen[catalogue.TRADING_FILL_DELAY.name] == ({"venue": "alpha"}, 0.25)
    assert seen[catalogue.TRADING_SLIPPAGE.name] == ({"venue": "alpha"}, -3.5)


def test_fill_when_there_was_no_reference_price_then_no_slippage_is_observed() -> None:
    seen = _seen(_statement(_FILL.model_copy(update={"slippage_bps": None})))
    assert catalogue.TRADING_SLIPPAGE.name not in seen
    assert catalogue.TRADING_FILLS.name in seen


def test_kill_switch_when_it_left_something_then_its_duration_says_so() -> None:
    assert _seen(_statement(_KILLED))[catalogue.TRADING_KILL_SWITCH_DURATION.name] == ({"flat": "false"}, 1.5)


def test_gap_when_found_and_filled_then_its_bars_are_counted_on_both_sides() -> None:
    found, filled = (_seen(_statement(fact(**_GAP))) for fact in (strategies.BarGapFound, strategies.BarGapFilled))
    assert found[catalogue.TRADING_GAP_BARS.name] == ({"symbol": "AAPL", "change": "found"}, 7.0)
    assert filled[catalogue.TRADING_GAP_BARS.name] == ({"symbol": "AAPL", "change": "filled"}, 7.0)


@pytest.mark.parametrize(
    ("metric", "label", "words"),
    [
        (catalogue.TRADING_DENIALS, "reason", DenyReason),
        (catalogue.TRADING_TRANSITIONS, "to", OrderStatus),
        (catalogue.TRADING_TRANSITION_SOURCES, "to", OrderStatus),
        (catalogue.TRADING_TRANSITION_SOURCES, "source", Source),
        (catalogue.TRADING_FILLS, "source", Source),
        (catalogue.TRADING_INCIDENTS, "kind", OrderIncidentKind),
        (catalogue.TRADING_DIFFERENCES, "kind", Drift),
        (catalogue.TRADING_FAILOVERS, "cause", FailoverCause),
        (catalogue.TRADING_CIRCUIT_STATE, "state", CircuitState),
        (catalogue.TRADING_CIRCUIT_CHANGES, "to", CircuitState),
        (catalogue.TRADING_STATE, "state", TradingState),
        (catalogue.TRADING_STRATEGY_STATE, "state", StrategyState),
        (catalogue.TRADING_STRATEGY_STOPS, "cause", StopCause),
        (catalogue.TRADING_STUDIES_FINISHED, "verdict", StudyVerdict),
    ],
)
def test_label_when_a_contract_names_its_values_then_it_lists_the_same(
    metric: Metric, label: str, words: type[DenyReason]
) -> None:
    (listed,) = (entry.values for entry in metric.labels if entry.name == label)
    assert listed is not None
    assert set(listed) == {word.value for word in words}
