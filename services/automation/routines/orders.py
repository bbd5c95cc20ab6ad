"""Orders of which nobody knows what became of them, and books that are compared each night."""

from datetime import time

from services.automation.pipelines.pipeline import Cause, Context, Pipeline
from services.automation.pipelines.schedules import At
from services.automation.routines.handling import Action, Found, House, Response, handle
from services.contracts.incidents import IncidentSeverity
from services.contracts.orders import OrderStatus, VenueName
from services.contracts.trading import OrderUnknown

_BY_ITSELF_SECONDS = 45.0
_WITHIN_SECONDS = 300.0
_NIGHT = time(2, 0)


def order_unknown(house: House) -> Pipeline:
    """Gives trading time to find out by itself, then compares the books, and calls a person if that does not help."""

    def run(context: Context) -> None:
        order, venue = str(context.cause.target), _venue_of(context.cause)
        known = context.wait_until(
            "trading finds out", lambda: not _unknown(house, order), timeout_seconds=_BY_ITSELF_SECONDS
        )
        if known:
            return

        def plan(_found: Found) -> list[Action]:
            return [Action(name="reconcile", do=lambda: len(house.outside.venues.reconcile(venue).differences))]

        handle(
            context,
            house,
            Response(
                title=f"Nobody knows what became of {order} at {venue}",
                severity=IncidentSeverity.CRITICAL,
                plan=plan,
                check=lambda: not _unknown(house, order),
                what=f"{venue} has said what became of {order}",
                within_seconds=_WITHIN_SECONDS,
            ),
        )

    return Pipeline(
        name="order_unknown",
        purpose="Find out what became of an order that a venue did not answer about; never send it again.",
        run=run,
        events=(OrderUnknown.event_type,),
        replaces="failed-call triage; error handling",
        by_hand=False,
    )


def nightly_reconciliation(house: House) -> Pipeline:
    """Compares the books with every venue at night."""

    def run(context: Context) -> None:
        venues = context.step("venues", lambda: [str(each.venue) for each in house.outside.trading.state().venues])
        for venue in venues:
            context.step(f"compare {venue}", lambda venue=venue: _compared(house, venue))  # type: ignore[misc] # the loop's present value

    return Pipeline(
        name="nightly_reconciliation",
        purpose="Compare our books with every venue's, whatever happened during the day.",
        run=run,
        schedule=At(time=_NIGHT),
        lease=lambda _cause: "reconciliation",
        replaces="error handling",
    )


def _compared(house: House, venue: str) -> dict[str, object]:
    compared = house.outside.venues.reconcile(VenueName(venue))
    return {"orders": compared.orders, "differences": list(compared.differences)}


def _unknown(house: House, order: str) -> bool:
    return any(
        str(each.client_order_id) == order and each.status is OrderStatus.UNKNOWN
        for each in house.outside.trading.unended()
    )


def _venue_of(cause: Cause) -> VenueName:
    return VenueName(str(cause.payload["venue"]))
