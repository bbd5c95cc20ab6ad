"""Which messages were handed in, kept for good: a signed call never expires, and a row is forty bytes."""

from enum import StrEnum

from sqlalchemy import Connection, insert, select

from services.auth.tables import SMS_SEEN


class Channel(StrEnum):
    """How a message came."""

    WEBHOOK = "webhook"
    POLLING = "polling"


def claim(connection: Connection, message_id: str, channel: Channel) -> bool:
    """Note that a message came this way; False when it did before. Polling also yields to the webhook.

    Raises:
        IntegrityError: Another transaction claims it at this moment; then this one undoes itself.
    """
    mine = select(SMS_SEEN.c.message_id).where(SMS_SEEN.c.message_id == message_id)
    if channel is Channel.WEBHOOK:
        mine = mine.where(SMS_SEEN.c.channel == channel)
    if connection.execute(mine).first() is not None:
        return False
    connection.execute(insert(SMS_SEEN).values(message_id=message_id, channel=channel))
    return True
