"""Durable pipelines: what started a run, how its steps went, and what a person is asked before it may go on."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from services.contracts.events import Event


class CauseKind(StrEnum):
    """What started a run."""

    EVENT = "event"
    ALERT = "alert"
    SCHEDULE = "schedule"
    COMMAND = "command"
    HTTP = "http"


class RunStatus(StrEnum):
    """How a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_APPROVAL = "waiting_approval"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Nothing will change any more."""
        return self in {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELED}


class FailureClass(StrEnum):
    """What kind of failure it is decides whether trying again may help.

    TRANSIENT: try again after a while. THROTTLED: try again when the server said. AUTH: recover the session, then try
    once more. DEFINITIVE: trying again does not help. UNKNOWN: it may have happened; find out, never repeat.
    """

    TRANSIENT = "transient"
    THROTTLED = "throttled"
    AUTH = "auth"
    DEFINITIVE = "definitive"
    UNKNOWN = "unknown"


class ApprovalStatus(StrEnum):
    """How a question to a person stands. Granted is used up by the run that asked."""

    PENDING = "pending"
    GRANTED = "granted"
    REFUSED = "refused"
    EXPIRED = "expired"


class _RunFact(Event):
    """The subject is the run's id."""

    run_id: str
    pipeline: str
    target: str | None = None


class PipelineStarted(_RunFact):
    """A cause started a run."""

    event_type: ClassVar[str] = "pipelines.pipeline_started"

    cause_kind: CauseKind
    cause_id: str


class PipelineStepFailed(_RunFact):
    """A step did not succeed by all the tries that its policy allows.

    Attributes:
        attempt: How many tries there were.
    """

    event_type: ClassVar[str] = "pipelines.pipeline_step_failed"

    step: str
    failure_class: FailureClass
    attempt: int
    detail: str


class PipelineEnded(_RunFact):
    """A run came to its end.

    Attributes:
        steps: How many steps were taken, those of compensation included.
    """

    event_type: ClassVar[str] = "pipelines.pipeline_ended"

    outcome: RunStatus
    duration_seconds: float
    steps: int
    detail: str = ""


class PipelineRecovered(_RunFact):
    """A run that a crash had cut short goes on at the step it was in."""

    event_type: ClassVar[str] = "pipelines.pipeline_recovered"


class _ApprovalFact(Event):
    """The subject is the approval's id."""

    approval_id: str
    action: str
    parameters_digest: str
    target: str | None
    reason: str
    expires_at: AwareDatetime


class ApprovalRequested(_ApprovalFact):
    """A run waits until a person allows exactly this."""

    event_type: ClassVar[str] = "pipelines.approval_requested"

    run_id: str
    pipeline: str
    parameters: dict[str, str]


class ApprovalGranted(_ApprovalFact):
    """A person allowed exactly this, once."""

    event_type: ClassVar[str] = "pipelines.approval_granted"

    decided_by: str


class ApprovalRefused(_ApprovalFact):
    """A person refused."""

    event_type: ClassVar[str] = "pipelines.approval_refused"

    decided_by: str


class ApprovalExpired(_ApprovalFact):
    """Nobody decided in time; the run goes on as if refused."""

    event_type: ClassVar[str] = "pipelines.approval_expired"


class ManualIntervention(Event):
    """A person did by hand what a pipeline could not; the platform's own measure, meant to reach zero.

    Attributes:
        kind: What was done, such as `approve` or `run`.
    """

    event_type: ClassVar[str] = "pipelines.manual_intervention"

    kind: str
    by: str


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepView(_Told):
    """A step of a run, in the order in which steps ended."""

    name: str
    ok: bool
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    attempts: int
    detail: str = ""


class RunView(_Told):
    """A run.

    Attributes:
        trace_id: The trace of the run; `sightline trace ID` shows it. Empty while there is none.
        detail: Why it failed or was canceled.
    """

    run_id: str
    pipeline: str
    status: RunStatus
    cause_kind: CauseKind
    cause_id: str
    target: str | None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    detail: str
    trace_id: str
    steps: tuple[StepView, ...] = ()


class RunList(_Told):
    """Runs, the newest first."""

    runs: tuple[RunView, ...]


class PipelineView(_Told):
    """A pipeline: what it is for, what starts it, and when it last went well.

    Attributes:
        replaces: The manual work that it ended, in the words of docs/pipelines.md.
    """

    name: str
    purpose: str
    triggers: tuple[str, ...]
    replaces: str
    last_success_at: AwareDatetime | None
    next_due_at: AwareDatetime | None


class PipelineList(_Told):
    """Every pipeline, by name."""

    pipelines: tuple[PipelineView, ...]


class RunRequest(_Told):
    """Start a pipeline by hand or from another program.

    Attributes:
        target: What it is about, where the pipeline asks for one: a venue, an account, a strategy.
        parameters: Further words for the pipeline.
    """

    target: str | None = Field(default=None, max_length=200)
    parameters: dict[str, str] = Field(default_factory=dict, max_length=20)


class RunStarted(_Told):
    """A run, and whether this request started it or it was there already."""

    run_id: str
    started: bool


class ApprovalView(_Told):
    """A question to a person."""

    approval_id: str
    run_id: str
    pipeline: str
    action: str
    parameters: dict[str, str]
    parameters_digest: str
    target: str | None
    reason: str
    status: ApprovalStatus
    requested_at: AwareDatetime
    expires_at: AwareDatetime
    decided_at: AwareDatetime | None
    decided_by: str | None


class ApprovalList(_Told):
    """Approvals, the newest first."""

    approvals: tuple[ApprovalView, ...]


class ApprovalDecision(_Told):
    """What a person decides.

    Attributes:
        parameters_digest: Of what the person saw: an answer to anything else is refused.
        step_up: The second passphrase, to allow something.
    """

    parameters_digest: str = Field(min_length=64, max_length=64)
    step_up: SecretStr = Field(default=SecretStr(""), max_length=200)
