"""Circuits over a restart: a venue that failed before is not hammered by the next process."""

import logging
from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from services.contracts.orders import VenueName
from services.trading.desk.tables import VENUE_CIRCUITS
from services.trading.routing.circuit import Circuit, restored, stored

_log = logging.getLogger("services.trading.desk.circuit_store")


def keep(connection: Connection, venue: VenueName, circuit: Circuit) -> None:
    """Write a venue's circuit down, in the transaction that states its change."""
    values = {"circuit": stored(circuit)}
    changed = connection.execute(update(VENUE_CIRCUITS).where(VENUE_CIRCUITS.c.venue == venue).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(VENUE_CIRCUITS).values(venue=venue, **values))


def kept(connection: Connection, venues: Iterable[VenueName]) -> dict[VenueName, Circuit]:
    """The circuits that are known of these venues; one that cannot be read is left out, and the log says so."""
    found = {}
    for row in connection.execute(select(VENUE_CIRCUITS).where(VENUE_CIRCUITS.c.venue.in_(list(venues)))):
        try:
            found[VenueName(row.venue)] = restored(row.circuit)
        except ValueError:
            _log.warning("the circuit that was kept of %s cannot be read; it begins closed", row.venue)
    return found
