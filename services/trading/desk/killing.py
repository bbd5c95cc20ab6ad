"""The kill switch at one venue: cancel whatever works, close whatever is held, until the venue itself says so.

What there is to do is read off the venue in every round, never off our books, so it works when these are wrong or away.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from services.contracts.market import Symbol
from services.contracts.orders import ClientOrderId, OrderStatus, VenueOrderId
from services.kit.clock import Clock
from services.trading.brokers.port import (
    Broker,
    BulkCancel,
    CancelTaken,
    Rejected,
    Snapshot,
    VenueOrder,
    VenuePosition,
    VenueUnavailableError,
)
from services.trading.desk.closing import MOST_TRIES, Closing, KillBooks, closing_name
from services.trading.desk.kill_store import Pull
from services.trading.desk.views import VenueKill

_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 2.0
_GROWTH: Final = 1.5
_ASK_AGAIN_SECONDS: Final = 2.0
_AT_ONCE: Final = 8  # calls to one venue at a time
_LOOK_BACK: Final = timedelta(minutes=1)
_NAMED: Final = 5  # symbols that are told by name

_log = logging.getLogger("services.trading.desk.killing")


class VenueKiller:
    """Ends what one venue has of ours. For one run, on a thread of its own.

    Args:
        broker: The venue.
        books: Ours; may be away.
        quiet: Whether no submit to the venue is under way any more.
        clock: Measures the deadline.
        pause: Lets so many seconds pass.
        pull: What is asked for.
        resumed: The pull was begun by a process that ended: its closing orders may be at work.
        deadline_seconds: After this time the run ends with what it has.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        broker: Broker,
        books: KillBooks,
        *,
        quiet: Callable[[], bool],
        clock: Clock,
        pause: Callable[[float], object],
        pull: Pull,
        resumed: bool,
        deadline_seconds: float,
    ) -> None:
        self._broker = broker
        self._books = books
        self._quiet = quiet
        self._clock = clock
        self._pause = pause
        self._pull = pull
        self._deadline_seconds = deadline_seconds
        self._bulk = broker if isinstance(broker, BulkCancel) and not resumed else None
        self._closings: dict[Symbol, Closing] = {}
        self._names: dict[Symbol, frozenset[ClientOrderId]] = {}
        self._asked_at: dict[VenueOrderId, float] = {}
        self._canceled: set[VenueOrderId] = set()
        self._found: set[ClientOrderId] = set()
        self._left = "nothing was heard of it"

    def run(self) -> VenueKill:
        """Cancel and close until the venue confirms that nothing is left, or the deadline."""
        started = self._clock.monotonic()
        pause_seconds = _FIRST_PAUSE_SECONDS
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=f"kill-{self._broker.name}") as pool:
            while not (flat := self._round(pool)):
                if self._clock.monotonic() - started >= self._deadline_seconds:
                    break
                self._pause(pause_seconds)
                pause_seconds = min(pause_seconds * _GROWTH, _LONGEST_PAUSE_SECONDS)
        return VenueKill(
            venue=self._broker.name,
            canceled=len(self._canceled),
            flattened=len(self._closings),
            flat=flat,
            left="" if flat else self._left,
            seconds=self._clock.monotonic() - started,
        )

    def _round(self, pool: ThreadPoolExecutor) -> bool:
        """Look and act once; True when nothing is left."""
        try:
            self._cancel_at_once()
            quiet = self._quiet()  # before the snapshot: what has come back by now is in it
            asked_at = self._clock.now()
            snapshot = self._broker.snapshot(self._pull.pulled_at - _LOOK_BACK)
            return self._act(pool, snapshot, asked_at, quiet=quiet)
        except VenueUnavailableError as error:
            self._left = error.detail
        except Exception as error:  # noqa: BLE001 -- a fault of ours in one round must not end the pull
            _log.exception("a round of the kill switch at %s failed", self._broker.name)
            self._left = f"a fault of ours, see the log: {type(error).__name__}"
        return False

    def _cancel_at_once(self) -> None:
        bulk, self._bulk = self._bulk, None  # once, and then one by one: our closing orders must not be cancelled
        if bulk is not None:
            self._canceled.update(self._books.at_work(self._broker.name))
            bulk.cancel_all()

    def _act(self, pool: ThreadPoolExecutor, snapshot: Snapshot, asked_at: datetime, *, quiet: bool) -> bool:
        orders = tuple(_with_legs(snapshot.orders))
        self._note_canceled(orders)
        others = [order for order in orders if _works(order) and not self._is_closing(order)]
        held = [position for position in snapshot.positions if position.quantity] if self._pull.flatten else []
        lost = [name for name in self._books.unknown(self._broker.name) if self._turned_up(name)]
        if not others and not held and not lost and quiet:
            self._books.agree(self._broker.name, snapshot, asked_at)
            return True
        list(pool.map(self._cancel, [order for order in others if self._is_due(order)]))
        on_offer = {order.symbol for order in others}  # what is on offer cannot be sold a second time
        known = {order.client_order_id: order for order in orders if order.client_order_id is not None}
        free = [position for position in held if position.symbol not in on_offer]
        problems = list(pool.map(partial(self._close, known=known), free))
        self._left = _in_words(others, held, [problem for problem in problems if problem], lost, quiet=quiet)
        return False

    def _cancel(self, order: VenueOrder) -> None:
        outcome = self._broker.cancel(order.venue_order_id)
        self._canceled.add(order.venue_order_id)
        if isinstance(outcome, CancelTaken | Rejected):  # rejected: it has ended, as the next look shows
            self._asked_at[order.venue_order_id] = self._clock.monotonic()
        else:
            _log.warning("a cancel at %s had no answer and is sent again: %s", self._broker.name, outcome.reason)

    def _is_due(self, order: VenueOrder) -> bool:
        asked_at = self._asked_at.get(order.venue_order_id)
        return asked_at is None or self._clock.monotonic() - asked_at >= _ASK_AGAIN_SECONDS

    def _note_canceled(self, orders: Sequence[VenueOrder]) -> None:
        for order in orders:
            if order.status is OrderStatus.FILLED:
                self._canceled.discard(order.venue_order_id)
            elif order.status is OrderStatus.CANCELED and order.updated_at >= self._pull.pulled_at:
                self._canceled.add(order.venue_order_id)

    def _close(self, position: VenuePosition, *, known: dict[ClientOrderId, VenueOrder]) -> str:
        closing = self._closings.get(position.symbol)
        if closing is None:
            closing = Closing(self._broker, self._books, self._clock, self._pull, position.symbol)
            self._closings[position.symbol] = closing
        try:
            return closing.step(position, known)
        except VenueUnavailableError as error:
            return f"{position.symbol}: {error.detail}"
        except Exception as error:  # noqa: BLE001 -- one position's fault must leave no other open
            _log.exception("closing %s at %s failed", position.symbol, self._broker.name)
            return f"{position.symbol}: a fault of ours, see the log: {type(error).__name__}"

    def _is_closing(self, order: VenueOrder) -> bool:
        names = self._names.get(order.symbol)
        if names is None:
            venue, numbers = self._broker.name, range(MOST_TRIES)
            names = frozenset(closing_name(self._pull, venue, order.symbol, number) for number in numbers)
            self._names[order.symbol] = names
        return order.client_order_id in names

    def _turned_up(self, name: ClientOrderId) -> bool:
        """Whether an order that was unknown is there after all, and no look was taken since."""
        if name in self._found or self._broker.find(name) is None:
            return False
        self._found.add(name)
        return True


def _with_legs(orders: Iterable[VenueOrder]) -> Iterator[VenueOrder]:
    for order in orders:
        yield order
        yield from _with_legs(order.legs)


def _works(order: VenueOrder) -> bool:
    return order.status is None or not order.status.terminal


def _in_words(
    others: Sequence[VenueOrder],
    held: Sequence[VenuePosition],
    problems: Sequence[str],
    lost: Sequence[ClientOrderId],
    *,
    quiet: bool,
) -> str:
    parts = [
        f"{len(others)} orders still work ({_named(order.symbol for order in others)})" if others else "",
        f"{len(held)} positions are still held ({_named(position.symbol for position in held)})" if held else "",
        f"{len(lost)} orders of unknown fate were found there" if lost else "",
        "" if quiet else "a submit is still under way",
        *problems[:_NAMED],
    ]
    return "; ".join(part for part in parts if part)


def _named(symbols: Iterable[Symbol]) -> str:
    unique = sorted(set(symbols))
    more = len(unique) - _NAMED
    return ", ".join(unique[:_NAMED]) + (f" and {more} more" if more > 0 else "")
