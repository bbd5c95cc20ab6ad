"""Whether an intent may go on to another venue: only with proof that the first order does not work."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from services.contracts.market import Side, Symbol
from services.contracts.orders import OrderStatus, VenueOrderId
from services.contracts.trading import FailoverCause
from services.trading.brokers.port import Accepted, NotSent, OutcomeUnknown, Rejected, SubmitOutcome, VenueOrder
from services.trading.routing.failover import Canceled, Onward, may_fail_over

TEN = Decimal(10)
ACCEPTED = Accepted(
    VenueOrder(
        client_order_id=None,
        venue_order_id=VenueOrderId("v1"),
        symbol=Symbol("AAPL"),
        side=Side.BUY,
        quantity=TEN,
        status=OrderStatus.OPEN,
        substatus="new",
        filled=Decimal(0),
        average_price=None,
        updated_at=datetime(2026, 3, 2, 15, tzinfo=UTC),
    )
)
TABLE: list[tuple[SubmitOutcome | Canceled, Onward | None]] = [
    (NotSent("connection refused"), Onward(FailoverCause.NOT_SENT, TEN)),
    (Rejected("40110000", "key not valid", unauthorised=True), Onward(FailoverCause.REJECTED, TEN)),
    (Rejected("42910000", "too many requests", venue_side=True), Onward(FailoverCause.REJECTED, TEN)),
    (Rejected("40310000", "insufficient buying power"), None),
    (OutcomeUnknown("read timed out"), None),
    (ACCEPTED, None),
    (Canceled(Decimal(0)), Onward(FailoverCause.CANCELED, TEN)),
    (Canceled(Decimal(4)), Onward(FailoverCause.CANCELED, Decimal(6))),
    (Canceled(TEN), None),
    (Canceled(Decimal(11)), None),
]


@pytest.mark.parametrize(("outcome", "onward"), TABLE, ids=str)
def test_entry_when_its_order_came_to_something_then_it_goes_on_only_with_proof(
    outcome: SubmitOutcome | Canceled, onward: Onward | None
) -> None:
    assert may_fail_over(outcome, TEN, closes=False) == onward


@pytest.mark.parametrize("outcome", [outcome for outcome, _ in TABLE], ids=str)
def test_exit_when_its_order_came_to_anything_then_it_goes_to_no_other_venue(outcome: SubmitOutcome | Canceled) -> None:
    assert may_fail_over(outcome, TEN, closes=True) is None
