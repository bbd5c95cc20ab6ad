"""Writes documents, keeps them and takes them through review. Its methods block on telemetry and the database."""

import logging
from datetime import datetime, timedelta
from typing import Final

from services.content.writing import store
from services.content.writing.accounts import ENDINGS, EVENT_TYPES, Told, account_of, trace_id_of
from services.content.writing.gathering import Gatherer
from services.content.writing.inputs import PeriodInputs, PostmortemInputs
from services.content.writing.problems import SETTLED_SECONDS, NoSuchDocumentError, NotOverError, ReviewOrderError
from services.content.writing.rendering import Written, render_period, render_postmortem, title_of
from services.contracts.documents import (
    DocumentKind,
    DocumentList,
    DocumentNotWritten,
    DocumentRequest,
    DocumentReviewed,
    DocumentStatus,
    DocumentSummary,
    DocumentView,
    DocumentWritten,
    SourcedNumber,
)
from services.contracts.events import Envelope
from services.contracts.incidents import IncidentResolved
from services.kit.bus import Consumer
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.facts import Facts, Transaction

_AT_ONCE: Final = 10
_FIRST_PAUSE: Final = timedelta(seconds=10)
_LONGEST_PAUSE: Final = timedelta(minutes=10)
_MOST_DOUBLINGS: Final = 8
_TITLES: Final = {
    DocumentKind.DIGEST: "Digest",
    DocumentKind.WEEKLY_REVIEW: "Weekly review",
    DocumentKind.AUDIT_REPORT: "Audit report",
}
_NEXT: Final = {
    DocumentStatus.DRAFT: (DocumentStatus.IN_REVIEW,),
    DocumentStatus.IN_REVIEW: (DocumentStatus.DRAFT, DocumentStatus.PUBLISHED),
    DocumentStatus.PUBLISHED: (),
}
_log = logging.getLogger("services.content.writing")


