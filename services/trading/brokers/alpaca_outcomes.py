"""What becomes of a call that changes something at Alpaca, in the words of the port.

Who has not heard that nothing happened says so: `OutcomeUnknown`. The codes are those of Alpaca's error answers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from services.contracts.orders import ClientOrderId
from services.trading.brokers.alpaca_fields import UnreadableError, document_in, documents_in
from services.trading.brokers.alpaca_words import order_of
from services.trading.brokers.port import (
    Accepted,
    CancelOutcome,
    CancelTaken,
    NotSent,
    OutcomeUnknown,
    Rejected,
    SubmitOutcome,
    VenueOrder,
    VenueRefusesKeysError,
    VenueUnavailableError,
)
from services.trading.wire.outcomes import CallError, NoKeysError, NotSentError, RefusedError

# Any field that does not fit, a client order id that was used before among them.
_INVALID: Final = "40010001"
_ID_FIELD: Final = "client_order_id"
# The account takes no orders at all. Alpaca says so under codes that it uses for single orders, too.
_OF_ACCOUNT: Final = (
    "trading is blocked",
    "trading blocked",
    "account is blocked",
    "account blocked",
    "account is not allowed to trade",
    "account is not authorized to trade",
    "account is restricted",
    "not allowed for account",
    "new orders are rejected by user request",
)


def placed(
    client_order_id: ClientOrderId,
    send: Callable[[], object],
    find: Callable[[ClientOrderId], VenueOrder | None],
) -> SubmitOutcome:
    """Send an order or a replacement, once, and tell what became of it; `find` asks the venue for an order by name."""
    outcome = _sent(client_order_id, send)
    if isinstance(outcome, Rejected) and outcome.code == _INVALID:
        return _had_before(client_order_id, outcome, find)
    return outcome


def _sent(client_order_id: ClientOrderId, send: Callable[[], object]) -> SubmitOutcome:
    try:
        order = order_of(document_in(send()))
    except NotSentError as error:
        return NotSent(error.detail)
    except RefusedError as error:
        return _refused(error)
    except CallError as error:
        return OutcomeUnknown(error.detail)
    except UnreadableError as error:
        return OutcomeUnknown(f"the venue's answer was not understood: {error}")
    if order.client_order_id != client_order_id:
        return OutcomeUnknown("the venue answered with another order")
    return Accepted(order)


def _had_before(
    client_order_id: ClientOrderId, refusal: Rejected, find: Callable[[ClientOrderId], VenueOrder | None]
) -> SubmitOutcome:
    """What a refusal amounts to that may mean that the client order id was used before: the venue knows."""
    try:
        earlier = find(client_order_id)
    except VenueUnavailableError as away:
        return OutcomeUnknown(f"the venue may have had the order before, and does not say: {away.detail}")
    if earlier is not None:
        return Accepted(earlier)
    if _ID_FIELD in refusal.reason:
        return OutcomeUnknown("the venue says that it had the order before, and does not find it")
    return refusal


@contextmanager
def asking() -> Iterator[None]:
    """Turn whatever keeps a question from being answered into `VenueUnavailableError`."""
    try:
        yield
    except NoKeysError as error:
        raise VenueRefusesKeysError(error.detail) from error
    except RefusedError as error:
        kind = VenueRefusesKeysError if error.unauthorised else VenueUnavailableError
        raise kind(f"It answered {error.status}: {error.detail}") from error
    except CallError as error:
        raise VenueUnavailableError(f"It did not answer: {error.detail}.") from error
    except UnreadableError as error:
        raise VenueUnavailableError(f"Its answer was not understood: {error}.") from error


def canceling(send: Callable[[], object]) -> CancelOutcome:
    """Ask for a cancel, and tell what became of the request."""
    try:
        send()
    except CallError as error:
        if error.unanswered_before:
            # The attempt before this one may have been acted on, and may be why the order can no longer be canceled.
            return OutcomeUnknown(f"asked again after no answer: {error.detail}")
        if isinstance(error, NotSentError):
            return NotSent(error.detail)
        refused = _refused(error) if isinstance(error, RefusedError) else None
        return refused or OutcomeUnknown(error.detail)
    except UnreadableError as error:
        return OutcomeUnknown(f"the venue's answer was not understood: {error}")
    return CancelTaken()


def each_taken(told: object) -> None:
    """Look through the answer to a cancel of everything: a status for each order. Raises `CallError`.

    An order that had ended in the meantime is answered 422, and that is well.
    """
    statuses = [each.get("status") for each in documents_in(told or [])]
    failed = sum(not isinstance(each, int) or each >= HTTPStatus.INTERNAL_SERVER_ERROR for each in statuses)
    if failed:
        raise CallError(f"{failed} of {len(statuses)} orders were not canceled")


def _refused(error: RefusedError) -> Rejected | NotSent | OutcomeUnknown:
    # The limiter stands before everything else: what it turns away was not looked at, as if it had not been sent.
    if error.limited:
        return NotSent(f"the venue's rate limiter turned it away: {error.detail}")
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return OutcomeUnknown("the venue answered 429, and not as its rate limiter does")
    words = error.detail.lower()
    of_account = any(sign in words for sign in _OF_ACCOUNT)
    return Rejected(error.venue_code, error.detail, unauthorised=error.unauthorised, venue_side=of_account)
