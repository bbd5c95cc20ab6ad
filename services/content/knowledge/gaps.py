"""Reads and writes the signatures that no entry answers."""

from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from services.content.knowledge.sightings import Sighting
from services.content.knowledge.tables import FOLLOWED, GAPS
from services.contracts.knowledge import Gap
from services.kit.moments import microseconds, moment

MOST_GAPS = 2_000  # a flood of strange errors ends somewhere: what was met longest ago goes first

_LOG = "log"


def note(connection: Connection, sighting: Sighting, *, now: datetime) -> bool:
    """Count an error that nothing answers; True when it was never met before."""
    signature, at = sighting.signature, microseconds(now)
    dialect = postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = dialect(GAPS).values(
        gap_id=signature.id,
        signature=signature.template,
        example=signature.text,
        venue=signature.venue,
        http_status=signature.http_status,
        code=signature.code,
        source=sighting.source,
        service_name=sighting.service_name,
        sightings=sighting.sightings,
        first_seen_at_us=at,
        last_seen_at_us=at,
    )
    met_again = {
        "sightings": GAPS.c.sightings + sighting.sightings,
        "last_seen_at_us": at,
        "example": signature.text,
    }
    counted = statement.on_conflict_do_update(index_elements=["gap_id"], set_=met_again)
    if connection.execute(counted.returning(GAPS.c.sightings)).scalar_one() > sighting.sightings:
        return False
    _keep_most_met(connection)
    return True


def listing(connection: Connection, *, limit: int) -> list[Gap]:
    """Gaps, the one met most often first."""
    query = select(GAPS).order_by(GAPS.c.sightings.desc(), GAPS.c.last_seen_at_us.desc(), GAPS.c.gap_id).limit(limit)
    return [_gap(row) for row in connection.execute(query).mappings()]


def all_of(connection: Connection) -> list[Gap]:
    """Every gap."""
    return listing(connection, limit=MOST_GAPS)


def count(connection: Connection) -> int:
    """How many gaps there are."""
    return connection.execute(select(func.count()).select_from(GAPS)).scalar_one()


def forget(connection: Connection, gap_ids: list[str]) -> None:
    """Take away gaps that an entry answers by now."""
    connection.execute(delete(GAPS).where(GAPS.c.gap_id.in_(gap_ids)))


def followed_until(connection: Connection) -> datetime | None:
    """Up to when the log's error lines were looked at; None before the first look."""
    at = connection.execute(select(FOLLOWED.c.until_us).where(FOLLOWED.c.name == _LOG)).scalar_one_or_none()
    return None if at is None else moment(at)


def set_followed_until(connection: Connection, until: datetime) -> None:
    """Store up to when they were."""
    at = microseconds(until)
    if connection.execute(update(FOLLOWED).where(FOLLOWED.c.name == _LOG).values(until_us=at)).rowcount == 0:
        connection.execute(insert(FOLLOWED).values(name=_LOG, until_us=at))


def _keep_most_met(connection: Connection) -> None:
    # The newest is one of those met least, and must not be the one that goes.
    order = (GAPS.c.last_seen_at_us.desc(), GAPS.c.sightings.desc(), GAPS.c.gap_id)
    beyond = select(GAPS.c.gap_id).order_by(*order).offset(MOST_GAPS).limit(MOST_GAPS)
    forget(connection, list(connection.execute(beyond).scalars()))


def _gap(row: RowMapping) -> Gap:
    fields = dict(row)
    return Gap(
        id=fields.pop("gap_id"),
        first_seen_at=moment(fields.pop("first_seen_at_us")),
        last_seen_at=moment(fields.pop("last_seen_at_us")),
        **fields,
    )
