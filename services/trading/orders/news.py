"""What can be heard about an order, in neutral words."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.contracts.market import Side, Symbol
from services.contracts.orders import ClientOrderId, ExecutionId, OrderStatus, Source, VenueOrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When "no such order" is believed: told `answers` times, `apart` from first to last, `after` the submit.

    A venue may know an order later than the answer to its submit was due.
    """

    answers: int = 2
    apart: timedelta = timedelta(seconds=5)
    after: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something heard.

    Attributes:
        source: From where.
        traceparent: W3C trace context of the hearing, "" outside a trace.
    """

    source: Source
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRejected(News):
    """The answer to the submit: the venue will not have it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitNotSent(News):
    """Provably nothing was sent."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitUnknown(News):
    """Something was sent and no answer came, or the process ended in between."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(News):
    """How the venue says that the order stands: as the answer to a submit or a question, or by its stream.

    Attributes:
        status: None when the venue used a word that is not known.
        filled: Shares filled so far.
        average_price: Mean price of these, in dollars.
        updated_at: The venue's time of this state.
        asked_at: Our time of the question; None when it came by itself. What an answer says is filled is booked even
            when no execution explains it; the stream's executions are waited for.
        replaced_by: Our name of the order that took its place.
    """

    venue_order_id: VenueOrderId
    symbol: Symbol
    side: Side
    quantity: Decimal
    status: OrderStatus | None
    substatus: str
    filled: Decimal
    average_price: Decimal | None
    updated_at: datetime
    asked_at: datetime | None = None
    replaced_by: ClientOrderId | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution(News):
    """One execution.

    Attributes:
        quantity: Shares of this one.
        cumulative: Shares of the order that are filled with it.
        fee: In dollars.
    """

    execution_id: ExecutionId
    venue_order_id: VenueOrderId
    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    executed_at: datetime
    fee: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(News):
    """We are about to ask for a cancel. `reason` says who wants it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelFailed(News):
    """The cancel was not sent, or the venue refuses it: the order stands as before."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelUnanswered(News):
    """Nobody knows what became of the request: it stays pending until the venue says more."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceRequested(News):
    """We are about to ask for other terms. `reason` says who wants it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceFailed(News):
    """The replacement was not sent, or the venue refuses it: the order stands as before."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceAccepted(News):
    """The venue has `child` in the place of this order."""

    child: ClientOrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound(News):
    """The venue says that it has no such order. Once is not enough to believe it."""

    patience: Patience = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Busted(News):
    """The venue took an execution back: the one way for the filled quantity to fall."""

    execution_id: ExecutionId
    reason: str
