"""Brings venues back to where they stood when they were stopped."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from services.kit.database import Database
from services.venue.broker import storing
from services.venue.broker.venue import PaperVenue

MIGRATIONS: Final = Path(__file__).parents[1] / "migrations" / "versions"


def load(database: Database, venues: Iterable[PaperVenue]) -> None:
    """Fill new venues with what is stored of them. Raises `DatabaseError`."""
    for venue in venues:
        with database.reading() as connection:
            instruments = storing.load(connection, venue.name, venue.books)
        venue.exchange.open(instruments)
