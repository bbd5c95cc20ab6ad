"""Words about orders: what is wanted, what a venue made of it, and the fills that are the truth.

*Denied* is said by us before anything was sent, *rejected* by the venue. An intent is what somebody wants; an order is
one attempt to get it at one venue. One intent may have several orders, one after the other, never two that work.
"""

import hashlib
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, NewType, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.contracts.market import SYMBOL_PATTERN, OrderClass, OrderType, Side, Symbol, TimeInForce

IntentId = NewType("IntentId", str)
"""Names what is wanted; the same wish has the same id, however often it is told. See `intent_id`."""

ClientOrderId = NewType("ClientOrderId", str)
"""Our name for one order at one venue: the intent's id and the number of the route, `<intent id>.<route>`."""

VenueOrderId = NewType("VenueOrderId", str)
"""The venue's own name for an order."""

ExecutionId = NewType("ExecutionId", str)
"""The venue's name for one fill."""

VenueName = NewType("VenueName", str)
"""An account at a broker that orders can go to, by the name under which auth logs it in: "alpaca-paper"."""

PAPER_VENUES: Final = (VenueName("alpha"), VenueName("beta"))
"""The local paper venues that are there unless told otherwise, each with an account of the same name."""

NEVER_BELOW: Final = Decimal("0.0001")
NEVER_ABOVE: Final = Decimal(1_000_000_000)
"""Where a bracket's exit is put that nobody wants: venues ask for both, and no price goes there, in dollars."""

_DIGEST_CHARACTERS: Final = 26
_NAME = r"^[a-z][a-z0-9_-]{0,63}$"

StrategyName = Annotated[str, StringConstraints(pattern=_NAME)]
"""Who wants the order: a strategy's name, or "operator", "kill-switch"."""

Quantity = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=9, allow_inf_nan=False)]
Price = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6, allow_inf_nan=False)]


class OrderStatus(StrEnum):
    """How an order stands. Derived from its ledger of fills and from what the venue said last."""

    DENIED = "denied"
    SUBMITTING = "submitting"
    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    OPEN = "open"
    PARTIAL = "partial"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    NOT_FOUND_CONFIRMED = "not_found_confirmed"

    @property
    def terminal(self) -> bool:
        """Whether the venue will do nothing more by itself. A late fill is booked all the same."""
        return self in _TERMINAL


_TERMINAL: Final = frozenset(
    {
        OrderStatus.DENIED,
        OrderStatus.NOT_SENT,
        OrderStatus.REJECTED,
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REPLACED,
        OrderStatus.NOT_FOUND_CONFIRMED,
    }
)


class Source(StrEnum):
    """From where we learnt what changed an order."""

    SUBMIT = "submit"  # the answer to our own call
    STREAM = "stream"
    RECONCILIATION = "reconciliation"
    OPERATOR = "operator"
    RECOVERY = "recovery"  # found half done at the start


class TradingState(StrEnum):
    """What trading may do at present."""

    ACTIVE = "active"
    REDUCING = "reducing"  # cancels and orders that reduce exposure
    HALTED = "halted"  # cancels only; the kill switch's own orders pass


class DenyReason(StrEnum):
    """Why we refused to send an order. Each is one rule of the gate."""

    TRADING_HALTED = "trading_halted"
    TRADING_REDUCING = "trading_reducing"
    VERDICT_MISSING = "verdict_missing"
    VERDICT_EXPIRED = "verdict_expired"
    VERDICT_INVALID = "verdict_invalid"
    NOT_READY = "not_ready"
    NO_VENUE = "no_venue"
    NOT_SUPPORTED = "not_supported"
    UNKNOWN_SYMBOL = "unknown_symbol"
    SYMBOL_HALTED = "symbol_halted"
    NOT_SHORTABLE = "not_shortable"
    MARKET_CLOSED = "market_closed"
    WRONG_TICK = "wrong_tick"
    WRONG_LOT = "wrong_lot"
    NO_REFERENCE_PRICE = "no_reference_price"
    PRICE_COLLAR = "price_collar"
    ORDER_NOTIONAL = "order_notional"
    SYMBOL_NOTIONAL = "symbol_notional"
    GROSS_EXPOSURE = "gross_exposure"
    NET_EXPOSURE = "net_exposure"
    OPEN_ORDERS = "open_orders"
    ORDER_RATE = "order_rate"
    DAILY_LOSS = "daily_loss"
    BUYING_POWER = "buying_power"
    UNKNOWN_IN_SYMBOL = "unknown_in_symbol"
    STALE_SIGNAL = "stale_signal"
    HELD_ELSEWHERE = "held_elsewhere"  # an exit goes to the venue that holds the shares


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StopLoss(_Frozen):
    """The protective leg: a stop, or with a limit a stop-limit order."""

    stop_price: Price
    limit_price: Price | None = None