class DocumentDesk:
    """Documents and what they are written from."""

    def __init__(self, facts: Facts, database: Database, gatherer: Gatherer, clock: Clock) -> None:
        self._facts, self._database, self._gatherer, self._clock = facts, database, gatherer, clock

    def hear(self, tx: Transaction, envelope: Envelope) -> None:
        """Keep a fact about an incident; the one that ends it has its postmortem written."""
        clean = self._gatherer.clean
        payload = {name: clean(value) if isinstance(value, str) else value for name, value in envelope.payload.items()}
        told = Told(str(envelope.event_id), envelope.event_type, envelope.occurred_at, trace_id_of(envelope), payload)
        store.keep(tx.connection, told)
        if envelope.event_type in ENDINGS:
            settled = max(envelope.occurred_at, self._clock.now()) + timedelta(seconds=SETTLED_SECONDS)
            store.want(tx.connection, payload["incident_id"], settled)

    def write_due(self) -> int:
        """Write the postmortems whose time has come; how many. One that fails is told of and tried again later."""
        with self._database.reading() as connection:
            waiting = store.due(connection, self._clock.now(), _AT_ONCE)
        written = 0
        for incident_id, attempts in waiting:
            try:
                self._postmortem(incident_id)
            except Exception as error:  # noqa: BLE001 -- told of as a fact; the others must not wait for this one
                _log.warning("the postmortem of %s failed", incident_id, exc_info=True)
                self._failed(incident_id, attempts + 1, f"{type(error).__name__}: {error}")
            else:
                written += 1
        return written

    def write(self, request: DocumentRequest) -> DocumentView:
        """Write what is asked for; asked again it is the same document.

        Raises:
            NotOverError: The incident's end was not told yet, or the end of what is asked for is too fresh.
            DatabaseError: The database is away.
        """
        if request.incident_id is not None:
            return self.one(self._postmortem(request.incident_id, asked=True))
        assert request.period_start is not None  # noqa: S101 -- the request's own check
        assert request.period_end is not None  # noqa: S101 -- the same
        return self.one(self._period(request.kind, request.period_start, request.period_end))

    def one(self, document_id: str) -> DocumentView:
        """A document in full. Raises `NoSuchDocumentError`."""
        with self._database.reading() as connection:
            row = store.row_of(connection, document_id)
        if row is None:
            raise _no_such(document_id)
        summary = store.summary_of(row)
        inputs = _inputs(summary.kind, row["inputs"])
        return DocumentView(
            **summary.model_dump(), markdown=row["markdown"], numbers=inputs.numbers, missing=inputs.gathered.missing
        )

    def html(self, document_id: str) -> str:
        """A document as one page that loads nothing. Raises `NoSuchDocumentError`."""
        with self._database.reading() as connection:
            row = store.row_of(connection, document_id)
        if row is None:
            raise _no_such(document_id)
        return str(row["html"])

    def again(self, document_id: str) -> Written:
        """Write a document anew from its stored inputs, without keeping it. Raises `NoSuchDocumentError`."""
        with self._database.reading() as connection:
            row = store.row_of(connection, document_id)
        if row is None:
            raise _no_such(document_id)
        return _rendered(_inputs(DocumentKind(row["kind"]), row["inputs"]))

    def listing(self, *, kind: DocumentKind | None, limit: int) -> DocumentList:
        """Documents without their texts, the newest first."""
        with self._database.reading() as connection:
            return DocumentList(documents=tuple(store.listing(connection, kind, limit)))

    def review(self, document_id: str, status: DocumentStatus, reviewer: str) -> DocumentView:
        """Move a document on; to where it is already changes nothing.

        Raises:
            NoSuchDocumentError: No document has this id.
            ReviewOrderError: It cannot go there from where it is.
        """
        with self._facts.transaction(durable=True) as tx:
            row = store.row_of(tx.connection, document_id)
            if row is None:
                raise _no_such(document_id)
            now = DocumentStatus(row["status"])
            if now is not status:
                if status not in _NEXT[now]:
                    ways = ", ".join(_NEXT[now]) or "nowhere: it stays as it was published"
                    raise ReviewOrderError(f"{document_id} is {now}; from there it goes {ways}.")
                store.review(tx.connection, document_id, status, reviewer)
                tx.record(
                    DocumentReviewed(subject=document_id, document_id=document_id, status=status, reviewer=reviewer)
                )
        return self.one(document_id)

    def _postmortem(self, incident_id: str, *, asked: bool = False) -> str:
        began, document_id = self._clock.monotonic(), _id_of(incident_id)
        with self._database.reading() as connection:
            there = store.row_of(connection, document_id) is not None
            told = store.told_of(connection, incident_id)
            due_at = store.due_at(connection, incident_id)
        if there:
            return document_id
        account = account_of(told)
        if account is None:
            raise NotOverError(
                f"No end of an incident {incident_id} was told; it comes over the bus within seconds."
                " `sightline incidents` lists them."
            )
        if asked and due_at is not None and self._clock.now() < due_at:
            raise NotOverError(f"The last log lines of {incident_id} are on their way; its text is written by itself.")
        inputs = PostmortemInputs(
            account=account, gathered=self._gatherer.incident(account.started_at, account.ended_at)
        )
        period = (account.started_at, account.ended_at)
        self._keep(DocumentKind.POSTMORTEM, document_id, title_of(inputs), incident_id, period, inputs, began)
        return document_id

    def _period(self, kind: DocumentKind, start: datetime, end: datetime) -> str:
        if self._clock.now() < end + timedelta(seconds=SETTLED_SECONDS):
            raise NotOverError(
                f"The period ends at {end:%Y-%m-%d %H:%M:%S} UTC, and its last log lines take {SETTLED_SECONDS:.0f} s."
                " Ask again after that, or for an earlier end."
            )
        began, document_id = self._clock.monotonic(), f"{kind.value}-{start:%Y%m%dT%H%M%S}-{end:%Y%m%dT%H%M%S}"
        with self._database.reading() as connection:
            if store.row_of(connection, document_id) is not None:
                return document_id
            endings = store.endings(connection, start, end)
        title = f"{_TITLES[kind]} of {start:%Y-%m-%d} to {end:%Y-%m-%d}"
        period = self._gatherer.period(kind, start, end)
        inputs = PeriodInputs(
            title=title,
            incidents=tuple(
                (each.payload["incident_id"], each.payload["title"], each.event_type.rpartition("_")[2])
                for each in endings
            ),
            counts=_counts(endings, start, end),
            gathered=period.gathered,
            sections=period.sections,
            equity=period.equity,
        )
        self._keep(kind, document_id, title, None, (start, end), inputs, began)
        return document_id

    def _keep(  # noqa: PLR0913, PLR0917 -- everything that makes a document
        self,
        kind: DocumentKind,
        document_id: str,
        title: str,
        incident_id: str | None,
        period: tuple[datetime, datetime],
        inputs: PostmortemInputs | PeriodInputs,
        began: float,
    ) -> None:
        written = _rendered(inputs)
        summary = DocumentSummary(
            id=document_id,
            kind=kind,
            status=DocumentStatus.DRAFT,
            title=title,
            incident_id=incident_id,
            period_start=period[0],
            period_end=period[1],
            written_at=self._clock.now(),
            reviewer="",
        )
        with self._facts.transaction(durable=True) as tx:
            if incident_id is not None:
                store.settle(tx.connection, incident_id)
            if not store.add(tx.connection, summary, inputs.model_dump_json(), written):
                return  # somebody else was quicker, with the same words
            tx.record(
                DocumentWritten(
                    subject=document_id,
                    document_id=document_id,
                    kind=kind,
                    title=title,
                    incident_id=incident_id,
                    period_start=period[0],
                    period_end=period[1],
                    seconds=max(0.0, self._clock.monotonic() - began),
                )
            )

    def _failed(self, incident_id: str, attempts: int, reason: str) -> None:
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, _MOST_DOUBLINGS))
        document_id = _id_of(incident_id)
        with self._facts.transaction() as tx:
            store.postpone(tx.connection, incident_id, attempts, self._clock.now() + pause)
            tx.record(
                DocumentNotWritten(
                    subject=document_id,
                    document_id=document_id,
                    kind=DocumentKind.POSTMORTEM,
                    incident_id=incident_id,
                    reason=self._gatherer.clean(reason),
                    attempts=attempts,
                )
            )


