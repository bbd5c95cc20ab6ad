"""The hand on a paper venue of ours."""

from datetime import datetime, timedelta
from decimal import Decimal

from services.contracts.market import Symbol
from services.venue.broker.accounts import PaperAccount
from tests.trading.conformance.rig import AtVenue, Call, Loss, Spoiled
from tests.venue.broker.serving import MovableClock, ServedVenue

_LONGEST_HANG_SECONDS = 5.0


class ServedSide:
    """Implements `VenueSide`."""

    def __init__(self, served: ServedVenue) -> None:
        self.served = served
        self.clock: MovableClock = served.clock

    def orders(self) -> list[AtVenue]:
        found = self.served.do(lambda: list(self.served.venue.books.orders_of(self._account.account_id)))
        return [
            AtVenue(each.client_order_id, each.working, each.quantity, each.filled, each.limit_price)
            for each in found
            if each.parent is None
        ]

    def held(self, symbol: str) -> Decimal:
        return self._account.money.quantity(Symbol(symbol))

    def price(self, symbol: str, price: str) -> None:
        self.served.push(symbol, price)

    def lose_answer(self, call: Call, loss: Loss, *, acted: bool) -> None:
        when = "after" if acted else "before"
        self.served.fault(loss.value, on=[call.value], when=when, seconds=_LONGEST_HANG_SECONDS)

    def fill_next(self, *quantities: str) -> None:
        self.served.fault("partial_fills", quantities=list(quantities), price="100", then_match=True)

    def fill(self, name: str, quantity: str, price: str) -> None:
        order = self.served.venue.books.order_of_client_id(self._account.account_id, name)
        assert order is not None
        self.served.fill(order.order_id, quantity, price)

    def cross_cancel(self, *, confirmed: bool) -> None:
        self.served.fault("fill_after_cancel" if confirmed else "fill_before_cancel", price="100")

    def cross_replace(self) -> None:
        self.served.fault("fill_before_replace", price="100")

    def spoil(self, spoiled: Spoiled, *, count: int | None = 1, skip: int = 0) -> None:
        self.served.fault(spoiled.value, count=count, skip=skip)

    def heal(self) -> None:
        self.served.clear_faults()

    def halt(self, symbol: str) -> None:
        self.served.halt(symbol)

    def split(self, symbol: str, ratio: str) -> None:
        self.served.split(symbol, ratio)

    def set_time(self, moment: datetime) -> None:
        self.clock.set_to(moment)
        self.served.tick()

    def set_clock_ahead(self, by: timedelta) -> None:
        def set_offset() -> None:
            self.served.venue.time.offset = by

        self.served.do(set_offset)

    @property
    def _account(self) -> PaperAccount:
        account = self.served.venue.books.account_of_key(self.served.key_id)
        assert account is not None
        return account
