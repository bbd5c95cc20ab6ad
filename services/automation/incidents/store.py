"""Reads and writes of incidents, always inside the caller's transaction."""

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update

from services.automation.tables import INCIDENT_CAUSES, INCIDENT_CHANGES, INCIDENTS
from services.contracts.incidents import IncidentChange, IncidentSeverity, IncidentStatus, IncidentView
from services.kit.moments import microseconds, moment

OVER = tuple(status.value for status in IncidentStatus if status.over)


def one_at_a_time(connection: Connection) -> None:
    """Until the caller's transaction ends, nobody else opens or joins an incident: two would be opened about one thing.

    SQLite has one writer and needs no lock.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('incidents', 2))"))


def add(connection: Connection, values: dict[str, Any]) -> None:
    """A new incident; `values` by column."""
    connection.execute(insert(INCIDENTS).values(values))


def by_cause(connection: Connection, cause_id: str) -> str | None:
    """The incident that took this cause in."""
    query = select(INCIDENT_CAUSES.c.incident_id).where(INCIDENT_CAUSES.c.cause_id == cause_id)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def under_way(connection: Connection, target: str, now: datetime, within: timedelta) -> str | None:
    """The newest incident about `target` that is not over, or began to be taken care of within the time."""
    query = (
        select(INCIDENTS.c.incident_id)
        .where(
            INCIDENTS.c.target == target,
            INCIDENTS.c.status.not_in(OVER),
            INCIDENTS.c.detected_at_us > microseconds(now - within),
        )
        .order_by(INCIDENTS.c.detected_at_us.desc())
        .limit(1)
    )
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def take_in(connection: Connection, incident_id: str, cause_id: str, run_id: str) -> None:
    """Note that the incident is about this cause too, and which run takes care of it."""
    connection.execute(insert(INCIDENT_CAUSES).values(cause_id=cause_id, incident_id=incident_id, run_id=run_id))


def change(
    connection: Connection, incident_id: str, status: IncidentStatus, detail: str, now: datetime, **more: object
) -> None:
    """Set the status and further columns, and add a line to the history."""
    connection.execute(
        update(INCIDENTS).where(INCIDENTS.c.incident_id == incident_id).values(status=status.value, **more)
    )
    add_line(connection, incident_id, status, detail, now)


def add_line(connection: Connection, incident_id: str, status: IncidentStatus, detail: str, now: datetime) -> None:
    """Add a line to the history, unless the last one says the same: a step that a crash cut short is taken again."""
    mine = INCIDENT_CHANGES.c.incident_id == incident_id
    last = select(INCIDENT_CHANGES).where(mine).order_by(INCIDENT_CHANGES.c.number.desc()).limit(1)
    before = connection.execute(last).mappings().one_or_none()
    if before is not None and (before["status"], before["detail"]) == (status.value, detail):
        return
    number = 0 if before is None else before["number"] + 1
    connection.execute(
        insert(INCIDENT_CHANGES).values(
            incident_id=incident_id, number=number, at_us=microseconds(now), status=status.value, detail=detail
        )
    )


def one(connection: Connection, incident_id: str, *, history: bool = False) -> IncidentView | None:
    """An incident."""
    row = connection.execute(select(INCIDENTS).where(INCIDENTS.c.incident_id == incident_id)).mappings().one_or_none()
    return None if row is None else _view(connection, row, history=history)


def listing(connection: Connection, *, open_only: bool, limit: int) -> list[IncidentView]:
    """Incidents, the newest first."""
    query = select(INCIDENTS).order_by(INCIDENTS.c.detected_at_us.desc(), INCIDENTS.c.incident_id).limit(limit)
    if open_only:
        query = query.where(INCIDENTS.c.status.not_in(OVER))
    return [_view(connection, row, history=False) for row in connection.execute(query).mappings().all()]


def by_status(connection: Connection) -> dict[str, int]:
    """How many incidents stand how."""
    query = select(INCIDENTS.c.status, func.count()).group_by(INCIDENTS.c.status)
    return {row[0]: row[1] for row in connection.execute(query)}


def oldest_open(connection: Connection) -> datetime | None:
    """When the oldest incident that is not over was detected."""
    query = select(func.min(INCIDENTS.c.detected_at_us)).where(INCIDENTS.c.status.not_in(OVER))
    found = connection.execute(query).scalar_one()
    return None if found is None else moment(found)


def _view(connection: Connection, row: RowMapping, *, history: bool) -> IncidentView:
    incident_id = row["incident_id"]
    runs = select(INCIDENT_CAUSES.c.run_id).where(INCIDENT_CAUSES.c.incident_id == incident_id)
    return IncidentView(
        incident_id=incident_id,
        title=row["title"],
        severity=IncidentSeverity(row["severity"]),
        status=IncidentStatus(row["status"]),
        cause_kind=row["cause_kind"],
        cause_id=row["cause_id"],
        alert_name=row["alert_name"],
        target=row["target"],
        service_name=row["service_name"],
        started_at=moment(row["started_at_us"]),
        detected_at=moment(row["detected_at_us"]),
        mitigated_at=_moment(row["mitigated_at_us"]),
        ended_at=_moment(row["ended_at_us"]),
        causes=tuple(json.loads(row["causes"])),
        confidence=row["confidence"],
        knowledge_ids=tuple(json.loads(row["knowledge_ids"])),
        actions=tuple(json.loads(row["actions"])),
        run_ids=tuple(sorted(set(connection.execute(runs).scalars()))),
        document_id=row["document_id"],
        trace_id=row["trace_id"],
        changes=tuple(_changes(connection, incident_id)) if history else (),
    )


def _changes(connection: Connection, incident_id: str) -> list[IncidentChange]:
    query = select(INCIDENT_CHANGES).where(INCIDENT_CHANGES.c.incident_id == incident_id)
    rows = connection.execute(query.order_by(INCIDENT_CHANGES.c.number)).mappings()
    return [
        IncidentChange(at=moment(row["at_us"]), status=IncidentStatus(row["status"]), detail=row["detail"])
        for row in rows
    ]


def _moment(count: int | None) -> datetime | None:
    return None if count is None else moment(count)
