"""Times as the tables hold them: whole microseconds since the Unix epoch, exact and the same on every database."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Whole microseconds from the Unix epoch to an aware `moment`."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(count: int) -> datetime:
    """The aware UTC datetime `count` microseconds after the Unix epoch."""
    return _EPOCH + timedelta(microseconds=count)
