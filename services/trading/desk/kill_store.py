"""What the kill switch was told and what it did, on disk: so that a restart goes on with it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, delete, insert, select, update

from services.contracts.orders import VenueName
from services.kit.moments import microseconds, moment
from services.trading.desk.tables import KILL_SWITCH, KILL_SWITCH_VENUES
from services.trading.desk.views import KillReport, VenueKill

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

_LONGEST_REASON: Final = 400
_LONGEST_LEFT: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One pull of the kill switch. Its id and moment make the names of its orders."""

    halt_id: str
    actor: str
    reason: str
    flatten: bool
    pulled_at: datetime


def begin(connection: Connection, pull: Pull) -> None:
    """Note that the switch was pulled; a second time changes nothing."""
    if connection.execute(select(KILL_SWITCH.c.halt_id).where(KILL_SWITCH.c.halt_id == pull.halt_id)).first() is None:
        connection.execute(
            insert(KILL_SWITCH).values(
                halt_id=pull.halt_id,
                actor=pull.actor,
                reason=pull.reason[:_LONGEST_REASON],
                flatten=pull.flatten,
                pulled_at_us=microseconds(pull.pulled_at),
                done_at_us=None,
            )
        )


def end(connection: Connection, report: KillReport, at: datetime) -> None:
    """Note what was done; once it is there, a restart does not go on with it."""
    mine = KILL_SWITCH.c.halt_id == report.halt_id
    connection.execute(update(KILL_SWITCH).where(mine).values(done_at_us=microseconds(at)))
    connection.execute(delete(KILL_SWITCH_VENUES).where(KILL_SWITCH_VENUES.c.halt_id == report.halt_id))
    rows = [
        {
            "halt_id": report.halt_id,
            "venue": venue.venue,
            "canceled": venue.canceled,
            "flattened": venue.flattened,
            "flat": venue.flat,
            "left_over": venue.left[:_LONGEST_LEFT],
            "seconds": f"{venue.seconds:.6f}",
        }
        for venue in report.venues
    ]
    if rows:
        connection.execute(insert(KILL_SWITCH_VENUES), rows)


def unfinished(connection: Connection) -> Pull | None:
    """The newest pull, if it has no end."""
    row = _newest(connection)
    return None if row is None or row.done_at_us is not None else _pull(row)


def newest(connection: Connection) -> KillReport | None:
    """What the newest pull that ended did."""
    ended = KILL_SWITCH.c.done_at_us.is_not(None)
    query = select(KILL_SWITCH).where(ended).order_by(KILL_SWITCH.c.pulled_at_us.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    pull = _pull(row)
    venues = connection.execute(select(KILL_SWITCH_VENUES).where(KILL_SWITCH_VENUES.c.halt_id == pull.halt_id)).all()
    seconds = (moment(row.done_at_us) - pull.pulled_at).total_seconds()
    return report(pull, [_venue(each) for each in sorted(venues, key=lambda each: each.venue)], seconds)


def report(pull: Pull, venues: list[VenueKill], seconds: float) -> KillReport:
    """What a pull did, told as a whole."""
    return KillReport(
        halt_id=pull.halt_id,
        actor=pull.actor,
        reason=pull.reason,
        flatten=pull.flatten,
        pulled_at=pull.pulled_at,
        seconds=seconds,
        venues=tuple(venues),
    )


def _newest(connection: Connection) -> "Row[tuple[object, ...]] | None":
    return connection.execute(select(KILL_SWITCH).order_by(KILL_SWITCH.c.pulled_at_us.desc()).limit(1)).one_or_none()


def _pull(row: "Row[tuple[object, ...]]") -> Pull:
    return Pull(
        halt_id=row.halt_id,
        actor=row.actor,
        reason=row.reason,
        flatten=row.flatten,
        pulled_at=moment(row.pulled_at_us),
    )


def _venue(row: "Row[tuple[object, ...]]") -> VenueKill:
    return VenueKill(
        venue=VenueName(row.venue),
        canceled=row.canceled,
        flattened=row.flattened,
        flat=row.flat,
        left=row.left_over,
        seconds=float(row.seconds),
    )
