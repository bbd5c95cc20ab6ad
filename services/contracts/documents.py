"""Documents that write themselves. A fact about one has its id as the subject."""

from enum import StrEnum
from typing import ClassVar, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, model_validator

from services.contracts.events import Event


class DocumentKind(StrEnum):
    """What is written."""

    POSTMORTEM = "postmortem"  # of one incident
    DIGEST = "digest"  # of a day
    WEEKLY_REVIEW = "weekly_review"
    AUDIT_REPORT = "audit_report"  # who did what in a period, and whether the records are whole


class DocumentStatus(StrEnum):
    """How far people are with it."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    PUBLISHED = "published"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourcedNumber(_Told):
    """A number with the question that it answers.

    Attributes:
        value: None when the source was away.
        at_least: There was more than could be counted.
        query: What was asked, with its window.
    """

    name: str
    value: float | None
    unit: str
    at_least: bool = False
    query: str


class DocumentSummary(_Told):
    """One document without its text.

    Attributes:
        incident_id: The incident that it is about; None for a period.
        reviewer: Who changed the status last; "" when nobody did.
    """

    id: str
    kind: DocumentKind
    status: DocumentStatus
    title: str
    incident_id: str | None
    period_start: AwareDatetime
    period_end: AwareDatetime
    written_at: AwareDatetime
    reviewer: str


class DocumentView(DocumentSummary):
    """One document in full.

    Attributes:
        missing: Sources that were away when it was written, and why.
    """

    markdown: str
    numbers: tuple[SourcedNumber, ...]
    missing: tuple[str, ...]


class DocumentList(_Told):
    """Documents, the newest first."""

    documents: tuple[DocumentSummary, ...]


class DocumentRequest(_Told):
    """What to write: a postmortem of an incident, or a text about a period."""

    kind: DocumentKind = DocumentKind.POSTMORTEM
    incident_id: str | None = Field(default=None, min_length=1, max_length=150, pattern=r"^[A-Za-z0-9_.:/@-]+$")
    period_start: AwareDatetime | None = None
    period_end: AwareDatetime | None = None

    @model_validator(mode="after")
    def _says_about_what(self) -> Self:
        period = (self.period_start, self.period_end)
        if self.kind is DocumentKind.POSTMORTEM:
            if self.incident_id is None or period != (None, None):
                raise ValueError("a postmortem needs incident_id and nothing else")
            return self
        if self.incident_id is not None or self.period_start is None or self.period_end is None:
            raise ValueError("a text about a period needs period_start and period_end and nothing else")
        if self.period_start >= self.period_end:
            raise ValueError("period_end must come after period_start")
        return self


class ReviewRequest(_Told):
    """How far a document is now."""

    status: DocumentStatus


class DocumentWritten(Event):
    """A document was drafted.

    Attributes:
        seconds: How long it took to gather and to write it.
    """

    event_type: ClassVar[str] = "content.document_written"

    document_id: str
    kind: DocumentKind
    title: str
    incident_id: str | None
    period_start: AwareDatetime
    period_end: AwareDatetime
    seconds: NonNegativeFloat


class DocumentNotWritten(Event):
    """A document could not be written; it is tried again."""

    event_type: ClassVar[str] = "content.document_not_written"

    document_id: str
    kind: DocumentKind
    incident_id: str
    reason: str
    attempts: PositiveInt


class DocumentReviewed(Event):
    """A person moved a document on."""

    event_type: ClassVar[str] = "content.document_reviewed"

    document_id: str
    status: DocumentStatus
    reviewer: str
