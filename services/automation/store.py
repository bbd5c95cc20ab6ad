"""Reads and writes of the alert tables, always inside the caller's transaction."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from services.automation.tables import ALERTS, HEARTBEAT
from services.contracts.alerting import Alert, AlertStatus, Severity
from services.kit.moments import microseconds, moment

_WATCHDOG = "watchdog"


def apply(connection: Connection, alert: Alert) -> bool:
    """Bring the stored occurrence to what `alert` says; True if that changed anything.

    Alertmanager repeats itself, and a repeat may arrive late: an occurrence that was resolved stays resolved.
    """
    same = (ALERTS.c.fingerprint == alert.fingerprint) & (ALERTS.c.starts_at_us == microseconds(alert.starts_at))
    known = connection.execute(select(ALERTS.c.status).where(same).with_for_update()).scalar_one_or_none()
    if known is None:
        connection.execute(insert(ALERTS).values(_row(alert)))
        return True
    if known == AlertStatus.FIRING and alert.status is AlertStatus.RESOLVED:
        connection.execute(update(ALERTS).where(same).values(_row(alert)))
        return True
    return False


def listing(connection: Connection, *, status: AlertStatus | None, limit: int) -> list[Alert]:
    """Occurrences, the newest first, of one `status` or of both."""
    query = select(ALERTS).order_by(ALERTS.c.starts_at_us.desc(), ALERTS.c.fingerprint).limit(limit)
    if status is not None:
        query = query.where(ALERTS.c.status == status)
    return [_alert(row) for row in connection.execute(query).mappings()]


def vanished(connection: Connection, active: Collection[str], *, now: datetime, grace: timedelta) -> list[Alert]:
    """Firing occurrences that have not been among the `active` fingerprints for `grace`; notes since when."""
    gone = []
    query = select(ALERTS).where(ALERTS.c.status == AlertStatus.FIRING).with_for_update()
    for row in connection.execute(query).mappings().all():
        since = row["missing_since_us"]
        missing = row["fingerprint"] not in active
        if missing and since is not None and now - moment(since) >= grace:
            gone.append(_alert(row))
        elif missing != (since is not None):
            same = (ALERTS.c.fingerprint == row["fingerprint"]) & (ALERTS.c.starts_at_us == row["starts_at_us"])
            noted = microseconds(now) if missing else None
            connection.execute(update(ALERTS).where(same).values(missing_since_us=noted))
    return gone


def firing_by_severity(connection: Connection) -> dict[Severity, int]:
    """How many occurrences fire now, for every severity."""
    query = select(ALERTS.c.severity, func.count()).where(ALERTS.c.status == AlertStatus.FIRING)
    counted = {row[0]: row[1] for row in connection.execute(query.group_by(ALERTS.c.severity))}
    return {severity: counted.get(severity.value, 0) for severity in Severity}


def heartbeat(connection: Connection) -> tuple[datetime, datetime | None] | None:
    """When the Watchdog was last heard and since when it is known to be silent; None before the first start."""
    row = connection.execute(select(HEARTBEAT).where(HEARTBEAT.c.name == _WATCHDOG)).mappings().one_or_none()
    if row is None:
        return None
    silent_since = row["silent_since_us"]
    return moment(row["heard_at_us"]), None if silent_since is None else moment(silent_since)


def set_heartbeat(connection: Connection, heard_at: datetime, silent_since: datetime | None) -> None:
    """Store both moments of the Watchdog."""
    values = {
        "heard_at_us": microseconds(heard_at),
        "silent_since_us": None if silent_since is None else microseconds(silent_since),
    }
    changed = connection.execute(update(HEARTBEAT).where(HEARTBEAT.c.name == _WATCHDOG).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(HEARTBEAT).values(name=_WATCHDOG, **values))


def _row(alert: Alert) -> dict[str, Any]:
    row = alert.model_dump(mode="json", exclude={"starts_at", "ends_at"})
    row["starts_at_us"] = microseconds(alert.starts_at)
    row["ends_at_us"] = None if alert.ends_at is None else microseconds(alert.ends_at)
    return row


def _alert(row: RowMapping) -> Alert:
    fields = dict(row)
    del fields["missing_since_us"]
    ends_at = fields.pop("ends_at_us")
    return Alert(
        starts_at=moment(fields.pop("starts_at_us")), ends_at=None if ends_at is None else moment(ends_at), **fields
    )
