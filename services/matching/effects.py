"""What happens to orders, and what one order does to the others of its group.

A fill of an entry releases as many shares of its exits; a fill of one exit takes as many off the other. The end of an
entry cuts its exits down to what it filled; the end of an exit ends the other one and the rest of the entry.
"""

from datetime import datetime
from decimal import Decimal

from services.contracts.orders import VenueOrderId
from services.matching.book import Register
from services.matching.happenings import Canceled, CancelReason, Expired, Happening, LegActivated, Resized
from services.matching.orders import WorkingOrder


class Effects:
    """Changes orders during one call and collects what happens.

    Attributes:
        at: The moment of what happens next.
        told: What happened, in order.
    """

    def __init__(self, register: Register, at: datetime) -> None:
        self.at = at
        self.told: list[Happening] = []
        self._register = register

    def works(self, order: WorkingOrder) -> bool:
        """Whether the order has not ended."""
        return order.order_id in self._register.orders

    def can_trade(self, order: WorkingOrder) -> bool:
        """Whether it has not ended and has shares that can trade."""
        return order.open > 0 and self.works(order)

    def cancel(self, order: WorkingOrder, reason: CancelReason) -> None:
        """End an order, with what that means for its group."""
        self._drop(order, reason)
        if order.links is None:
            return
        if order.is_entry:
            self.shrink_exits(order)
            return
        for order_id in (order.links.target, order.links.stop, order.links.entry):
            other = self._order(order_id)
            if other is not None:
                self._drop(other, CancelReason.PARTNER_ENDED)

    def expire(self, order: WorkingOrder) -> None:
        """End an order because its time is up; the group is the caller's to look after."""
        self._register.drop(order)
        self.told.append(Expired(order_id=order.order_id, at=self.at))

    def exits(self, entry: WorkingOrder) -> list[WorkingOrder]:
        """The exits of an entry that work or are held, the stop first."""
        if entry.links is None:
            return []
        found = (self._order(entry.links.stop), self._order(entry.links.target))
        return [each for each in found if each is not None]

    def shrink_exits(self, entry: WorkingOrder) -> None:
        """Cut the exits of an entry that has ended down to what it filled; cancel those that have nothing to do."""
        for leg in self.exits(entry):
            if leg.open <= 0:
                self._drop(leg, CancelReason.ENTRY_ENDED)
            elif leg.held:
                leg.quantity -= leg.held
                leg.held = Decimal(0)
                self._tell_size(leg)

    def resize_exits(self, entry: WorkingOrder, by: Decimal) -> None:
        """Let the exits be for as many shares more as the entry is; `by` is negative for fewer."""
        for leg in self.exits(entry) if by else ():
            leg.quantity += by
            leg.held += by
            self._tell_size(leg)

    def activate(self, leg: WorkingOrder, quantity: Decimal) -> None:
        """Let an exit work for as many shares more."""
        leg.held -= quantity
        if leg.works_from is None:
            self._register.work(leg, self.at)
        self.told.append(LegActivated(order_id=leg.order_id, at=self.at, working=leg.open))

    def take_off_partner(self, leg: WorkingOrder, quantity: Decimal) -> None:
        """Take what one exit has filled off the other one, which ends when nothing is left of it."""
        if leg.links is None:
            return
        partner = self._order(leg.links.stop if leg.order_id == leg.links.target else leg.links.target)
        if partner is None:
            return
        if partner.quantity - partner.filled <= quantity:
            self._drop(partner, CancelReason.PARTNER_FILLED)
        else:
            partner.quantity -= quantity
            self._tell_size(partner)

    def _drop(self, order: WorkingOrder, reason: CancelReason) -> None:
        self._register.drop(order)
        self.told.append(Canceled(order_id=order.order_id, at=self.at, reason=reason))

    def _tell_size(self, order: WorkingOrder) -> None:
        self.told.append(Resized(order_id=order.order_id, at=self.at, quantity=order.quantity))

    def _order(self, order_id: VenueOrderId | None) -> WorkingOrder | None:
        return None if order_id is None else self._register.orders.get(order_id)
