"""What a scenario needs of a venue: an adapter to speak to it, and a hand on the venue itself.

A new adapter passes the scenarios by one more entry in `adapters.ADAPTERS`: a function that sets the venue up (a server
of ours, or a stand-in for the broker's) and yields a `Rig`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from services.contracts.orders import VenueName
from services.trading.brokers.port import Broker, Streaming
from tests.venue.broker.serving import MovableClock

NAME = VenueName("alpha")


class Call(StrEnum):
    """A call that changes something."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    REPLACE = "replace"


class Loss(StrEnum):
    """How an answer is lost."""

    GATEWAY_TIMEOUT = "gateway_timeout"  # 504, or what the protocol has in its place
    DROPPED = "drop"
    SILENCE = "hang"
    GARBAGE = "garbage"


class Spoiled(StrEnum):
    """What is done to a frame of the stream."""

    DUPLICATE = "duplicate_frame"
    OVERTAKEN = "reorder_frames"
    DROPPED = "drop_frame"
    MUTE = "mute"
    UNKNOWN_STATUS = "frame_status"
    AFTER_GARBAGE = "garbage_frame"


@dataclass(frozen=True)
class AtVenue:
    """An order as the venue has it."""

    name: str
    works: bool
    quantity: Decimal
    filled: Decimal
    price: Decimal | None


class VenueSide(Protocol):
    """The hand on the venue. AAPL trades at 100 dollars there, and what meets the last price is filled at once."""

    clock: MovableClock

    def orders(self) -> list[AtVenue]:
        """Every order that the venue has ever had, the oldest first."""

    def held(self, symbol: str) -> Decimal:
        """Shares in the account."""

    def price(self, symbol: str, price: str) -> None:
        """Trade at a price, in large volume."""

    def lose_answer(self, call: Call, loss: Loss, *, acted: bool) -> None:
        """Lose the answer to the next call of a kind, which is acted on before that or not."""

    def fill_next(self, *quantities: str) -> None:
        """Fill the next order in these parts, whatever its price; the rest waits for its price."""

    def fill(self, name: str, quantity: str, price: str) -> None:
        """Fill an order, in whatever state it is."""

    def cross_cancel(self, *, confirmed: bool) -> None:
        """Fill the order that the next cancel is for: once it is confirmed as canceled, or instead."""

    def cross_replace(self) -> None:
        """Fill the order that the next replacement is for, after that was answered with the new order."""

    def spoil(self, spoiled: Spoiled, *, count: int | None = 1, skip: int = 0) -> None:
        """Do that to the next frames; None for all of them."""

    def heal(self) -> None:
        """Let nothing go wrong any more."""

    def halt(self, symbol: str) -> None:
        """Suspend trading."""

    def split(self, symbol: str, ratio: str) -> None:
        """Each share becomes so many."""

    def set_time(self, moment: datetime) -> None:
        """Let it be that moment, for us and for the venue, and let the venue do what its passing brings."""

    def set_clock_ahead(self, by: timedelta) -> None:
        """Let the venue's clock go wrong."""


class Adapter(Broker, Streaming, Protocol):
    """What orders go through."""


@dataclass(frozen=True)
class Rig:
    """A venue that is set up.

    Attributes:
        adapter: By the name `NAME`.
        cut: From now on nothing reaches the venue, and the adapter can tell: no connection comes about.
        mend: It is reached again.
    """

    side: VenueSide
    adapter: Adapter
    cut: Callable[[], None]
    mend: Callable[[], None]


Build = Callable[[Path, datetime | None], AbstractContextManager[Rig]]
"""Sets a venue up in a directory. With a moment its exchange keeps its sessions and it is that moment, for us as well;
without one it is now, and always open.
"""
