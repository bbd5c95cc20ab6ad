"""Reads what Alpaca tells in pages."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from services.trading.brokers.alpaca_fields import Document, documents_in, text_at, time_at
from services.trading.brokers.alpaca_words import time_text
from services.trading.brokers.port import VenueUnavailableError

_ORDERS_A_PAGE: Final = 500
_FILLS_A_PAGE: Final = 100
_STEP: Final = timedelta(microseconds=1)
_OPEN: Final = "open"
_SEVERAL_LEGGED: Final = "mleg"


class Getting(Protocol):
    """What is needed of alpaca-py's client."""

    def get(self, path: str, data: dict[str, Any]) -> Any:  # noqa: ANN401 -- whatever JSON holds
        """The answer to one question."""


def orders(client: Getting, status: str, *, after: datetime | None = None) -> Iterator[Document]:
    """Orders of a status ("open", "all"), the oldest submission first, each once.

    The legs of an order are inside it, but not among those that are open: there the entry of an open leg, being filled
    itself, would be left out and the leg with it.

    Option orders of several legs are passed over: they have neither symbol nor side, and we place none.
    """
    seen: set[str] = set()
    while True:
        query = {"status": status, "limit": str(_ORDERS_A_PAGE), "direction": "asc"}
        query["nested"] = "false" if status == _OPEN else "true"
        if after is not None:
            query["after"] = time_text(after)
        page = documents_in(client.get("/orders", query))
        fresh = [document for document in page if text_at(document, "id") not in seen]
        seen.update(text_at(document, "id") for document in fresh)
        yield from (document for document in fresh if document.get("order_class") != _SEVERAL_LEGGED)
        if len(page) < _ORDERS_A_PAGE:
            return
        if not fresh:
            raise VenueUnavailableError(f"It has more than {_ORDERS_A_PAGE} orders of one moment; cancel some by hand.")
        # "after" leaves out the moment itself, and several orders may be of one moment: look at it again.
        after = time_at(page[-1], "submitted_at") - _STEP


def fills(client: Getting, after: datetime) -> Iterator[Document]:
    """Fills among the account's activities, the oldest first."""
    query = {"after": time_text(after), "direction": "asc", "page_size": str(_FILLS_A_PAGE)}
    while True:
        page = documents_in(client.get("/account/activities/FILL", dict(query)))
        yield from page
        if len(page) < _FILLS_A_PAGE:
            return
        query["page_token"] = text_at(page[-1], "id")
