"""The matching core's face: orders, bars and the calendar's events go in, happenings come out."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from services.contracts.market import Bar, Symbol
from services.contracts.orders import VenueOrderId
from services.matching.costs import Costs
from services.matching.happenings import Happening
from services.matching.orders import WorkingOrder
from services.matching.rules import Rules


class Matcher:
    """A book of orders for any number of symbols. No accounts, no clock, not thread-safe: the caller takes turns.

    Calls decide in the order in which they are made: a cancel that comes before the bar that would have filled the
    order wins, one that comes after it is refused.
    """

    def __init__(self, costs: Costs, rules: Rules, *, first_execution: int = 1) -> None:
        raise NotImplementedError

    def submit(self, order: WorkingOrder, at: datetime) -> list[Happening]:
        """Work an order. `Accepted` or `Rejected` comes first, then what the order does at once."""
        raise NotImplementedError

    def submit_bracket(
        self, entry: WorkingOrder, target: WorkingOrder, stop: WorkingOrder, at: datetime
    ) -> list[Happening]:
        """Work an entry with its exits, which are held until it fills: as many shares as it has filled."""
        raise NotImplementedError

    def submit_oco(self, target: WorkingOrder, stop: WorkingOrder, at: datetime) -> list[Happening]:
        """Work two exits for a position that is held. What one fills is taken off the other."""
        raise NotImplementedError

    def cancel(self, order_id: VenueOrderId, at: datetime) -> list[Happening]:
        """Take an order out, and what depends on it; `Refused` if it does not work."""
        raise NotImplementedError

    def replace(self, order_id: VenueOrderId, new_order: WorkingOrder, at: datetime) -> list[Happening]:
        """Work other terms instead; the new order's quantity includes what the old one has filled."""
        raise NotImplementedError

    def on_bar(self, bar: Bar) -> list[Happening]:
        """What the bar does to the symbol's orders that began to work at or before its start."""
        raise NotImplementedError

    def end_of_session(self, at: datetime) -> list[Happening]:
        """Let day orders expire, and immediate ones that found no bar."""
        raise NotImplementedError

    def halt(self, symbol: Symbol, at: datetime) -> list[Happening]:
        """Let nothing of the symbol trade or trigger; immediate orders that wait for a bar are canceled."""
        raise NotImplementedError

    def resume(self, symbol: Symbol, at: datetime) -> None:
        """Let the symbol trade again, in bars that start then or later."""
        raise NotImplementedError

    def split(self, symbol: Symbol, ratio: Decimal, at: datetime) -> list[Happening]:
        """Make `ratio` new shares of each old one: 2 for two for one, 0.1 for one for ten."""
        raise NotImplementedError

    def restore(self, orders: Iterable[WorkingOrder]) -> None:
        """Take orders back as they stood in another `Matcher`; nothing happens by it."""
        raise NotImplementedError

    def get(self, order_id: VenueOrderId) -> WorkingOrder | None:
        """The order if it works or is held, to look at; None if it is unknown or has ended."""
        raise NotImplementedError

    def working(self, symbol: Symbol | None = None) -> list[WorkingOrder]:
        """All orders that work or are held, in time priority, to look at."""
        raise NotImplementedError

    def last_price(self, symbol: Symbol) -> Decimal | None:
        """The close of the last bar, adjusted for splits since; None before the first."""
        raise NotImplementedError
