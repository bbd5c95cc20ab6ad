"""Words about what is out of the ordinary, and about what probably caused it.

A fact about an anomaly has the watched series as its subject, one about a diagnosis the incident's id.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, NewType

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from services.contracts.alerting import Severity
from services.contracts.events import Event, Subject

AnomalyId = NewType("AnomalyId", str)
"""Names one time during which one series was out of the ordinary."""

EvidenceId = NewType("EvidenceId", str)
"""Names a piece of evidence within one diagnosis, such as "E7"."""

Confidence = Annotated[float, Field(ge=0.0, le=1.0)]
IncidentId = Subject


class Stage(StrEnum):
    """Where in the platform's work something is out of the ordinary."""

    LOGIN = "login"
    ORDERS = "orders"
    MARKET_DATA = "market_data"
    STRATEGIES = "strategies"
    PIPELINES = "pipelines"
    BOOKS = "books"
    STORAGE = "storage"
    SERVICES = "services"


class Detector(StrEnum):
    """How it was found."""

    ROBUST = "robust"  # distance from the median in median absolute deviations
    DRIFT = "drift"  # the mean of an adaptive window has moved (ADWIN)
    BURN_RATE = "burn_rate"  # an error budget is used up too fast, over a long and a short window
    INVARIANT = "invariant"  # what must always hold does not
    TEMPLATES = "templates"  # a kind of log line that is new, or suddenly frequent


class DetectorState(StrEnum):
    """What a detector does at present."""

    WARMING_UP = "warming_up"  # has not seen enough to call anything out of the ordinary
    WATCHING = "watching"
    FOUND = "found"
    BLIND = "blind"  # what it watches could not be read


class Cause(StrEnum):
    """What an incident can be traced back to."""

    EXPIRED_TOKEN = "expired_token"  # noqa: S105 -- the name of a cause
    RATE_LIMITED = "rate_limited"
    VENUE_SLOW = "venue_slow"
    REJECTED_AFTER_ACCEPT = "rejected_after_accept"
    QUOTES_FROZEN = "quotes_frozen"
    CODE_DELAYED = "code_delayed"
    CLOCK_DRIFT = "clock_drift"
    STORAGE_FULL = "storage_full"
    WORKER_CRASH_LOOP = "worker_crash_loop"
    POISON_EVENT = "poison_event"
    STRATEGY_DECAY = "strategy_decay"
    BAD_CONFIGURATION = "bad_configuration"
    RETRY_STORM = "retry_storm"
    DUPLICATE_FILL = "duplicate_fill"
    VENUE_DOWN = "venue_down"


class EvidenceKind(StrEnum):
    """Where a piece of evidence comes from."""

    METRIC = "metric"
    LOG_TEMPLATE = "log_template"
    SPAN = "span"
    FACT = "fact"
    ALERT = "alert"
    ANOMALY = "anomaly"
    KNOWLEDGE = "knowledge"
    PREFLIGHT = "preflight"


class Prose(StrEnum):
    """What became of the wish that a language model puts a diagnosis into words."""

    OFF = "off"
    WRITTEN = "written"
    REFUSED = "refused"  # it wrote what the evidence does not carry
    FAILED = "failed"  # it could not be asked


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class _AnomalyFact(Event):
    """A fact about one anomaly; the subject is the series.

    Attributes:
        signal: What is watched, as the table of signals names it, such as "submit_latency".
        service_name: The service whose series it is.
        since: When it probably began.
    """

    anomaly_id: AnomalyId
    signal: str
    stage: Stage
    service_name: str
    detector: Detector
    since: AwareDatetime


class AnomalyFound(_AnomalyFact):
    """Something is out of the ordinary.

    Attributes:
        score: How far, in units of what is still ordinary: 1 is the threshold.
        value: What was seen, in the signal's unit.
        expected: What is ordinary, in the same unit.
        target: The venue, account, strategy or symbol that it is about; "" for none in particular.
        detail: In words.
    """

    event_type: ClassVar[str] = "agents.anomaly_found"

    severity: Severity
    score: NonNegativeFloat
    value: float
    expected: float
    target: str
    detail: str


class AnomalyEnded(_AnomalyFact):
    """It is as usual again.

    Attributes:
        duration_seconds: Since it probably began.
        peak_score: The furthest that it went.
    """

    event_type: ClassVar[str] = "agents.anomaly_ended"

    duration_seconds: NonNegativeFloat
    peak_score: NonNegativeFloat


