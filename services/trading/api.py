"""The front door of trading: orders, positions, accounts, and what trading may do.

Handlers block on the database and on venues, so they are plain functions: each runs in a thread.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime

from services.contracts.orders import ClientOrderId, IntentId, OrderIntent, OrderStatus, VenueName, intent_id
from services.contracts.trading_views import (
    CancelView,
    DenialList,
    HaltRequest,
    KillView,
    OrderHistory,
    OrderPage,
    OrderRequest,
    OrderView,
    PlacementView,
    PositionList,
    ReconciliationView,
    ReplaceRequest,
    RestoreRequest,
    StateRequest,
    TradingView,
    VenueAccountList,
)
from services.kit.clock import Clock
from services.kit.guards import require_scope
from services.kit.identity import Caller
from services.kit.identity_errors import ScopeMissingError
from services.kit.openapi import problem_responses
from services.trading import showing
from services.trading.desk.desk import Desk
from services.trading.orders.book import OrderBook
from services.trading.orders.listing import Wanted
from telemetry.emit.propagation import traceparent

_LARGEST_PAGE: Final = 500
_OrderPath = Annotated[ClientOrderId, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="Our name for the order.")]
_IntentPath = Annotated[IntentId, Path(pattern=r"^[A-Za-z0-9_-]{1,48}$", description="Names the wish.")]
_VenuePath = Annotated[VenueName, Path(pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="The venue's name.")]
_Which = Literal["working", "unknown", "ended", "all"]
_STATUS: Final = {"unknown": OrderStatus.UNKNOWN}
_WORKING: Final = {"working": True, "ended": False}

_Reader = Depends(require_scope("trading:read"))
_Orderer = Annotated[Caller, Depends(require_scope("trading:order"))]
_Canceler = Annotated[Caller, Depends(require_scope("trading:cancel"))]
_Halter = Annotated[Caller, Depends(require_scope("trading:halt"))]
_RESUME: Final = "trading:resume"
_Resumer = Annotated[Caller, Depends(require_scope(_RESUME))]


def order_router(desk: Desk, book: OrderBook, clock: Clock) -> APIRouter:
    """Orders: asked for, looked at, changed and cancelled."""
    router = APIRouter(tags=["orders"])

    @router.post(
        "/orders",
        responses={HTTPStatus.CREATED: {"model": PlacementView, "description": "An order was made by this call."}}
        | problem_responses(503),
    )
    def submit(request: OrderRequest, response: Response, _caller: _Orderer) -> PlacementView:
        """Ask for an order. Denied or known before: 200, and the answer says so; made by this call: 201."""
        placement = desk.submit(_intent(request, clock))
        if placement.orders and not placement.known:
            response.status_code = HTTPStatus.CREATED
        return showing.placement_view(placement)

    @router.get("/orders", dependencies=[_Reader], responses=problem_responses(503))
    def orders(
        which: _Which = "working",
        limit: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = 100,
        before: Annotated[AwareDatetime | None, Query(description="Older than this moment.")] = None,
    ) -> OrderPage:
        """Orders, the newest first."""
        return showing.order_page(book.listing(_wanted(which, limit, before)), limit)

    @router.get("/orders/{client_order_id}", dependencies=[_Reader], responses=problem_responses(404, 503))
    def order(client_order_id: _OrderPath) -> OrderHistory:
        """One order with every transition, fill and frame, and the trace that submitted it."""
        return showing.order_history(book.history(client_order_id))

    @router.get("/intents/{intent}", dependencies=[_Reader], responses=problem_responses(404, 503))
    def intent(intent: _IntentPath) -> PlacementView:
        """What became of a wish."""
        return showing.told_of(intent, book.of_intent(intent), book.denials(intent, limit=1))

    @router.get("/denials", dependencies=[_Reader], responses=problem_responses(503))
    def denials(limit: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = 100) -> DenialList:
        """What was denied, the newest first."""
        return showing.denial_list(book.denials(limit=limit))

    @router.patch("/orders/{client_order_id}", responses=problem_responses(404, 409, 422, 503))
    def replace(client_order_id: _OrderPath, request: ReplaceRequest, caller: _Orderer) -> OrderView:
        """Ask for other terms; the answer is the order that takes the old one's place."""
        return showing.order_view(desk.replace(client_order_id, showing.change_of(request), caller.name))

    @router.delete("/orders/{client_order_id}", responses=problem_responses(404, 503))
    def cancel(client_order_id: _OrderPath, caller: _Canceler) -> OrderView:
        """Ask for a cancel; never refused for want of a verdict."""
        return showing.order_view(desk.cancel(client_order_id, caller.name))

    @router.delete("/orders", responses=problem_responses(503))
    def cancel_all(caller: _Canceler) -> CancelView:
        """Ask for a cancel of every working order."""
        return CancelView(orders=tuple(map(showing.order_view, desk.cancel_all(caller.name))))

    return router


