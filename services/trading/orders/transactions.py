"""What the rooms of trading need of a database: state and the facts about it in one commit."""

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection

from services.contracts.events import Event
from services.contracts.ids import EventId


class Transaction(Protocol):
    """An open transaction; `services.kit.facts.Transaction` is one."""

    @property
    def connection(self) -> Connection:
        """For statements."""

    def record(self, event: Event) -> EventId:
        """State a fact; it is spoken of only once the transaction has committed."""


class Transactions(Protocol):
    """Opens transactions; `services.kit.facts.Facts` is one."""

    def transaction(self, *, durable: bool = False) -> AbstractContextManager[Transaction]:
        """Commits at the end of the block, rolls back when it raises; durable commits survive a power cut."""

    def sync(self) -> None:
        """Return when all that was committed before would survive a power cut; shared by those who call it at once."""


class Readings(Protocol):
    """Opens transactions that only read; `services.kit.database.Database` is one."""

    def reading(self) -> AbstractContextManager[Connection]:
        """One consistent view; nothing can be written."""
