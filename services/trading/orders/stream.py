"""What venues' streams bring: each frame is kept as it came, and what it tells is worked in; none stops the next."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from services.contracts.orders import ClientOrderId, Source, VenueName
from services.contracts.trading import OrderIncidentKind
from services.kit.database_errors import DatabaseError
from services.trading.brokers.port import Told, Update
from services.trading.orders import frames
from services.trading.orders.hearing import Hearing
from services.trading.orders.journal import Journal

Within = Callable[[Update], AbstractContextManager[object]]
"""What an update is worked in within: a span of its own, or nothing."""

_log = logging.getLogger("services.trading.orders")
_WORDS: Final = 200


class StreamBook:
    """Works frames in. The frames of one venue come one after the other, those of several side by side.

    Args:
        writing: Opens a transaction on the book.
    """

    def __init__(self, writing: Callable[[], AbstractContextManager[Journal]]) -> None:
        self._writing = writing
        self._last: dict[VenueName, tuple[str, int]] = {}

    def updates(self, venue: VenueName, told: Sequence[Told], within: Within) -> None:
        """See `OrderBook.updates`."""
        with self._writing() as journal:
            for each in told:
                name = None
                if each.update is not None:
                    with within(each.update):
                        name = _work_in(journal, venue, each.update)
                frames.keep(journal.connection, venue, each.raw, journal.at, name)

    def frame(self, venue: VenueName, raw: str) -> int:
        """See `OrderBook.frame`."""
        with self._writing() as journal:
            frame_id = frames.keep(journal.connection, venue, raw, journal.at)
        self._last[venue] = (raw, frame_id)
        return frame_id

    def update(self, venue: VenueName, update: Update, raw: str) -> None:
        """See `OrderBook.update`."""
        frame_id = self._kept(venue, raw)
        try:
            with self._writing() as journal:
                name = _work_in(journal, venue, update)
                if name is not None:
                    frames.belongs_to(journal.connection, frame_id, name)
        except DatabaseError:
            raise  # nothing can be kept now; the frame is, and reconciliation makes up for what it told
        except Exception as error:  # noqa: BLE001 -- whatever one frame does, it is kept and the next one is handled
            _log.exception("a frame of %s could not be worked in; it is kept as number %d", venue, frame_id)
            self._quarantine(venue, frame_id, f"{type(error).__name__}: {error}", update.order.client_order_id)

    def unreadable(self, venue: VenueName, raw: str, problem: str) -> None:
        """See `OrderBook.unreadable`."""
        self._quarantine(venue, self._kept(venue, raw), problem, None)

    def _kept(self, venue: VenueName, raw: str) -> int:
        kept, frame_id = self._last.pop(venue, ("", 0))
        return frame_id if frame_id and kept == raw else self._keep_anew(venue, raw)

    def _keep_anew(self, venue: VenueName, raw: str) -> int:
        frame_id = self.frame(venue, raw)
        self._last.pop(venue, None)
        return frame_id

    def _quarantine(self, venue: VenueName, frame_id: int, problem: str, name: ClientOrderId | None) -> None:
        with self._writing() as journal:
            frames.quarantine(journal.connection, frame_id, problem, name)
            detail = f"frame {frame_id} is kept and was not handled: {problem[:_WORDS]}"
            journal.incident(venue, venue, OrderIncidentKind.UNREADABLE_FRAME, detail)


def _work_in(journal: Journal, venue: VenueName, update: Update) -> ClientOrderId | None:
    """Work in what is told; the order that it is about, None when it is none of ours."""
    hearing = Hearing(journal, venue, Source.STREAM)
    order = hearing.meant(update.order)
    if order is None:
        return None
    hearing.told(order, update.order, () if update.fill is None else (update.fill,))
    return order.client_order_id
