"""Follows the facts about orders on the bus: whether they add up, and what strategies' trades come to."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection, case, delete, func, insert, select, update

from services.agents.ledger.trades import StrategyRecord
from services.agents.signals.sources import Sample, Track
from services.agents.tables import ORDERS, STRATEGIES
from services.contracts.events import Envelope
from services.contracts.market import Side
from services.contracts.trading import FillBooked, OrderEnded, OrderFilled
from services.kit.bus import Consumer
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.envelopes import opened
from services.kit.facts import Transaction
from services.kit.moments import microseconds

SETTLED_AFTER: Final = timedelta(seconds=30)
_FORGOTTEN_AFTER: Final = timedelta(days=1)
_SERVICE: Final = "trading"
# Names that orders of people and of the kill switch carry: what these bring is nobody's edge.
_NO_STRATEGIES: Final = frozenset({"operator", "kill-switch"})


class Ledger:
    """Keeps what the facts add up to; one consumer writes, the watch reads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def consumer(self) -> Consumer:
        """Follows fills and ends of orders."""
        return Consumer(
            name="ledger",
            event_types=(FillBooked.event_type, OrderFilled.event_type, OrderEnded.event_type),
            handler=self.take,
        )

    def take(self, tx: Transaction, envelope: Envelope) -> None:
        """Take a fact in. Facts about one order come in the order in which they happened."""
        if envelope.event_type == FillBooked.event_type:
            fill = opened(envelope, FillBooked)
            _note(tx.connection, fill, envelope.occurred_at, filled=fill.quantity)
            if fill.strategy not in _NO_STRATEGIES:
                _judge_strategy(tx.connection, fill)
        elif envelope.event_type == OrderFilled.event_type:
            filled = opened(envelope, OrderFilled)
            _note(tx.connection, filled, envelope.occurred_at, told=filled.quantity)
        else:
            ended = opened(envelope, OrderEnded)
            _note(tx.connection, ended, envelope.occurred_at, told=ended.filled)
        old = microseconds(self._clock.now() - _FORGOTTEN_AFTER)
        tx.connection.execute(delete(ORDERS).where(ORDERS.c.changed_at_us < old))

    def balance(self, _start: datetime, end: datetime, _step_seconds: float) -> list[Track]:
        """Orders that ended with another quantity than their fills add up to, by venue.

        A fill may be told after the order's end, so that an order counts from `SETTLED_AFTER` on.
        """
        unsettled = ORDERS.c.told.is_not(None) & (ORDERS.c.changed_at_us <= microseconds(end - SETTLED_AFTER))
        query = select(ORDERS.c.venue, func.sum(case((unsettled, 1), else_=0))).group_by(ORDERS.c.venue)
        with self._database.reading() as connection:
            counted = {row[0]: float(row[1] or 0) for row in connection.execute(query)}
        return [_track("venue", venue, count, end) for venue, count in sorted(counted.items())]

    def results(self, _start: datetime, end: datetime, _step_seconds: float) -> list[Track]:
        """How far each strategy's closed trades have fallen behind what its first ones brought."""
        with self._database.reading() as connection:
            rows = connection.execute(select(STRATEGIES.c.strategy, STRATEGIES.c.excess))
            return [_track("strategy", row.strategy, row.excess, end) for row in rows]


def _note(
    connection: Connection,
    fact: FillBooked | OrderFilled | OrderEnded,
    at: datetime,
    *,
    filled: Decimal = Decimal(0),
    told: Decimal | None = None,
) -> None:
    """Add what a fact says of an order, and forget the order once both sides agree."""
    same = ORDERS.c.order_id == fact.subject
    known = connection.execute(select(ORDERS.c.filled, ORDERS.c.told).where(same)).one_or_none()
    if known is not None:
        filled += Decimal(known.filled)
        told = Decimal(known.told) if told is None and known.told is not None else told
    if told == filled:
        connection.execute(delete(ORDERS).where(same))
        return
    values = {"filled": str(filled), "told": None if told is None else str(told), "changed_at_us": microseconds(at)}
    if known is None:
        connection.execute(insert(ORDERS).values(order_id=fact.subject, venue=fact.venue, **values))
    else:
        connection.execute(update(ORDERS).where(same).values(**values))


def _judge_strategy(connection: Connection, fill: FillBooked) -> None:
    kept = select(STRATEGIES.c.record).where(STRATEGIES.c.strategy == fill.strategy)
    known = connection.execute(kept).scalar_one_or_none()
    record = StrategyRecord.model_validate_json(known) if known is not None else StrategyRecord()
    record.fill(fill.symbol, fill.quantity if fill.side is Side.BUY else -fill.quantity, fill.price)
    values = {"record": record.model_dump_json(), "excess": record.excess}
    changed = connection.execute(update(STRATEGIES).where(STRATEGIES.c.strategy == fill.strategy).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(STRATEGIES).values(strategy=fill.strategy, **values))


def _track(label: str, value: str, amount: float, end: datetime) -> Track:
    return Track((("service_name", _SERVICE), (label, value)), (Sample(end.timestamp(), amount),))
