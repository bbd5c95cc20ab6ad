"""What the platform tells people by itself, and whether it reached them."""

from typing import ClassVar

from pydantic import PositiveInt

from services.contracts.events import Event


class _NotificationFact(Event):
    """The subject is the channel.

    Attributes:
        count: How many messages; those that wait together go as one.
    """

    channel: str
    count: PositiveInt


class NotificationSent(_NotificationFact):
    """A channel took messages."""

    event_type: ClassVar[str] = "notifications.notification_sent"

    title: str


class NotificationFailed(_NotificationFact):
    """A channel did not take messages; it is tried again."""

    event_type: ClassVar[str] = "notifications.notification_failed"

    attempt: PositiveInt
    reason: str


class NotificationUndelivered(_NotificationFact):
    """A channel took messages neither at once nor later; nobody tries any more."""

    event_type: ClassVar[str] = "notifications.notification_undelivered"

    title: str
    reason: str
