"""Reads and writes of runs and leases, always inside the caller's transaction."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Table, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.automation.pipelines.pipeline import Cause
from services.automation.tables import LEASES, RUNS
from services.contracts.pipelines import CauseKind, RunStatus, RunView
from services.kit.moments import microseconds, moment

ENDED = tuple(status.value for status in RunStatus if status.ended)

_INSERTS: Final[Mapping[str, Callable[[Table], postgresql.Insert | sqlite.Insert]]] = MappingProxyType(
    {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a run may go on.

    Attributes:
        ended: It was canceled, or it never was.
        holds_lease: The lease is its own, or it needs none.
    """

    ended: bool
    holds_lease: bool


def add(connection: Connection, run_id: str, pipeline: str, cause: Cause, now: datetime) -> bool:
    """Note a run that is to start; False when it is there already."""
    row = {
        "run_id": run_id,
        "pipeline": pipeline,
        "cause_kind": cause.kind.value,
        "cause_id": cause.cause_id,
        "cause": json.dumps(asdict(cause) | {"payload": dict(cause.payload)}),
        "target": cause.target,
        "status": RunStatus.QUEUED.value,
        "started_at_us": microseconds(now),
        "ended_at_us": None,
        "detail": "",
        "trace_id": "",
    }
    return _add_unless_there(connection, RUNS, row)


def begin(connection: Connection, run_id: str, trace_id: str) -> None:
    """A run that was queued runs, in this trace; one that waited for a person before a crash waits still."""
    same = (RUNS.c.run_id == run_id) & RUNS.c.status.not_in(ENDED)
    status = case((RUNS.c.status == RunStatus.QUEUED.value, RunStatus.RUNNING.value), else_=RUNS.c.status)
    connection.execute(update(RUNS).where(same).values(status=status, trace_id=trace_id))


def wait(connection: Connection, run_id: str, *, waiting: bool) -> None:
    """A run waits for a person, or goes on."""
    status = RunStatus.WAITING_APPROVAL if waiting else RunStatus.RUNNING
    same = (RUNS.c.run_id == run_id) & RUNS.c.status.not_in(ENDED)
    connection.execute(update(RUNS).where(same).values(status=status.value))


def end(connection: Connection, run_id: str, outcome: RunStatus, detail: str, now: datetime) -> RunView | None:
    """Note how a run ended, and give it; None when it had ended before."""
    same = (RUNS.c.run_id == run_id) & RUNS.c.status.not_in(ENDED)
    values = {"status": outcome.value, "detail": detail, "ended_at_us": microseconds(now)}
    if connection.execute(update(RUNS).where(same).values(values)).rowcount == 0:
        return None
    return one(connection, run_id)


def one(connection: Connection, run_id: str) -> RunView | None:
    """A run, without its steps."""
    row = connection.execute(select(RUNS).where(RUNS.c.run_id == run_id)).mappings().one_or_none()
    return None if row is None else _view(row)


def cause_of(connection: Connection, run_id: str) -> Cause | None:
    """What started a run."""
    text = connection.execute(select(RUNS.c.cause).where(RUNS.c.run_id == run_id)).scalar_one_or_none()
    return None if text is None else cause_from(text)


def cause_from(text: str) -> Cause:
    """Read what `add` wrote."""
    fields = json.loads(text)
    return Cause(**(fields | {"kind": CauseKind(fields["kind"])}))


def listing(connection: Connection, *, pipeline: str | None, status: RunStatus | None, limit: int) -> list[RunView]:
    """Runs, the newest first."""
    query = select(RUNS).order_by(RUNS.c.started_at_us.desc(), RUNS.c.run_id).limit(limit)
    if pipeline is not None:
        query = query.where(RUNS.c.pipeline == pipeline)
    if status is not None:
        query = query.where(RUNS.c.status == status.value)
    return [_view(row) for row in connection.execute(query).mappings()]


def queued(connection: Connection, limit: int) -> list[str]:
    """Ids of runs that have not begun, the oldest first."""
    query = select(RUNS.c.run_id).where(RUNS.c.status == RunStatus.QUEUED.value)
    return list(connection.execute(query.order_by(RUNS.c.started_at_us, RUNS.c.run_id).limit(limit)).scalars())


def standing(connection: Connection) -> list[tuple[str, str, int, datetime]]:
    """For each pipeline and status that is not an end: how many runs, and since when the oldest."""
    query = select(RUNS.c.pipeline, RUNS.c.status, func.count(), func.min(RUNS.c.started_at_us))
    query = query.where(RUNS.c.status.not_in(ENDED)).group_by(RUNS.c.pipeline, RUNS.c.status)
    return [(row[0], row[1], row[2], moment(row[3])) for row in connection.execute(query)]


def has_run(connection: Connection, pipeline: str) -> bool:
    """Whether the pipeline was ever started."""
    query = select(RUNS.c.run_id).where(RUNS.c.pipeline == pipeline).limit(1)
    return connection.execute(query).first() is not None


def last_success(connection: Connection) -> dict[str, datetime]:
    """When each pipeline last ended well."""
    query = select(RUNS.c.pipeline, func.max(RUNS.c.ended_at_us)).where(RUNS.c.status == RunStatus.SUCCEEDED.value)
    return {row[0]: moment(row[1]) for row in connection.execute(query.group_by(RUNS.c.pipeline))}


def take_lease(connection: Connection, name: str, run_id: str, now: datetime) -> bool:
    """Take a lease that is free, ours already, or held by a run that has ended; False while another holds it.

    A run that has ended never runs again, so its name says as much as a number that grows: who is not named lost it.
    """
    values = {"run_id": run_id, "taken_at_us": microseconds(now)}
    if _add_unless_there(connection, LEASES, {"name": name, **values}):
        return True
    holder = select(LEASES.c.run_id).where(LEASES.c.name == name).with_for_update()
    held_by = connection.execute(holder).scalar_one()
    if held_by == run_id:
        return True
    status = connection.execute(select(RUNS.c.status).where(RUNS.c.run_id == held_by)).scalar_one_or_none()
    if status is not None and status not in ENDED:
        return False
    connection.execute(update(LEASES).where(LEASES.c.name == name).values(values))
    return True


def standing_of(connection: Connection, run_id: str, lease: str | None) -> Standing:
    """Whether a run may go on."""
    status = connection.execute(select(RUNS.c.status).where(RUNS.c.run_id == run_id)).scalar_one_or_none()
    holder = None
    if lease is not None:
        holder = connection.execute(select(LEASES.c.run_id).where(LEASES.c.name == lease)).scalar_one_or_none()
    # A lease that nobody holds is not taken yet: the step that takes it comes first.
    return Standing(ended=status is None or status in ENDED, holds_lease=holder in {None, run_id})


def _add_unless_there(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Whether the row is new. Of two transactions that add the same one at once, the second waits for the first."""
    adding = _INSERTS[connection.dialect.name](table).values(values).on_conflict_do_nothing()
    return connection.execute(adding.returning(*table.primary_key.columns)).first() is not None


def _view(row: RowMapping) -> RunView:
    ended = row["ended_at_us"]
    return RunView(
        run_id=row["run_id"],
        pipeline=row["pipeline"],
        status=RunStatus(row["status"]),
        cause_kind=CauseKind(row["cause_kind"]),
        cause_id=row["cause_id"],
        target=row["target"],
        started_at=moment(row["started_at_us"]),
        ended_at=None if ended is None else moment(ended),
        detail=row["detail"],
        trace_id=row["trace_id"],
    )
