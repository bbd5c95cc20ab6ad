"""How Alpaca writes numbers and times: decimals as strings without trailing zeros, times as RFC 3339 in UTC."""

from datetime import UTC, datetime
from decimal import Decimal


def decimal_text(number: Decimal) -> str:
    """`Decimal("100.50")` as "100.5", `Decimal("1E+2")` as "100"."""
    return format(number.normalize(), "f") if number else "0"


def optional_decimal(number: Decimal | None) -> str | None:
    """The same; None stays None."""
    return None if number is None else decimal_text(number)


def time_text(moment: datetime) -> str:
    """`2026-03-02T12:00:00.000001Z`."""
    return moment.isoformat().replace("+00:00", "Z")


def optional_time(moment: datetime | None) -> str | None:
    """The same; None stays None."""
    return None if moment is None else time_text(moment)


def read_time(text: str) -> datetime:
    """An aware UTC datetime from RFC 3339 or a date; without a zone it is UTC. Raises `ValueError`."""
    # A plus sign that was not escaped in a query arrives as a space.
    found = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error
