"""Reads and writes of the agents' tables, always inside the caller's transaction."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from services.agents.tables import ANOMALIES, CURSORS, LEARNT
from services.contracts.anomalies import AnomalyView
from services.kit.moments import microseconds, moment

KEPT_ANOMALIES = 10_000


def add(connection: Connection, anomaly: AnomalyView) -> None:
    """Store a new anomaly."""
    connection.execute(insert(ANOMALIES).values(_row(anomaly)))


def change(connection: Connection, anomaly: AnomalyView) -> None:
    """Bring a stored anomaly to what it is now."""
    connection.execute(update(ANOMALIES).where(ANOMALIES.c.anomaly_id == anomaly.anomaly_id).values(_row(anomaly)))


def anomalies(
    connection: Connection, *, open_only: bool = False, since: datetime | None = None, limit: int = 1_000
) -> list[AnomalyView]:
    """Anomalies, the newest first: all, or those that are not over, or those that lasted into what is after `since`."""
    query = select(ANOMALIES).order_by(ANOMALIES.c.found_at_us.desc(), ANOMALIES.c.anomaly_id.desc()).limit(limit)
    if open_only:
        query = query.where(ANOMALIES.c.ended_at_us.is_(None))
    if since is not None:
        begins = microseconds(since)
        query = query.where(ANOMALIES.c.ended_at_us.is_(None) | (ANOMALIES.c.ended_at_us >= begins))
    return [_view(row) for row in connection.execute(query).mappings()]


def forget_old(connection: Connection) -> None:
    """Keep the newest `KEPT_ANOMALIES` of those that are over."""
    newest = select(ANOMALIES.c.anomaly_id).order_by(ANOMALIES.c.found_at_us.desc()).limit(KEPT_ANOMALIES)
    connection.execute(
        delete(ANOMALIES).where(ANOMALIES.c.ended_at_us.is_not(None), ANOMALIES.c.anomaly_id.not_in(newest))
    )


def learnt(connection: Connection) -> dict[str, str]:
    """What every detector has learnt, by its key."""
    return {row.key: row.state for row in connection.execute(select(LEARNT.c.key, LEARNT.c.state))}


def keep_learnt(connection: Connection, states: Mapping[str, tuple[datetime, str]]) -> None:
    """Store what detectors have learnt, by key: up to when, and what."""
    for key, (observed_at, state) in states.items():
        values = {"observed_at_us": microseconds(observed_at), "state": state}
        changed = connection.execute(update(LEARNT).where(LEARNT.c.key == key).values(values))
        if changed.rowcount == 0:
            connection.execute(insert(LEARNT).values(key=key, **values))


def forget_learnt(connection: Connection, keys: Iterable[str]) -> None:
    """Drop what was learnt of series that are gone."""
    connection.execute(delete(LEARNT).where(LEARNT.c.key.in_(list(keys))))


def cursor(connection: Connection, name: str) -> datetime | None:
    """Up to when a source was looked at; None before the first look."""
    found = connection.execute(select(CURSORS.c.until_us).where(CURSORS.c.name == name)).scalar_one_or_none()
    return None if found is None else moment(found)


def set_cursor(connection: Connection, name: str, until: datetime) -> None:
    """Note up to when a source was looked at."""
    values = {"until_us": microseconds(until)}
    changed = connection.execute(update(CURSORS).where(CURSORS.c.name == name).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(CURSORS).values(name=name, **values))


def _row(anomaly: AnomalyView) -> dict[str, Any]:
    row = anomaly.model_dump(mode="json", exclude={"since", "found_at", "ended_at"})
    row["since_us"] = microseconds(anomaly.since)
    row["found_at_us"] = microseconds(anomaly.found_at)
    row["ended_at_us"] = None if anomaly.ended_at is None else microseconds(anomaly.ended_at)
    return row


def _view(row: RowMapping) -> AnomalyView:
    fields = dict(row)
    since, found_at, ended_at = (fields.pop(f"{name}_us") for name in ("since", "found_at", "ended_at"))
    return AnomalyView(
        since=moment(since),
        found_at=moment(found_at),
        ended_at=None if ended_at is None else moment(ended_at),
        **fields,
    )
