"""Cancels and replacements, and the fills that cross them on their way."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from services.venue.broker.errors import UnprocessableError
from services.venue.broker.exchange import Exchange
from services.venue.broker.faults import Fault, FaultKind
from services.venue.broker.frames import News
from services.venue.broker.orders import PaperOrder, Status
from services.venue.broker.plan import one_of

Later = Callable[[float, Callable[[], None]], None]


@dataclass(frozen=True, slots=True)
class Races:
    """Carries cancels and replacements out, with what goes wrong.

    Attributes:
        later: Does something after so many seconds, and stores what it changed.
    """

    exchange: Exchange
    later: Later

    def cancel(self, order: PaperOrder, faults: list[Fault]) -> None:
        """Cancel an order, at once or not. Raises `UnprocessableError` if it has ended."""
        slow = one_of(faults, FaultKind.SLOW_CANCEL)
        before, after = one_of(faults, FaultKind.FILL_BEFORE_CANCEL), one_of(faults, FaultKind.FILL_AFTER_CANCEL)
        if slow is None and before is None:
            self.exchange.cancel(order)
            if after is not None:
                self._fill(order, after)
            return
        self.exchange.suspend(order, Status.PENDING_CANCEL, News.PENDING_CANCEL)

        def finish() -> None:
            if before is not None:
                self._fill(order, before)
            if order.working:
                self.exchange.cancel(order)
            if after is not None:
                self._fill(order, after)

        if slow is not None:
            self.later(slow.seconds or 0.0, finish)
        else:
            finish()

    def replace(self, order: PaperOrder, new: PaperOrder, faults: list[Fault]) -> None:
        """Replace an order, at once or not. Raises `UnprocessableError` if it has ended."""
        slow, before = one_of(faults, FaultKind.SLOW_REPLACE), one_of(faults, FaultKind.FILL_BEFORE_REPLACE)
        if slow is None and before is None:
            self.exchange.replace(order, new)
            return
        self.exchange.suspend(order, Status.PENDING_REPLACE, News.PENDING_REPLACE)
        self.exchange.announce(new)

        def finish() -> None:
            if before is not None:
                self._fill(order, before)
            if not new.working:  # it was canceled meanwhile
                self.exchange.resume_order(order)
            elif order.working:
                self._replace_late(order, new)
            else:
                self.exchange.reject(new)

        if slow is not None:
            self.later(slow.seconds or 0.0, finish)
        else:
            finish()

    def _replace_late(self, order: PaperOrder, new: PaperOrder) -> None:
        try:
            self.exchange.replace(order, new)
        except UnprocessableError:  # its customer has had an answer already
            self.exchange.reject(new)
            self.exchange.resume_order(order)

    def _fill(self, order: PaperOrder, fault: Fault) -> None:
        quantity = fault.quantities[0] if fault.quantities else order.rest
        if quantity > Decimal(0):
            self.exchange.fill_by_hand(order, quantity, fault.price)