def incident_consumer(desk: DocumentDesk) -> Consumer:
    """Hears what is told of incidents, in order."""
    return Consumer(name="incidents_to_write_up", event_types=EVENT_TYPES, handler=desk.hear, durable=True)


def _rendered(inputs: PostmortemInputs | PeriodInputs) -> Written:
    return render_postmortem(inputs) if isinstance(inputs, PostmortemInputs) else render_period(inputs)


def _inputs(kind: DocumentKind, stored: str) -> PostmortemInputs | PeriodInputs:
    if kind is DocumentKind.POSTMORTEM:
        return PostmortemInputs.model_validate_json(stored)
    return PeriodInputs.model_validate_json(stored)


def _id_of(incident_id: str) -> str:
    return f"postmortem-{incident_id}"


def _counts(endings: list[Told], start: datetime, end: datetime) -> tuple[SourcedNumber, ...]:
    resolved = sum(each.event_type == IncidentResolved.event_type for each in endings)
    window = f"[{start.isoformat()}, {end.isoformat()})"
    numbers = {"resolved": resolved, "escalated": len(endings) - resolved}
    return tuple(
        SourcedNumber(
            name=f"incidents {name}",
            value=float(count),
            unit="",
            at_least=len(endings) >= store.MOST_FACTS,
            query=f"events incidents.incident_{name} {window}",
        )
        for name, count in numbers.items()
    )


def _no_such(document_id: str) -> NoSuchDocumentError:
    return NoSuchDocumentError(f"There is no document {document_id}; `sightline documents list` lists them.")
