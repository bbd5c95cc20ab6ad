"""The desk: the one place through which orders go out."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from services.contracts.orders import ClientOrderId, OrderIntent, OrderStatus, TradingState, VenueName
from services.kit.chassis import Background
from services.kit.errors import SightlineError
from services.trading.brokers.port import Change
from services.trading.desk.assembling import Assembled, assemble
from services.trading.desk.errors import NotOwnerError, VenueNotKnownError
from services.trading.desk.parts import DeskParts, Venue
from services.trading.desk.views import AccountStanding, DeskState, Holding, KillReport, Placement, VenueState
from services.trading.orders.book import ReconcileReport
from services.trading.orders.order import Order

if TYPE_CHECKING:
    from services.trading.desk.leading import Leader
    from services.trading.desk.tending import VenueTender

_OPERATOR: Final = "operator"


class Desk:
    """Joins gate, books, routing and venues. Every method may be called from any thread and blocks."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._made: Assembled = assemble(parts)

    # --- orders

    def submit(self, intent: OrderIntent) -> Placement:
        """Send what is wanted, once; a wish that was told before gets the answer that there is.

        Raises:
            NotOwnerError: Another process trades.
            DatabaseError: The intent could not be kept; nothing was sent.
        """
        self._must_lead()
        return self._made.submitter.submit(intent)

    def cancel(self, client_order_id: ClientOrderId, actor: str) -> Order:
        """Ask the venue to cancel; needs no verdict and no readiness. An order that has ended is returned as it is.

        One of which nobody knows whether the venue has it is cancelled as soon as that is known.

        Raises:
            OrderNotFoundError: There is no such order.
            NotOwnerError: Another process trades.
        """
        self._must_lead()
        return self._made.canceller.cancel(client_order_id, actor)

    def cancel_all(self, actor: str, venue: VenueName | None = None) -> list[Order]:
        """Ask for a cancel of whatever works, at one venue or at all.

        Raises:
            VenueNotKnownError: There is no such venue.
            NotOwnerError: Another process trades.
        """
        self._must_lead()
        if venue is not None:
            self._must_know(venue)
        return self._made.canceller.cancel_all(actor, venue)

    def replace(self, client_order_id: ClientOrderId, change: Change, actor: str) -> Order:
        """Exchange the terms of a working order; returns the order that takes its place.

        Raises:
            OrderNotFoundError: There is no such order.
            OrderNotWorkingError: It has ended, or nobody knows whether it is there.
            NotReplaceableError: The venue cannot, or nothing would change.
            ReplacementDeniedError: The gate refuses the new terms.
            NotOwnerError: Another process trades.
        """
        self._must_lead()
        return self._made.replacer.replace(client_order_id, change, actor)

    def look(self, client_order_id: ClientOrderId) -> None:
        """Ask the venue how an order stands, now, and work the answer in.

        Raises:
            OrderNotFoundError: There is no such order.
            VenueUnavailableError: The venue does not answer.
            NotOwnerError: Another process trades.
        """
        self._must_lead()
        order = self._parts.book.working.get(client_order_id) or self._parts.book.get(client_order_id)
        self._made.reconcilers[order.venue].ask(client_order_id)

    # --- the state of trading

    def halt(self, actor: str, reason: str, *, flatten: bool = True) -> KillReport:
        """Pull the kill switch and wait for its end; one at work that does as much is waited for.

        Works without a database, and takes over from a process that trades and does not answer.
        """
        with suppress(SightlineError):  # without a database there is nobody to take over from
            self._parts.owner.claim(force=True)
        return self._made.kill_switch.pull(actor, reason, flatten=flatten)

    def last_halt(self) -> KillReport | None:
        """What the kill switch did when it was pulled last; None before it has ended once.

        Raises:
            DatabaseError: It is away.
        """
        return self._made.kill_switch.last()

    def reduce(self, actor: str, reason: str) -> None:
        """Let nothing pass but cancels and orders that reduce exposure. When trading is halted, it stays so."""
        self._made.state.narrow(TradingState.REDUCING, actor, reason)

    def resume(self, actor: str, reason: str) -> None:
        """Trade again; the one way out of REDUCING and HALTED, for people.

        It also says that a person has looked at the venues: circuits close, and positions that our fills do not
        explain are taken over as they are.

        Raises:
            HaltUnderWayError: The kill switch is at work.
            NotOwnerError: Another process trades.
            DatabaseError: It could not be kept, and nothing has changed.
        """
        self._must_lead()
        self._made.kill_switch.refuse_while_under_way()
        self._made.state.widen(actor, reason)
        for venue in self._parts.venues:
            self._made.watches[venue.name].renewed()
            self._made.reconcilers[venue.name].adopt_positions()
            self._made.tenders[venue.name].ask(_OPERATOR)

    def hold(self, venue: VenueName, actor: str, reason: str) -> None:
        """Open nothing new at a venue; cancels and exits still go. Holding what one holds already changes nothing.

        Raises:
            VenueNotKnownError: There is no such venue.
            NotOwnerError: Another process trades.
        """
        self._must_lead()
        self._must_know(venue)
        if self._made.holds.hold(venue, actor, reason):
            self._made.tenders[venue].wake()

    def restore(self, venue: VenueName, actor: str, reason: str, *, everyones: bool = False) -> None:
        """Give back the actor's own hold on a venue, or lift everybody's. Without one nothing changes.

        Who restores a venue has looked at it: a circuit that its refusal of our keys had latched closes, which a new
        session alone would bring otherwise, and a key that never changes never does.

        Raises:
            VenueNotKnownError: There is no such venue.
            NotOwnerError: Another process trades.
            DatabaseError: It could not be kept, and nothing has changed.
        """
        self._must_lead()
        self._must_know(venue)
        if self._made.holds.restore(venue, actor, reason, everyones=everyones):
            if self._made.watches[venue].known.circuit.latched:
                self._made.watches[venue].renewed()
            self._made.tenders[venue].wake()

    def reconcile(self, venue: VenueName, trigger: str = _OPERATOR) -> ReconcileReport:
        """Compare our books with the venue's, now.

        Raises:
            VenueNotKnownError: There is no such venue.
            VenueUnavailableError: It does not answer.
            NotOwnerError: Another process trades.
        """
        self._must_lead()
        self._must_know(venue)
        return self._made.reconcilers[venue].run(trigger)

    # --- looking

    def state(self) -> DeskState:
        """How trading and each venue stand. From memory alone."""
        standing = self._made.state.now
        return DeskState(
            state=standing.state,
            reason=standing.reason,
            actor=standing.actor,
            changed_at=standing.changed_at,
            owner=self._made.leader.turn is not None,
            halt_under_way=self._made.kill_switch.under_way,
            venues=tuple(self._venue_state(venue) for venue in self._parts.venues),
        )

    def unended(self) -> tuple[Order, ...]:
        """Every order that has not ended, unknown ones included. From memory alone."""
        return self._parts.book.working.orders()

    def positions(self) -> tuple[Holding, ...]:
        """What is held, and what was: a closed position keeps its realised profit.

        Raises:
            DatabaseError: It is away.
        """
        return self._made.money.holdings()

    def accounts(self) -> tuple[AccountStanding, ...]:
        """Every venue's account as it was told at the last reconciliation. From memory alone."""
        known = {venue.name: self._made.watches[venue.name].known for venue in self._parts.venues}
        return tuple(AccountStanding(name, each.account, each.reconciled_at) for name, each in known.items())

    def day_result(self) -> Decimal:
        """The session's profit in dollars, realised and unrealised, after fees, as the gate sees it."""
        return self._made.money.day_result

    # --- running

    @property
    def background(self) -> Sequence[Background]:
        """What has to run while the application does: for `Chassis.create_app(background=...)`, in this order."""
        return (self._parts.leases.keeping, self._parts.verdicts.keeping, self._tending, self._streams)

    @asynccontextmanager
    async def _tending(self) -> AsyncIterator[None]:
        """The threads that lead and tend. The lease is given back when nothing can be sent any more."""
        leader = self._made.leader
        works: list[Leader | VenueTender] = [leader, *self._made.tenders.values()]
        threads = [threading.Thread(target=work.run, name="desk") for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for work in works:
                work.stop()
            for thread in threads:
                await asyncio.to_thread(thread.join)
            await asyncio.to_thread(leader.step_down)

    @asynccontextmanager
    async def _streams(self) -> AsyncIterator[None]:
        """One task for each venue's stream."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(venue.streaming.stream(self._made.listeners[venue.name]))
                for venue in self._parts.venues
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    def _venue_state(self, venue: Venue) -> VenueState:
        name, watch = venue.name, self._made.watches[venue.name]
        known, reasons = watch.known, self._made.readiness.reasons(name)
        working = self._parts.book.working.orders(name)
        unknown = sum(order.status is OrderStatus.UNKNOWN for order in working)
        return VenueState(
            venue=name,
            environment=venue.environment,
            ready=not reasons,
            reasons=reasons,
            circuit=known.circuit.state,
            score=watch.score(ready=not reasons),
            stream_connected=known.stream_connected,
            stream_age_seconds=watch.stream_age_seconds(),
            reconciled_at=known.reconciled_at,
            skew_seconds=known.skew_seconds,
            verdict=self._parts.verdicts.standing(name),
            lease=self._parts.leases.standing(name),
            rate_limit_left=watch.rate_limit_left(),
            working=len(working) - unknown,
            unknown=unknown,
            holds=self._made.holds.of(name),
        )

    def _must_lead(self) -> None:
        if self._made.leader.turn is None:
            raise NotOwnerError

    def _must_know(self, venue: VenueName) -> None:
        if venue not in self._made.watches:
            raise VenueNotKnownError(venue)