class OrderTicket(_Frozen):
    """What to trade and how; says nothing of where.

    Attributes:
        quantity: In shares.
        limit_price: For limit and stop-limit orders, in dollars; the target's price of an OCO order.
        stop_price: For stop and stop-limit orders, in dollars.
        take_profit: Limit price of the target, for bracket and OCO orders.
        stop_loss: The protective leg, for bracket and OCO orders.
    """

    symbol: Annotated[Symbol, Field(pattern=SYMBOL_PATTERN)]
    side: Side
    quantity: Quantity
    order_type: OrderType = OrderType.MARKET
    limit_price: Price | None = None
    stop_price: Price | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit: Price | None = None
    stop_loss: StopLoss | None = None

    @model_validator(mode="after")
    def _prices_fit_the_type(self) -> Self:
        wants_limit = self.order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}
        wants_stop = self.order_type in {OrderType.STOP, OrderType.STOP_LIMIT}
        if wants_limit is (self.limit_price is None):
            raise ValueError(f"a {self.order_type} order has {'a' if wants_limit else 'no'} limit price")
        if wants_stop is (self.stop_price is None):
            raise ValueError(f"a {self.order_type} order has {'a' if wants_stop else 'no'} stop price")
        return self

    @model_validator(mode="after")
    def _legs_fit_the_class(self) -> Self:
        legs = (self.take_profit is not None, self.stop_loss is not None)
        if self.order_class is OrderClass.SIMPLE and any(legs):
            raise ValueError("a simple order has neither target nor stop loss; make it a bracket")
        if self.order_class is not OrderClass.SIMPLE and not all(legs):
            raise ValueError(f"a {self.order_class} order has a take_profit price and a stop_loss")
        if self.order_class is OrderClass.OCO and self.order_type is not OrderType.LIMIT:
            raise ValueError("an OCO order is a limit order: its target")
        return self


class OrderIntent(_Frozen):
    """A wish that the gate let pass or will judge.

    Attributes:
        signal_at: When the strategy decided, or the caller asked.
        leg: Tells apart several orders of one signal.
        expires_at: Not to be sent from this moment on; None for never.
        reference_price: The price that the wish was made at, in dollars: slippage is measured against it.
        traceparent: W3C trace context of the wish, "" outside a trace.
        parent: The intent whose rest this one goes on with at another venue.
        venue: The only one that it may go to; None for whichever the router chooses.
    """

    intent_id: IntentId
    strategy: StrategyName
    signal_at: AwareDatetime
    leg: Annotated[str, StringConstraints(pattern=_NAME)] = "entry"
    ticket: OrderTicket
    expires_at: AwareDatetime | None = None
    reference_price: Price | None = None
    traceparent: str = ""
    parent: IntentId | None = None
    venue: VenueName | None = None


def intent_id(strategy: str, symbol: str, signal_at: datetime, leg: str) -> IntentId:
    """The id of a wish: equal for the same strategy, symbol, moment and leg, so that telling it twice is one order.

    32 characters at most, letters, digits and hyphens: every venue takes it within a client order id.
    """
    told = f"{strategy}\x1f{symbol}\x1f{signal_at.isoformat()}\x1f{leg}"
    return IntentId(f"sl-{hashlib.sha256(told.encode()).hexdigest()[:_DIGEST_CHARACTERS]}")


def client_order_id(intent: IntentId, route: int) -> ClientOrderId:
    """Our name for the order that carries an intent to its `route`-th venue, counted from 0."""
    return ClientOrderId(f"{intent}.{route}")


class Fill(_Frozen):
    """One execution, booked once.

    Attributes:
        quantity: Shares, as booked: what an execution tells again is booked by its new part only.
        cumulative: Shares of the order that are filled with this one, as the venue counts.
        fee: In dollars.
        inferred: The venue told only the sum; price is the mean that explains it.
        late: It came after the order had ended.
    """

    execution_id: ExecutionId
    client_order_id: ClientOrderId
    venue: VenueName
    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    fee: Decimal = Decimal(0)
    executed_at: AwareDatetime
    source: Source
    inferred: bool = False
    late: bool = False