class DiagnosisMade(Event):
    """An incident's telemetry was searched for its cause. The subject is the incident.

    Attributes:
        causes: The probable ones, best first; empty when the evidence points nowhere.
        leading: The best one, or "no_finding".
        confidence: In the best one; 0 without a finding.
        missing: Sources that could not be read.
    """

    event_type: ClassVar[str] = "agents.diagnosis_made"

    causes: tuple[str, ...]
    leading: str
    confidence: Confidence
    evidence: NonNegativeInt
    missing: tuple[str, ...]
    prose: Prose
    duration_seconds: NonNegativeFloat


class AnomalyView(_Told):
    """One anomaly, over or not."""

    anomaly_id: AnomalyId
    signal: str
    stage: Stage
    service_name: str
    series: str
    target: str
    detector: Detector
    severity: Severity
    score: float
    peak_score: float
    value: float
    expected: float
    detail: str
    since: AwareDatetime
    found_at: AwareDatetime
    ended_at: AwareDatetime | None


class AnomalyList(_Told):
    """Anomalies, the newest first."""

    anomalies: tuple[AnomalyView, ...]


class DetectorView(_Told):
    """One detector and the series that it watches.

    Attributes:
        observations: How many values it has seen.
        needed: How many it wants to have seen before it calls anything out of the ordinary.
        observed_at: When the last value was worth what it was; None before the first.
        reason: Why it is blind, "" while it is not.
    """

    signal: str
    stage: Stage
    service_name: str
    series: str
    detector: Detector
    state: DetectorState
    observations: NonNegativeInt
    needed: NonNegativeInt
    score: float
    value: float
    expected: float
    unit: str
    observed_at: AwareDatetime | None
    reason: str


class DetectorList(_Told):
    """Detectors, by stage and signal."""

    detectors: tuple[DetectorView, ...]


class DiagnosisRequest(BaseModel):
    """What to look for the cause of.

    Attributes:
        alert_name: The alert that told of it; "" without one.
        target: The venue, account, strategy or symbol that it is about; "" for none in particular.
        service_name: The service that it showed in; "" for none in particular.
        started_at: When it was first seen. The cause may lie before.
        until: Up to when to look; None for now. With it the same telemetry gives the same answer at any time.
        window_seconds: How long before `started_at` to begin.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    incident_id: IncidentId
    alert_name: str = Field(default="", max_length=200)
    target: str = Field(default="", max_length=100)
    service_name: str = Field(default="", max_length=100)
    started_at: AwareDatetime
    until: AwareDatetime | None = None
    window_seconds: float = Field(default=900.0, ge=60.0, le=86_400.0)


class Evidence(_Told):
    """One thing that was observed.

    Attributes:
        signal: What it is a case of, as the table of causes names it.
        at: When it was seen, or began.
        detail: In words; text out of a log is quoted, shortened and cleared of secrets.
        query: How to see it again.
        strength: How clearly it shows, from 0 to 1.
    """

    id: EvidenceId
    kind: EvidenceKind
    signal: str
    service_name: str
    at: AwareDatetime
    detail: str
    query: str
    strength: Confidence = 1.0


class Hypothesis(_Told):
    """A probable cause.

    Attributes:
        confidence: From the table of causes and the evidence alone; not a frequency.
        evidence_ids: What speaks for it, the weightiest first.
        against_ids: What speaks against it.
        knowledge_ids: Entries of the knowledge base about it.
        allowed_actions: What the platform may do about it, as automation's policy names it, the mildest first.
    """

    cause: Cause
    confidence: Confidence
    summary: str
    evidence_ids: tuple[EvidenceId, ...]
    against_ids: tuple[EvidenceId, ...] = ()
    knowledge_ids: tuple[str, ...] = ()
    allowed_actions: tuple[str, ...]


class Diagnosis(_Told):
    """What probably caused an incident.

    Attributes:
        hypotheses: At most three, the best first; empty is "no finding".
        evidence: Everything that was found, whether it speaks for a cause or not.
        missing: Sources that could not be read, and why.
        prose: The same in sentences, if a language model is allowed to write them; None otherwise.
        onset: When the earliest of the best hypothesis' evidence began; None without a finding.
    """

    incident_id: IncidentId
    window_start: AwareDatetime
    window_end: AwareDatetime
    onset: AwareDatetime | None
    hypotheses: Annotated[tuple[Hypothesis, ...], Field(max_length=3)]
    evidence: tuple[Evidence, ...]
    missing: tuple[str, ...]
    prose: str | None = None
