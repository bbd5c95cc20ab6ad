"""Turns what trading knows into what it tells over HTTP."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from services.contracts.orders import IntentId, VenueName
from services.contracts.trading_views import (
    DenialList,
    DenialView,
    Denied,
    FrameView,
    HoldView,
    IncidentView,
    KillView,
    OrderHistory,
    OrderPage,
    OrderView,
    PlacementView,
    PositionList,
    PositionView,
    ReconciliationView,
    ReplaceRequest,
    TradingView,
    TransitionView,
    VenueAccountList,
    VenueAccountView,
    VenueStateView,
)
from services.kit.errors import NotFoundError
from services.trading.brokers.port import Change
from services.trading.desk.views import AccountStanding, DeskState, Holding, KillReport, Placement, VenueState
from services.trading.orders.book import PositionDrift, ReconcileReport
from services.trading.orders.draft import Transition
from services.trading.orders.history import Denial, History
from services.trading.orders.order import Order
from services.trading.portfolio.position import unrealised

_NOTHING: Final = Decimal(0)
_TRACE_ID: Final = slice(3, 35)  # version-TRACE-span-flags


class IntentNotFoundError(NotFoundError):
    """Nobody asked for it."""

    code = "intent_not_found"
    title = "There is no such wish"


class NeverHaltedError(NotFoundError):
    """The kill switch was never pulled."""

    code = "never_halted"
    title = "The kill switch was never pulled"


def order_view(order: Order) -> OrderView:
    """One order."""
    return OrderView(
        client_order_id=order.client_order_id,
        intent_id=order.intent_id,
        route=order.route,
        venue=order.venue,
        venue_order_id=order.venue_order_id,
        strategy=order.strategy,
        ticket=order.ticket,
        status=order.status,
        substatus=order.substatus,
        filled=order.filled,
        average_price=order.average_price,
        reason=order.reason,
        submitted_at=order.submitted_at,
        changed_at=order.changed_at,
        replaces=order.replaces,
        replaced_by=order.replaced_by,
        trace_id=trace_id(order.traceparent),
    )


def trace_id(traceparent: str) -> str:
    """The trace's id out of a W3C trace context; "" when there is none."""
    return traceparent[_TRACE_ID] if traceparent else ""


def placement_view(placement: Placement) -> PlacementView:
    """What became of a wish."""
    denial = placement.denial
    return PlacementView(
        intent_id=placement.intent.intent_id,
        denied=None if denial is None else Denied(reason=denial.reason, detail=denial.detail),
        orders=tuple(map(order_view, placement.orders)),
    )


def told_of(intent: IntentId, orders: Sequence[Order], denials: Sequence[Denial]) -> PlacementView:
    """What became of a wish that was told some time ago. Raises `IntentNotFoundError` when nobody told it."""
    if not orders and not denials:
        raise IntentNotFoundError(f"Nobody has asked for {intent}. `sightline orders --which all` lists the orders.")
    denied = None if orders else Denied(reason=denials[0].reason, detail=denials[0].detail)
    return PlacementView(intent_id=intent, denied=denied, orders=tuple(map(order_view, orders)))


def order_page(orders: Sequence[Order], limit: int) -> OrderPage:
    """A page of orders; a full one has another after it."""
    full = len(orders) == limit
    return OrderPage(orders=tuple(map(order_view, orders)), next_before=orders[-1].submitted_at if full else None)


def order_history(history: History) -> OrderHistory:
    """An order with all that happened to it."""
    return OrderHistory(
        order=order_view(history.order),
        family=tuple(map(order_view, history.family)),
        transitions=tuple(map(_transition, history.transitions)),
        fills=tuple(booked.fill for booked in history.fills if booked.fill.quantity),
        incidents=tuple(
            IncidentView(kind=incident.kind, detail=incident.detail, at=incident.at) for incident in history.incidents
        ),
        frames=tuple(
            FrameView(received_at=frame.received_at, raw=frame.raw, problem=frame.problem) for frame in history.frames
        ),
    )


def _transition(transition: Transition) -> TransitionView:
    return TransitionView(
        sequence=transition.sequence,
        was=transition.was,
        now=transition.now,
        substatus=transition.substatus,
        source=transition.source,
        reason=transition.reason,
        at=transition.at,
        trace_id=trace_id(transition.traceparent),
    )


