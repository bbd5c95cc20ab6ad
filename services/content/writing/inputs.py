"""Everything that a document is written from. It is stored with the document: the same inputs make the same bytes."""

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.contracts.documents import SourcedNumber


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(_Input):
    """One line of a timeline.

    Attributes:
        source: "incident", "action", "log", "fact", "span" or "metric".
        reference: Where to look further.
    """

    at: AwareDatetime
    source: str
    service_name: str
    level: str
    text: str
    reference: str
    trace_id: str


class Act(_Input):
    """What the platform did, or did not."""

    at: AwareDatetime
    action: str
    outcome: str
    detail: str


class Gathered(_Input):
    """What telemetry tells of a window.

    Attributes:
        numbers: Counts, each with its query.
        lines: Oldest first.
        cut: There were more lines than are kept.
        missing: Sources that were away, and why.
    """

    start: AwareDatetime
    end: AwareDatetime
    numbers: tuple[SourcedNumber, ...]
    lines: tuple[Line, ...] = ()
    cut: bool = False
    missing: tuple[str, ...] = ()


class IncidentAccount(_Input):
    """What was told of one incident, from its beginning to its end.

    Attributes:
        outcome: "resolved" or "escalated".
        reason: Why a person was called; "" when none was.
        cause_kind, cause_id, alert_name, service_name: What told of it; "" when its beginning was not heard.
        joined: What else was told about the same target.
        times: Seconds to detect, mitigate and resolve.
    """

    incident_id: str
    title: str
    target: str
    severity: str
    outcome: str
    reason: str
    cause_kind: str = ""
    cause_id: str = ""
    alert_name: str = ""
    service_name: str = ""
    started_at: AwareDatetime
    detected_at: AwareDatetime
    mitigated_at: AwareDatetime | None
    ended_at: AwareDatetime
    causes: tuple[str, ...]
    confidence: float | None
    knowledge_ids: tuple[str, ...]
    acts: tuple[Act, ...]
    joined: tuple[str, ...]
    history: tuple[Line, ...]
    trace_ids: tuple[str, ...]
    times: tuple[SourcedNumber, ...]


class PostmortemInputs(_Input):
    """A postmortem."""

    account: IncidentAccount
    gathered: Gathered

    @property
    def numbers(self) -> tuple[SourcedNumber, ...]:
        """Every number in the text."""
        return (*self.account.times, *self.gathered.numbers)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The incident's own history and what telemetry saw, in one order; what both tell is told once."""
        history = self.account.history
        told = {line.reference for line in history}
        seen = (line for line in self.gathered.lines if line.reference not in told)
        return tuple(sorted((*history, *seen), key=lambda line: line.at))

    @property
    def trace_ids(self) -> tuple[str, ...]:
        """Traces to look into, those of the incident first."""
        seen = (*self.account.trace_ids, *(line.trace_id for line in self.gathered.lines if line.trace_id))
        return tuple(dict.fromkeys(seen))[:10]


class Section(_Input):
    """One subject of a text about a period.

    Attributes:
        lines: What happened one by one where a reader asks who and why, oldest first.
        cut: There were more lines than are kept.
    """

    title: str
    numbers: tuple[SourcedNumber, ...]
    lines: tuple[Line, ...] = ()
    cut: bool = False


class Curve(_Input):
    """A measure over time: Unix seconds and values, oldest first."""

    name: str
    points: tuple[tuple[float, float], ...]


class PeriodInputs(_Input):
    """A text about a period.

    Attributes:
        title: What the text is called.
        incidents: Those that ended in the period: id, title, outcome.
        counts: How many of them were resolved and how many escalated.
        sections: Empty in texts that were written before there were any.
        equity: What each account was worth; empty where the text does not tell of it.
    """

    title: str
    incidents: tuple[tuple[str, str, str], ...]
    counts: tuple[SourcedNumber, ...]
    gathered: Gathered
    sections: tuple[Section, ...] = ()
    equity: tuple[Curve, ...] = ()

    @property
    def numbers(self) -> tuple[SourcedNumber, ...]:
        """Every number in the text."""
        return (*self.overview, *(number for section in self.sections for number in section.numbers))

    @property
    def overview(self) -> tuple[SourcedNumber, ...]:
        """The numbers that stand before all sections."""
        return (*self.counts, *self.gathered.numbers)
