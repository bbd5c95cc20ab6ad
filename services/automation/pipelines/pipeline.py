"""What a pipeline is, to whoever writes one: what starts it, and the steps that it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from services.automation.pipelines.retrying import RetryPolicy
from services.automation.pipelines.schedules import Schedule
from services.contracts.pipelines import CauseKind

STANDARD_RETRY = RetryPolicy()
STEP_SECONDS = 120.0  # long enough for a service that starts anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What started a run.

    Attributes:
        cause_id: The event's id, an alert's fingerprint and start, a schedule's moment, an idempotency key. The same
            cause starts a pipeline once, however often it is delivered.
        target: What it is about: a venue, an account, a strategy; None where there is no one thing.
        payload: The event's fields, an alert's labels, a request's parameters.
        traceparent: W3C trace context of the cause, or "".
    """

    kind: CauseKind
    cause_id: str
    name: str
    target: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str = ""


class Answer(StrEnum):
    """What became of a question to a person."""

    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"


class Context(Protocol):
    """What a run works with.

    Everything that a run does or learns of the outside is a step: a run that a crash cut short is taken through its
    steps again, and those that had ended give the result that they gave before.
    """

    @property
    def cause(self) -> Cause:
        """What started the run."""

    @property
    def run_id(self) -> str:
        """The run's id; with a step's name it makes a key by which a call is recognised when it is repeated."""

    def step(
        self,
        name: str,
        function: Callable[[], Any],
        *,
        retry: RetryPolicy = STANDARD_RETRY,
        timeout_seconds: float = STEP_SECONDS,
        compensate: Callable[[], None] | None = None,
    ) -> Any:  # noqa: ANN401 -- whatever JSON the function returns
        """Do something once, and give its result, which must be JSON without a secret.

        Args:
            name: Unique within the run.
            function: Called at least once; a crash in the middle has it called again, so what it asks of others must
                bear being asked twice.
            retry: Which failures are tried again, and how often.
            timeout_seconds: For all tries together; a try that has begun is not cut off.
            compensate: Called, the latest step's first, when the run fails later on.

        Raises:
            StepFailedError: It did not succeed.
        """

    def approve(self, action: str, parameters: Mapping[str, str], reason: str) -> Answer:
        """Ask a person for exactly this, and wait for the answer."""

    def wait_until(
        self, name: str, check: Callable[[], bool], *, timeout_seconds: float, poll_seconds: float = 1.0
    ) -> bool:
        """Wait until `check` holds; False when it did not within the time. An error of it counts as "not yet"."""

    def sleep_until(self, moment: datetime) -> None:
        """Go on at `moment`, which a step gave, also across restarts."""


def never(_cause: Cause) -> str | None:
    """The lease of a pipeline whose runs may overlap."""
    return None


def by_target(cause: Cause) -> str | None:
    """One run at a time on one target."""
    return cause.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline.

    Attributes:
        name: Lower-case letters and underscores; part of its runs' ids.
        purpose: One sentence for `sightline pipelines`.
        run: Takes the steps. Between steps it must do the same whenever it is given the same results.
        events: Types of events that start it.
        wants: Whether an event or alert that could start it does.
        alerts: Names of alert rules that start it when they begin to fire.
        schedule: When it starts by itself.
        target: What a cause is about, for the lease and for a person.
        lease: What a run needs for itself alone; runs that need the same wait for one another.
        replaces: The manual work that it ended.
        by_hand: Whether a person may start it.
        needs_target: What a person has to name to start it, such as "venue"; "" when there is no one thing.
    """

    name: str
    purpose: str
    run: Callable[[Context], None]
    events: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    wants: Callable[[Cause], bool] = lambda _cause: True
    schedule: Schedule | None = None
    target: Callable[[Cause], str | None] = by_target
    lease: Callable[[Cause], str | None] = by_target
    replaces: str = ""
    by_hand: bool = True
    needs_target: str = ""

    def run_id(self, cause: Cause) -> str:
        """The id of the run that `cause` starts: the same cause, the same run."""
        return f"{self.name}:{cause.cause_id}"
