"""Latest prices, as whoever uses them sees them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from services.contracts.market import Symbol
from services.kit.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Mark:
    """The price of the latest trade, in dollars, and when that trade was. How old may be is for the reader to judge."""

    price: Decimal
    at: datetime


class PriceSource(Protocol):
    """Where the latest price of a symbol is known."""

    def last(self, symbol: Symbol) -> Mark | None:
        """The latest trade that is known; None when there is none, or nobody can say."""


class PricesUnavailableError(UnavailableError):
    """The prices could not be read; those from before stay, with their age."""

    code = "prices_unavailable"
    title = "The latest prices cannot be read"