def standing_router(desk: Desk) -> APIRouter:
    """What is held, and what trading may do."""
    router = APIRouter(tags=["trading"])

    @router.get("/positions", dependencies=[_Reader], responses=problem_responses(503))
    def positions() -> PositionList:
        """What is held at each venue, and what it has come to."""
        return showing.position_list(desk.positions(), desk.day_result())

    @router.get("/accounts", dependencies=[_Reader], responses=problem_responses(503))
    def accounts() -> VenueAccountList:
        """Every venue's account as it was told at the last reconciliation."""
        return showing.account_list(desk.accounts())

    @router.get("/state", dependencies=[_Reader])
    def state() -> TradingView:
        """What trading may do now, and whether each venue is ready for new orders."""
        return showing.trading_view(desk.state())

    @router.post("/halt")
    def halt(request: HaltRequest, caller: _Halter) -> KillView:
        """Pull the kill switch: nothing new goes out, everything is cancelled and, unless told otherwise, closed."""
        return showing.kill_view(desk.halt(caller.name, request.reason, flatten=request.flatten))

    @router.get("/halt", dependencies=[_Reader], responses=problem_responses(404))
    def last_halt() -> KillView:
        """What the kill switch did when it was pulled last, or has done so far."""
        return showing.kill_view(desk.last_halt())

    @router.post("/reduce", responses=problem_responses(503))
    def reduce(request: StateRequest, caller: _Halter) -> TradingView:
        """Let only cancels and orders that reduce exposure through."""
        desk.reduce(caller.name, request.reason)
        return showing.trading_view(desk.state())

    @router.post("/resume", responses=problem_responses(409, 503))
    def resume(request: StateRequest, caller: _Resumer) -> TradingView:
        """Let orders through again."""
        desk.resume(caller.name, request.reason)
        return showing.trading_view(desk.state())

    router.include_router(_venue_router(desk))
    return router


def _venue_router(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.post("/venues/{venue}/hold", responses=problem_responses(404, 503))
    def hold(venue: _VenuePath, request: StateRequest, caller: _Halter) -> TradingView:
        """Open nothing new at a venue, until it is restored; cancels and exits still go."""
        desk.hold(venue, caller.name, request.reason)
        return showing.trading_view(desk.state())

    @router.post("/venues/{venue}/restore", responses=problem_responses(404, 503))
    def restore(venue: _VenuePath, request: RestoreRequest, caller: _Halter) -> TradingView:
        """Give back one's own hold on a venue; lifting everybody's takes the scope `trading:resume`."""
        if request.everyones and _RESUME not in caller.scopes:
            raise ScopeMissingError(_RESUME)
        desk.restore(venue, caller.name, request.reason, everyones=request.everyones)
        return showing.trading_view(desk.state())

    @router.post("/venues/{venue}/reconcile", responses=problem_responses(404, 503))
    def reconcile(venue: _VenuePath, _caller: _Canceler) -> ReconciliationView:
        """Compare our books with the venue's now."""
        return showing.reconciliation_view(venue, desk.reconcile(venue))

    return router


def _wanted(which: _Which, limit: int, before: datetime | None) -> Wanted:
    return Wanted(status=_STATUS.get(which), working=_WORKING.get(which), before=before, limit=limit)


def _intent(request: OrderRequest, clock: Clock) -> OrderIntent:
    signal_at = request.signal_at or clock.now()
    return OrderIntent(
        intent_id=intent_id(request.strategy, request.ticket.symbol, signal_at, request.leg),
        strategy=request.strategy,
        signal_at=signal_at,
        leg=request.leg,
        ticket=request.ticket,
        expires_at=request.expires_at,
        reference_price=request.reference_price,
        traceparent=traceparent(),
    )
