"""Words about what is known: entries of the knowledge base, how an error is matched to one, and what no entry answers.

A fact about a match has the entry's id as the subject, one about a miss the gap's.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from services.contracts.alerting import Severity
from services.contracts.events import Event

EntryId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,99}$")]
"""Lower-case letters, digits and hyphens. The entry about an alert is `alert-` and the alert's name in lower case."""

GapId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]

Score = Annotated[float, Field(ge=0.0, le=1.0)]


class EntryKind(StrEnum):
    """What an entry tells."""

    API = "api"  # what a venue's or a program's interface takes and answers
    BEHAVIOUR = "behaviour"  # what it does that its documentation does not lead one to expect
    POLICY = "policy"  # a rule of a venue, or of ours
    KNOWN_ISSUE = "known_issue"  # a fault that is there and how to live with it
    ERROR_SIGNATURE = "error_signature"  # an error, what it means and what helps
    RUNBOOK = "runbook"  # what to do when an alert fires


class MatchedBy(StrEnum):
    """How an error was matched to an entry, the surest first."""

    EXACT = "exact"  # the alert's name; or venue, status, code and text as the entry states them
    PATTERN = "pattern"  # the entry's regular expression
    TEXT = "text"  # words in common


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class EntrySummary(_Told):
    """One entry without its text.

    Attributes:
        venue: What it is about: a broker or program such as "alpaca" or "nats"; "" for none in particular.
        severity: How soon a person must know when this is met.
        verified_at: When its statements were last held against the source.
        stale: Whether that is longer ago than entries are trusted for.
        path: Where the entry stands, below the documentation's directory or the operator's own.
    """

    id: EntryId
    kind: EntryKind
    title: str
    venue: str
    severity: Severity
    verified_at: date
    stale: bool
    path: str


class EntryView(EntrySummary):
    """One entry in full.

    Attributes:
        body: Markdown.
        source: Where its statements come from.
        actions: What the platform may do about it, by the names of automation's actions.
        http_status: Of the answer that it is about.
        code: The venue's own code, as text.
        template: The error's text with its variable parts taken out.
        regex: What the error's text is searched for.
        alert: The alert that it is the runbook of.
        valid_from: Since when its statements hold; None where that is not known.
        supersedes: Entries that it took the place of.
        superseded_by: The entry that took its place.
    """

    body: str
    source: str
    actions: tuple[str, ...]
    http_status: int | None
    code: str
    template: str
    regex: str
    alert: str
    valid_from: date | None
    supersedes: tuple[EntryId, ...]
    superseded_by: EntryId | None


class SearchHit(_Told):
    """An entry that holds the words that were looked for.

    Attributes:
        snippet: Where they stand, each between ** and **.
        rank: The higher the better; comparable within one answer alone.
    """

    entry: EntrySummary
    snippet: str
    rank: float


class SearchAnswer(_Told):
    """Found entries, the best first."""

    hits: tuple[SearchHit, ...]


class MatchQuery(BaseModel):
    """An error, or an alert, that an entry is looked for.

    Attributes:
        text: The error's words. They are cleared of secrets and variable parts before anything is stored.
        source: Who met it: an event type, a logger, an alert's name; for the list of gaps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(default="", max_length=4_000)
    venue: str = Field(default="", max_length=64)
    http_status: int | None = Field(default=None, ge=100, le=599)
    code: str = Field(default="", max_length=100)
    alert_name: str = Field(default="", max_length=200)
    source: str = Field(default="", max_length=200)
    service_name: str = Field(default="", max_length=100)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.text.strip() or self.code or self.alert_name or self.http_status):
            raise ValueError("give text, code, http_status or alert_name")
        return self


class Match(_Told):
    """An entry that answers.

    Attributes:
        confidence: 1 for an exact match, less for a pattern, less again for words in common.
        actions: As the entry names them.
    """

    entry: EntrySummary
    how: MatchedBy
    confidence: Score
    actions: tuple[str, ...]

    @property
    def entry_id(self) -> str:
        """The entry's id."""
        return self.entry.id


class MatchAnswer(_Told):
    """What is known of an error.

    Attributes:
        signature: The error's text with its variable parts taken out.
        matches: The best first, at most five; empty when no entry answers.
        gap_id: The gap that a miss is counted under; None when something answered.
    """

    signature: str
    matches: tuple[Match, ...]
    gap_id: GapId | None


class Gap(_Told):
    """An error that no entry answers.

    Attributes:
        signature: Its text with the variable parts taken out.
        example: How it read the last time, cleared of secrets.
        sightings: How often it was met.
    """

    id: GapId
    signature: str
    example: str
    venue: str
    http_status: int | None
    code: str
    source: str
    service_name: str
    sightings: PositiveInt
    first_seen_at: AwareDatetime
    last_seen_at: AwareDatetime


class GapList(_Told):
    """Gaps, the one met most often first."""

    gaps: tuple[Gap, ...]


class EntryList(_Told):
    """Entries, in order of their ids."""

    entries: tuple[EntrySummary, ...]


class KnowledgeMatched(Event):
    """An error was met that an entry answers. The subject is the entry's id.

    Attributes:
        source: Who met it: an event type, a logger or an alert's name.
        sightings: How often it was met since it was last told of.
        cause_id: The event or alert that it was met in; "" for log lines, which are counted together.
    """

    event_type: ClassVar[str] = "content.knowledge_matched"

    entry_id: EntryId
    how: MatchedBy
    confidence: Score
    signature: str
    venue: str
    source: str
    service_name: str
    sightings: PositiveInt
    cause_id: str


class KnowledgeMissed(Event):
    """An error was met that no entry answers. The subject is the gap's id.

    Attributes:
        first: Whether it was never met before.
        sightings: How often it was met since it was last told of.
    """

    event_type: ClassVar[str] = "content.knowledge_missed"

    gap_id: GapId
    signature: str
    venue: str
    http_status: int | None
    code: str
    source: str
    service_name: str
    sightings: PositiveInt
    first: bool
    cause_id: str


class KnowledgeRefreshed(Event):
    """The index was made anew, because entries changed or grew old. The subject is "knowledge".

    Attributes:
        entries: How many there are.
        stale: How many of them are not verified within the time that entries are trusted for.
        refused: How many files could not be read as entries.
    """

    event_type: ClassVar[str] = "content.knowledge_refreshed"

    entries: NonNegativeInt
    stale: NonNegativeInt
    refused: NonNegativeInt
