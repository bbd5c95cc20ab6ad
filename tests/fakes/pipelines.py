"""An engine that takes a run through its pipeline at once, in the caller's thread, and keeps steps in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from opentelemetry.trace import NoOpTracer

from services.automation.pipelines.executing import nothing
from services.automation.pipelines.pipeline import Answer, Cause, Pipeline
from services.automation.pipelines.running import Asked, RunContext, StepFailedError, Surroundings
from services.contracts.pipelines import CauseKind
from telemetry.emit.redaction import Redactor
from tests.fakes.clock import FakeClock


class NoWaiter:
    """Time passes at once: the clock goes forward by what was to be waited."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def wait(self, seconds: float) -> None:
        self._clock.advance(seconds)


class Evenly:
    """Randomness of which nothing comes: every pause is half of its longest."""

    def bits(self, count: int) -> int:
        return 1 << (count - 1)

    def fraction(self) -> float:
        return 0.5

    def token(self) -> str:
        return "token"


class Answers:
    """A person who answers as told beforehand, by action; silent about everything else."""

    def __init__(self, clock: FakeClock, answers: Mapping[str, Answer]) -> None:
        self._clock, self._answers = clock, answers
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self._action: dict[str, str] = {}

    def ask(self, run_id: str, number: int, action: str, parameters: Mapping[str, str], reason: str) -> Asked:
        self.asked.append((action, dict(parameters), reason))
        approval_id = f"{run_id}/{number}"
        self._action[approval_id] = action
        return Asked(approval_id, self._clock.now() + timedelta(hours=1))

    def answered(self, approval_id: str) -> bool:
        return self._action[approval_id] in self._answers

    def settle(self, approval_id: str) -> Answer:
        return self._answers.get(self._action[approval_id], Answer.EXPIRED)


@dataclass
class Kept:
    """Steps in memory. With the same `results` a run is taken through its steps again, as after a crash."""

    results: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def once(self, name: str, function: Callable[[], Any]) -> Any:  # noqa: ANN401 -- JSON
        if name not in self.results:
            self.results[name] = function()
            self.done.append(name)
        return self.results[name]


@dataclass
class Ran:
    """How a run went: `error` is None when it went well."""

    error: StepFailedError | None
    kept: Kept
    asked: list[tuple[str, dict[str, str], str]]
    undone: list[str] = field(default_factory=list)


def run(
    pipeline: Pipeline,
    cause: Cause,
    *,
    clock: FakeClock | None = None,
    answers: Mapping[str, Answer] | None = None,
    kept: Kept | None = None,
) -> Ran:
    """Take `pipeline` through its steps. A failing step is not tried again unless its policy says so."""
    clock, kept = clock or FakeClock(), kept or Kept()
    person = Answers(clock, answers or {})
    context = RunContext(cause, pipeline.run_id(cause), kept, surroundings(clock, person))
    try:
        pipeline.run(context)
    except StepFailedError as error:
        context.compensate()
        return Ran(error, kept, person.asked, [name for name in kept.done if name.startswith("undo ")])
    return Ran(None, kept, person.asked)


def surroundings(clock: FakeClock, person: Answers | None = None) -> Surroundings:
    """What runs need of a process, as far as it can be without one."""
    return Surroundings(
        clock=clock,
        randomness=Evenly(),
        waiter=NoWaiter(clock),
        tracer=NoOpTracer(),
        redactor=Redactor(),
        asking=person or Answers(clock, {}),
        holds=nothing,
        told=nothing,
        retried=nothing,
    )


def by_event(event_type: str, target: str | None = None, **payload: Any) -> Cause:  # noqa: ANN401 -- an event's fields
    """A cause as an event makes it."""
    return Cause(kind=CauseKind.EVENT, cause_id="event-1", name=event_type, target=target, payload=payload)
