"""Single fields of what Alpaca sends. A field that is not what its reference says is an error that names it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from services.contracts.orders import VenueOrderId

Document = Mapping[str, Any]


class UnreadableError(ValueError):
    """A document of the venue's is not what its reference says. The message names the field."""


def documents_in(told: object) -> list[Document]:
    """A list of objects. Raises `UnreadableError`."""
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise UnreadableError("not a list of objects")
    return told


def document_in(told: object) -> Document:
    """One object. Raises `UnreadableError`."""
    if not isinstance(told, dict):
        raise UnreadableError("not an object")
    return told


def text_at(document: Document, name: str) -> str:
    """Text that is not empty. Raises `UnreadableError`."""
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise UnreadableError(f"{name} is missing or no text")
    return value


def decimal_at(document: Document, name: str) -> Decimal:
    """A finite number, as text or exact. Raises `UnreadableError`."""
    value = document.get(name)
    try:
        number = Decimal(value) if isinstance(value, str | int | Decimal) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise UnreadableError(f"{name} is missing or no number")
    return number


def optional_decimal_at(document: Document, name: str) -> Decimal | None:
    """The same; None stays None. Raises `UnreadableError`."""
    value = document.get(name)
    return None if value is None or value == "" else decimal_at(document, name)


def optional_id_at(document: Document, name: str) -> VenueOrderId | None:
    """The id of an order; None stays None. Raises `UnreadableError`."""
    return None if document.get(name) is None else VenueOrderId(text_at(document, name))


def time_at(document: Document, name: str) -> datetime:
    """RFC 3339 as an aware moment in UTC. Raises `UnreadableError`."""
    try:
        # Alpaca sends nanoseconds; what is finer than a microsecond is cut off.
        moment = datetime.fromisoformat(text_at(document, name))
    except ValueError as error:
        raise UnreadableError(f"{name} is no time") from error
    if moment.tzinfo is None:
        raise UnreadableError(f"{name} has no time zone")
    return moment.astimezone(UTC)


def first_time_at(document: Document, *names: str) -> datetime:
    """The first of several times that is there. Raises `UnreadableError`."""
    return time_at(document, next((name for name in names if document.get(name)), names[0]))
