"""Messages wait in the database until their channel took them: paced, put together, tried again, given up at last."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, update

from services.automation.notifications.channels import Channel, NotificationFailedError
from services.automation.notifications.words import EVENT_TYPES, Message, message_of, together
from services.automation.tables import NOTIFICATIONS
from services.contracts.events import Envelope
from services.contracts.notifications import NotificationFailed, NotificationSent, NotificationUndelivered
from services.kit.bus import Consumer
from services.kit.clock import Clock
from services.kit.facts import Facts, Transaction
from services.kit.moments import microseconds, moment
from telemetry.emit.redaction import Redactor

GIVEN_UP_AFTER: Final = timedelta(hours=24)
"""A message that no channel took for so long is of no use any more."""

_WAITING, _SENT, _UNDELIVERED = "waiting", "sent", "undelivered"
_MOST_TOGETHER: Final = 20
_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=10)
_MOST_DOUBLINGS: Final = 8
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast messages go.

    Attributes:
        group: How long a message that is not urgent waits for others.
        per_minute: Most sendings a minute to each channel.
    """

    group: timedelta
    per_minute: int


class NotificationDesk:
    """Takes messages in and sends them. Its methods block.

    A message goes at least once: if the process ends after a channel took it and before that is noted, it goes again.
    """

    def __init__(self, channels: Sequence[Channel], facts: Facts, clock: Clock, redactor: Redactor, pace: Pace) -> None:
        self._channels, self._facts, self._clock = tuple(channels), facts, clock
        self._redactor, self._pace = redactor, pace
        self._went: dict[str, deque[datetime]] = {channel.name: deque() for channel in channels}

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels' names."""
        return tuple(self._went)

    def take(self, tx: Transaction, message_id: str, message: Message) -> None:
        """Note a message for every channel; one that was noted before stays as it is."""
        now = self._clock.now()
        known = select(NOTIFICATIONS.c.channel).where(NOTIFICATIONS.c.message_id == message_id)
        before = set(tx.connection.execute(known).scalars())
        due = now if message.urgent else now + self._pace.group
        rows = [
            {
                "message_id": message_id,
                "channel": name,
                "title": self._redactor.text(message.title),
                "body": self._redactor.text(message.body),
                "status": _WAITING,
                "attempts": 0,
                "queued_at_us": microseconds(now),
                "due_at_us": microseconds(due),
            }
            for name in self.channels
            if name not in before
        ]
        if rows:
            tx.connection.execute(insert(NOTIFICATIONS), rows)

    def send_due(self) -> int:
        """Send what is due, at most one message to each channel, which holds everything that waits for it; how many."""
        return sum(self._send(channel) for channel in self._channels)

    def waiting(self) -> dict[str, tuple[int, float]]:
        """For each channel how many messages wait, and the age in seconds of the oldest."""
        query = select(NOTIFICATIONS.c.channel, func.count(), func.min(NOTIFICATIONS.c.queued_at_us))
        query = query.where(NOTIFICATIONS.c.status == _WAITING).group_by(NOTIFICATIONS.c.channel)
        now = self._clock.now()
        with self._facts.transaction() as tx:
            found = {row[0]: (row[1], (now - moment(row[2])).total_seconds()) for row in tx.connection.execute(query)}
        return {name: found.get(name, (0, 0.0)) for name in self.channels}

    def _send(self, channel: Channel) -> int:
        now, went = self._clock.now(), self._went[channel.name]
        while went and now - went[0] >= _MINUTE:
            went.popleft()
        if len(went) >= self._pace.per_minute:
            return 0
        with self._facts.transaction() as tx:
            rows = _waiting(tx.connection, channel.name)
        if not any(moment(row["due_at_us"]) <= now for row in rows):
            return 0
        title, body = together([(row["title"], row["body"]) for row in rows])
        went.append(now)
        try:
            channel.send(title, body)
        except NotificationFailedError as error:
            self._failed(channel.name, rows, error.detail)
            return 0
        with self._facts.transaction() as tx:
            _set(tx.connection, channel.name, rows, status=_SENT, ended_at_us=microseconds(self._clock.now()))
            tx.record(NotificationSent(subject=channel.name, channel=channel.name, count=len(rows), title=title))
        return len(rows)

    def _failed(self, name: str, rows: Sequence[RowMapping], reason: str) -> None:
        now = self._clock.now()
        old = [row for row in rows if now - moment(row["queued_at_us"]) >= GIVEN_UP_AFTER]
        attempts = max(row["attempts"] for row in rows) + 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, _MOST_DOUBLINGS))
        with self._facts.transaction() as tx:
            _set(tx.connection, name, rows, attempts=attempts, due_at_us=microseconds(now + pause))
            shared = {"subject": name, "channel": name}
            tx.record(NotificationFailed(**shared, count=len(rows), attempt=attempts, reason=reason))
            if old:
                _set(tx.connection, name, old, status=_UNDELIVERED, ended_at_us=microseconds(now))
                tx.record(
                    NotificationUndelivered(**shared, count=len(old), title=old[0]["title"], reason=reason),
                )


def notifying_consumer(desk: NotificationDesk) -> Consumer:
    """Notes a message for each event that a person is told about."""

    def note(tx: Transaction, envelope: Envelope) -> None:
        desk.take(tx, envelope.event_id, message_of(envelope))

    return Consumer(name="notify", event_types=EVENT_TYPES, handler=note)


def _waiting(connection: Connection, channel: str) -> Sequence[RowMapping]:
    query = select(NOTIFICATIONS).where(NOTIFICATIONS.c.channel == channel, NOTIFICATIONS.c.status == _WAITING)
    oldest = query.order_by(NOTIFICATIONS.c.queued_at_us, NOTIFICATIONS.c.message_id).limit(_MOST_TOGETHER)
    return connection.execute(oldest).mappings().all()


def _set(connection: Connection, channel: str, rows: Sequence[RowMapping], **values: object) -> None:
    same: ColumnElement[bool] = NOTIFICATIONS.c.message_id.in_([row["message_id"] for row in rows])
    connection.execute(update(NOTIFICATIONS).where(NOTIFICATIONS.c.channel == channel, same).values(values))
