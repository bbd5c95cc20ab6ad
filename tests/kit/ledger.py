"""A small made-up service that tests state facts with."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from services.contracts.events import Event
from services.kit.instruments import Instrument, Measure
from telemetry.catalogue import ALERTS_RECEIVED, OUTBOX_OLDEST, WATCHDOG_LAST_SEEN


class EntryPosted(Event):
    event_type: ClassVar[str] = "ledger.entry_posted"

    number: int
    amount: Decimal = Decimal(1)
    severity: str = "info"
    status: str = "firing"


class BookClosed(Event):
    event_type: ClassVar[str] = "ledger.book_closed"

    closed_at: datetime


class PageTorn(Event):
    event_type: ClassVar[str] = "ledger.page_torn"


TABLE = (
    Instrument(
        event=EntryPosted,
        level="info",
        message="entry {number} of {amount} posted",
        fields=("number", "amount"),
        counters=(
            Measure(metric=ALERTS_RECEIVED, labels={"severity": "severity", "status": "status"}, value="amount"),
        ),
        gauges=(Measure(metric=OUTBOX_OLDEST, value="number"),),
    ),
    Instrument(
        event=BookClosed,
        level="warning",
        message="book closed",
        gauges=(Measure(metric=WATCHDOG_LAST_SEEN, value="closed_at"),),
    ),
)
