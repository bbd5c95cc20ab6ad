"""Reads and writes documents, and what was told of incidents."""

import json
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Table, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from services.content.writing.accounts import ENDINGS, Told
from services.content.writing.rendering import Written
from services.content.writing.tables import DOCUMENTS, DUE, INCIDENT_FACTS
from services.contracts.documents import DocumentKind, DocumentStatus, DocumentSummary
from services.kit.moments import microseconds, moment

MOST_FACTS = 1_000  # of one incident, and of one period's endings


def keep(connection: Connection, told: Told) -> None:
    """Keep what was told of an incident; told again it changes nothing."""
    _add(
        connection,
        INCIDENT_FACTS,
        event_id=told.event_id,
        incident_id=told.payload["incident_id"],
        event_type=told.event_type,
        at_us=microseconds(told.at),
        trace_id=told.trace_id,
        payload=json.dumps(told.payload, sort_keys=True, ensure_ascii=False),
    )


def told_of(connection: Connection, incident_id: str) -> list[Told]:
    """What was told of an incident, in order."""
    query = select(INCIDENT_FACTS).where(INCIDENT_FACTS.c.incident_id == incident_id)
    ordered = query.order_by(INCIDENT_FACTS.c.at_us, INCIDENT_FACTS.c.event_id).limit(MOST_FACTS)
    return [_told(row) for row in connection.execute(ordered).mappings()]


def endings(connection: Connection, start: datetime, end: datetime) -> list[Told]:
    """How incidents ended in a period, in order."""
    at = INCIDENT_FACTS.c.at_us
    query = select(INCIDENT_FACTS).where(
        INCIDENT_FACTS.c.event_type.in_(ENDINGS), at >= microseconds(start), at < microseconds(end)
    )
    ordered = query.order_by(at, INCIDENT_FACTS.c.event_id).limit(MOST_FACTS)
    return [_told(row) for row in connection.execute(ordered).mappings()]


def want(connection: Connection, incident_id: str, due_at: datetime) -> None:
    """Have a postmortem written from that moment on."""
    _add(connection, DUE, incident_id=incident_id, due_at_us=microseconds(due_at), attempts=0)


def due(connection: Connection, now: datetime, limit: int) -> list[tuple[str, int]]:
    """Incidents whose postmortem is to be written now, with the attempts that failed."""
    query = select(DUE.c.incident_id, DUE.c.attempts).where(DUE.c.due_at_us <= microseconds(now))
    rows = connection.execute(query.order_by(DUE.c.due_at_us, DUE.c.incident_id).limit(limit))
    return [(row.incident_id, row.attempts) for row in rows]


def due_at(connection: Connection, incident_id: str) -> datetime | None:
    """When an incident's postmortem is to be written; None when none is wanted."""
    at = connection.execute(select(DUE.c.due_at_us).where(DUE.c.incident_id == incident_id)).scalar_one_or_none()
    return None if at is None else moment(at)


def postpone(connection: Connection, incident_id: str, attempts: int, due_at: datetime) -> None:
    """Note another failure."""
    values = {"attempts": attempts, "due_at_us": microseconds(due_at)}
    connection.execute(update(DUE).where(DUE.c.incident_id == incident_id).values(**values))


def settle(connection: Connection, incident_id: str) -> None:
    """Nothing is to be written about it any more."""
    connection.execute(delete(DUE).where(DUE.c.incident_id == incident_id))


def add(connection: Connection, summary: DocumentSummary, inputs: str, written: Written) -> bool:
    """Keep a document; False when it is there already."""
    return _add(
        connection,
        DOCUMENTS,
        document_id=summary.id,
        kind=summary.kind.value,
        status=summary.status.value,
        title=summary.title,
        incident_id=summary.incident_id,
        period_start_us=microseconds(summary.period_start),
        period_end_us=microseconds(summary.period_end),
        written_at_us=microseconds(summary.written_at),
        reviewer=summary.reviewer,
        inputs=inputs,
        markdown=written.markdown,
        html=written.html,
    )


def row_of(connection: Connection, document_id: str) -> RowMapping | None:
    """A document as it is stored."""
    return connection.execute(select(DOCUMENTS).where(DOCUMENTS.c.document_id == document_id)).mappings().first()


def listing(connection: Connection, kind: DocumentKind | None, limit: int) -> list[DocumentSummary]:
    """Documents without their texts, the newest first."""
    columns = [column for column in DOCUMENTS.c if column.name not in {"inputs", "markdown", "html"}]
    query = select(*columns).order_by(DOCUMENTS.c.written_at_us.desc(), DOCUMENTS.c.document_id).limit(limit)
    if kind is not None:
        query = query.where(DOCUMENTS.c.kind == kind.value)
    return [summary_of(row) for row in connection.execute(query).mappings()]


def review(connection: Connection, document_id: str, status: DocumentStatus, reviewer: str) -> None:
    """Note how far it is, and who said so."""
    values = {"status": status.value, "reviewer": reviewer}
    connection.execute(update(DOCUMENTS).where(DOCUMENTS.c.document_id == document_id).values(**values))


def summary_of(row: RowMapping) -> DocumentSummary:
    """A stored document without its text."""
    return DocumentSummary(
        id=row["document_id"],
        kind=DocumentKind(row["kind"]),
        status=DocumentStatus(row["status"]),
        title=row["title"],
        incident_id=row["incident_id"],
        period_start=moment(row["period_start_us"]),
        period_end=moment(row["period_end_us"]),
        written_at=moment(row["written_at_us"]),
        reviewer=row["reviewer"],
    )


def _add(connection: Connection, table: Table, **values: object) -> bool:
    dialect = postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert
    return connection.execute(dialect(table).values(**values).on_conflict_do_nothing()).rowcount == 1


def _told(row: RowMapping) -> Told:
    return Told(row["event_id"], row["event_type"], moment(row["at_us"]), row["trace_id"], json.loads(row["payload"]))
