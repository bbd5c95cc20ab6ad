"""The desk: the one place through which orders go out."""

from collections.abc import Sequence
from decimal import Decimal

from services.contracts.orders import ClientOrderId, OrderIntent, VenueName
from services.kit.chassis import Background
from services.trading.brokers.port import Change
from services.trading.desk.views import AccountStanding, DeskState, Holding, KillReport, Placement
from services.trading.orders.book import ReconcileReport
from services.trading.orders.machine import Order


class Desk:
    """Joins gate, books, routing and venues. Every method may be called from any thread and blocks.

    Made by `assemble(parts)` in this module; see `DeskParts` for what it takes.
    """

    def submit(self, intent: OrderIntent) -> Placement:
        """Send what is wanted, once; a wish that was told before gets the answer that there is.

        Raises:
            NotOwnerError: Another process trades.
            DatabaseError: The intent could not be kept; nothing was sent.
        """
        raise NotImplementedError

    def cancel(self, client_order_id: ClientOrderId, actor: str) -> Order:
        """Ask the venue to cancel; needs no verdict and no readiness. An order that has ended is returned as it is.

        Raises:
            OrderNotKnownError: There is no such order.
            NotOwnerError: Another process trades.
        """
        raise NotImplementedError

    def cancel_all(self, actor: str, venue: VenueName | None = None) -> list[Order]:
        """Ask for a cancel of whatever works, at one venue or at all.

        Raises:
            VenueNotKnownError: There is no such venue.
            NotOwnerError: Another process trades.
        """
        raise NotImplementedError

    def replace(self, client_order_id: ClientOrderId, change: Change, actor: str) -> Order:
        """Exchange the terms of a working order; returns the order that takes its place.

        Raises:
            OrderNotKnownError: There is no such order.
            OrderNotWorkingError: It has ended, or nobody knows whether it is there.
            NotReplaceableError: The venue cannot, or nothing would change.
            ReplacementDeniedError: The gate refuses the new terms.
            NotOwnerError: Another process trades.
        """
        raise NotImplementedError

    def halt(self, actor: str, reason: str, *, flatten: bool = True) -> KillReport:
        """Pull the kill switch and wait for its end; while it is at work, wait for that one. Works without database."""
        raise NotImplementedError

    def last_halt(self) -> KillReport | None:
        """What the kill switch did when it was pulled last, or has done so far."""
        raise NotImplementedError

    def reduce(self, actor: str, reason: str) -> None:
        """Let nothing pass but cancels and orders that reduce exposure. When trading is halted, it stays so."""
        raise NotImplementedError

    def resume(self, actor: str, reason: str) -> None:
        """Trade again; the one way out of REDUCING and HALTED, for people.

        Raises:
            HaltUnderWayError: The kill switch is at work.
        """
        raise NotImplementedError

    def state(self) -> DeskState:
        """How trading and each venue stand."""
        raise NotImplementedError

    def positions(self) -> tuple[Holding, ...]:
        """What is held, by venue and symbol."""
        raise NotImplementedError

    def day_result(self) -> Decimal:
        """The session's profit so far in dollars, all venues together, as the gate sees it; negative for a loss."""
        raise NotImplementedError

    def accounts(self) -> tuple[AccountStanding, ...]:
        """Every venue's account as it was told at the last reconciliation."""
        raise NotImplementedError

    def reconcile(self, venue: VenueName, trigger: str = "operator") -> ReconcileReport:
        """Compare our books with the venue's, now.

        Raises:
            VenueNotKnownError: There is no such venue.
            VenueUnavailableError: It does not answer.
            NotOwnerError: Another process trades.
        """
        raise NotImplementedError

    @property
    def background(self) -> Sequence[Background]:
        """What has to run while the application does: for `Chassis.create_app(background=...)`, in this order."""
        raise NotImplementedError
