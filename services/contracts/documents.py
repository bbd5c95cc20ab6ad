"""Documents that the platform writes: what kinds there are, how they stand, and what is told of them."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PositiveInt, StringConstraints, model_validator

from services.contracts.events import Event

DocumentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


class DocumentKind(StrEnum):
    """What a document tells."""

    POSTMORTEM = "postmortem"  # one incident
    AUDIT_REPORT = "audit_report"  # a period: who did what
    WEEKLY_REVIEW = "weekly_review"  # a period: what trading came to
    DIGEST = "digest"  # a period: incidents and alerts


class DocumentStatus(StrEnum):
    """How far a document is from being final. A published one is never changed."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    PUBLISHED = "published"


class Judgement(StrEnum):
    """What only a person can say. The platform leaves it blank."""

    WENT_WELL = "went_well"
    WENT_BADLY = "went_badly"
    LUCK = "luck"
    ACTIONS = "actions"
    COMMENTS = "comments"


class DocumentWritten(Event):
    """A document was drafted, or drafted anew because more had become known. The subject is the document's id.

    Attributes:
        incident_id: For a postmortem; None otherwise.
        missing: Sources that gave no answer, so that the document lacks what they know.
        duration_seconds: What reading the sources and writing took.
    """

    event_type: ClassVar[str] = "documents.document_written"

    document_id: DocumentId
    kind: DocumentKind
    title: str
    incident_id: str | None
    period_start: AwareDatetime
    period_end: AwareDatetime
    missing: int
    duration_seconds: float


class DocumentFailed(Event):
    """A document could not be written; it is tried again. The subject is the document's id.

    Attributes:
        attempt: How many tries there were.
    """

    event_type: ClassVar[str] = "documents.document_failed"

    document_id: DocumentId
    kind: DocumentKind
    incident_id: str | None
    attempt: PositiveInt
    reason: str


class DocumentReviewed(Event):
    """A person moved a document on, or wrote into it. The subject is the document's id."""

    event_type: ClassVar[str] = "documents.document_reviewed"

    document_id: DocumentId
    kind: DocumentKind
    was: DocumentStatus
    status: DocumentStatus
    reviewer: str


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourcedNumber(_Told):
    """A number in a text, and where it came from.

    Attributes:
        number: Its place in the document's table of sources, from 1.
        name: What it counts or measures.
        value: As the text shows it.
        unit: "" for a plain count.
        reader: Who was asked: facts, logs, traces or metrics.
        query: What was asked.
    """

    number: PositiveInt
    name: str
    value: str
    unit: str
    reader: str
    query: str


class DocumentSummary(_Told):
    """A document without its text.

    Attributes:
        missing: Sources that gave no answer, and why, in words.
        written_at: Of the newest draft.
        reviewer: Who moved it on last; "" before anybody did.
    """

    id: DocumentId
    kind: DocumentKind
    status: DocumentStatus
    title: str
    incident_id: str | None
    period_start: AwareDatetime
    period_end: AwareDatetime
    missing: tuple[str, ...]
    written_at: AwareDatetime
    reviewer: str
    reviewed_at: AwareDatetime | None


class DocumentView(DocumentSummary):
    """A document in full.

    Attributes:
        notes: What people wrote where judgement is asked for.
    """

    markdown: str
    numbers: tuple[SourcedNumber, ...]
    notes: dict[Judgement, str]


class DocumentList(_Told):
    """Documents, the one written last first."""

    documents: tuple[DocumentSummary, ...]


class DocumentRequest(_Told):
    """Have a document written. Asked again, the same one is answered.

    Attributes:
        incident_id: For a postmortem, and only then.
        period_start: Part of the period, which the other kinds need.
        period_end: Not part of the period.
    """

    kind: DocumentKind
    incident_id: str | None = Field(default=None, min_length=1, max_length=100)
    period_start: AwareDatetime | None = None
    period_end: AwareDatetime | None = None

    @model_validator(mode="after")
    def _check_what_it_is_about(self) -> Self:
        period = (self.period_start, self.period_end)
        if self.kind is DocumentKind.POSTMORTEM:
            if self.incident_id is None or period != (None, None):
                raise ValueError("a postmortem is about an incident: give incident_id, and no period")
        elif self.incident_id is not None or self.period_start is None or self.period_end is None:
            raise ValueError(f"{self.kind.value} is about a period: give period_start and period_end, and no incident")
        elif not self.period_start < self.period_end:
            raise ValueError("period_start must lie before period_end")
        return self


class ReviewRequest(_Told):
    """What a person decides about a document.

    Attributes:
        status: Where it goes: from draft to in_review, from there to published or back to draft.
        notes: Written where judgement is asked for; what is not named stays as it is.
    """

    status: DocumentStatus
    notes: dict[Judgement, Annotated[str, StringConstraints(max_length=10_000)]] = Field(default_factory=dict)