def denial_list(denials: Sequence[Denial]) -> DenialList:
    """What was denied."""
    return DenialList(denials=tuple(map(_denial, denials)))


def _denial(denial: Denial) -> DenialView:
    intent = denial.intent
    return DenialView(
        intent_id=intent.intent_id,
        strategy=intent.strategy,
        symbol=intent.ticket.symbol,
        side=intent.ticket.side,
        quantity=intent.ticket.quantity,
        reason=denial.reason,
        detail=denial.detail,
        denied_at=denial.denied_at,
    )


def change_of(request: ReplaceRequest) -> Change:
    """What a replacement changes."""
    return Change(quantity=request.quantity, limit_price=request.limit_price, stop_price=request.stop_price)


def position_list(holdings: Sequence[Holding], day: Decimal) -> PositionList:
    """All positions with their sums; those that are closed count for what they earned and are not listed."""
    views = [_position(holding) for holding in holdings]
    return PositionList(
        positions=tuple(view for view in views if view.quantity),
        realised=sum((view.realised for view in views), _NOTHING),
        unrealised=sum((view.unrealised for view in views if view.unrealised is not None), _NOTHING),
        day=day,
    )


def _position(holding: Holding) -> PositionView:
    position, mark = holding.position, holding.mark
    return PositionView(
        venue=position.venue,
        symbol=position.symbol,
        quantity=position.quantity,
        average_price=position.average_price,
        mark=mark,
        realised=position.realised,
        unrealised=None if mark is None else unrealised(position, mark),
        fees=position.fees,
    )


def account_list(standings: Sequence[AccountStanding]) -> VenueAccountList:
    """Every venue's account."""
    return VenueAccountList(accounts=tuple(map(_account, standings)))


def _account(standing: AccountStanding) -> VenueAccountView:
    account = standing.account
    return VenueAccountView(
        venue=standing.venue,
        cash=account.cash if account else None,
        equity=account.equity if account else None,
        buying_power=account.buying_power if account else None,
        blocked=account.blocked if account else False,
        as_of=standing.as_of,
    )


def trading_view(state: DeskState) -> TradingView:
    """How trading stands."""
    return TradingView(
        state=state.state,
        reason=state.reason,
        actor=state.actor,
        changed_at=state.changed_at,
        owner=state.owner,
        halt_under_way=state.halt_under_way,
        venues=tuple(map(_venue, state.venues)),
    )


def _venue(state: VenueState) -> VenueStateView:
    return VenueStateView(
        venue=state.venue,
        environment=state.environment.value,
        ready=state.ready,
        reasons=state.reasons,
        circuit=state.circuit,
        score=state.score,
        stream_connected=state.stream_connected,
        stream_age_seconds=state.stream_age_seconds,
        reconciled_at=state.reconciled_at,
        verdict_expires_at=state.verdict.expires_at,
        rate_limit_left=state.rate_limit_left,
        working=state.working,
        unknown=state.unknown,
        holds=tuple(HoldView(actor=each.actor, reason=each.reason, held_at=each.held_at) for each in state.holds),
    )


def kill_view(report: KillReport | None) -> KillView:
    """What the kill switch did. Raises `NeverHaltedError` when it was never pulled."""
    if report is None:
        raise NeverHaltedError("There is nothing to tell; `sightline halt` pulls it.")
    return KillView(
        canceled=report.canceled,
        flattened=report.flattened,
        seconds=report.seconds,
        flat=report.flat,
        left=report.left,
    )


def reconciliation_view(venue: VenueName, report: ReconcileReport) -> ReconciliationView:
    """What a comparison found."""
    differences = [_drift(drift) for drift in report.positions]
    differences += [f"a foreign order in {order.symbol}: {order.venue_order_id}" for order in report.foreign]
    if others := report.differences - len(differences):
        differences.append(f"{others} more, written up in the orders' histories")
    return ReconciliationView(venue=venue, orders=report.orders, differences=tuple(differences), seconds=report.seconds)


def _drift(drift: PositionDrift) -> str:
    return f"{drift.symbol}: {drift.ours} shares by our fills, {drift.theirs} at the venue"
