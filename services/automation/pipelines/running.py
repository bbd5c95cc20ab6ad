"""A run, whoever keeps its steps: the context that a pipeline sees, over a small port that makes steps durable."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from opentelemetry import trace
from opentelemetry.trace import Tracer

from services.automation.pipelines.failures import Failure, RunOverError
from services.automation.pipelines.pipeline import STANDARD_RETRY, STEP_SECONDS, Answer, Cause
from services.automation.pipelines.retrying import RetryPolicy, Waiter, tried
from services.contracts.pipelines import FailureClass
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.kit.ids import Randomness
from telemetry.emit.redaction import Redactor

_log = logging.getLogger("services.automation.pipelines")
_LARGEST_RESULT: Final = 16_000  # letters of JSON


class StepFailedError(SightlineError):
    """A step did not succeed by all the tries that its policy allows."""

    code = "step_failed"
    title = "A step failed"

    def __init__(self, step: str, failure: Failure) -> None:
        super().__init__(f"{step}: {failure.detail}")
        self.step = step
        self.kind = failure.kind


class UnfitResultError(SightlineError):
    """A step gave something that must not, or cannot, be stored."""

    code = "unfit_result"
    title = "A step's result cannot be stored"


class Durable(Protocol):
    """Keeps what a run has learnt, so that it can be taken through its steps again."""

    def once(self, name: str, function: Callable[[], Any]) -> Any:  # noqa: ANN401 -- JSON
        """The result of `function`, which is called unless a result is kept already. It must not raise."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was asked."""

    approval_id: str
    expires_at: datetime


class Asking(Protocol):
    """Asks a person."""

    def ask(self, run_id: str, number: int, action: str, parameters: Mapping[str, str], reason: str) -> Asked:
        """State the question once per `run_id` and `number`."""

    def answered(self, approval_id: str) -> bool:
        """Whether a person has decided."""

    def settle(self, approval_id: str) -> Answer:
        """What the answer means, once and for all: an approval is used up, and what was not answered is expired."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every run needs of the process.

    Attributes:
        holds: Raises `RunOverError` when the run was canceled or its lease went to another. Asked before each try of
            a step and at each look of a wait: no call begins for a run that is over.
        told: Told of each step that failed for good: step, failure, tries.
    """

    clock: Clock
    randomness: Randomness
    waiter: Waiter
    tracer: Tracer
    redactor: Redactor
    asking: Asking
    holds: Callable[[str], None]
    told: Callable[[str, str, Failure, int], None]
    retried: Callable[[str, str, Failure], None]


class _Watchful:
    """Waits, and then makes sure that the run is not over."""

    def __init__(self, waiter: Waiter, holds: Callable[[], None]) -> None:
        self._waiter, self._holds = waiter, holds

    def wait(self, seconds: float) -> None:
        self._waiter.wait(seconds)
        self._holds()


class RunContext:
    """The `Context` of one run."""

    def __init__(self, cause: Cause, run_id: str, durable: Durable, around: Surroundings) -> None:
        self._cause, self._run_id = cause, run_id
        self._durable, self._around = durable, around
        self._names: set[str] = set()
        self._undo: list[tuple[str, Callable[[], None]]] = []
        self._questions = 0
        self._waiter = _Watchful(around.waiter, lambda: around.holds(run_id))
        self.steps = 0

    @property
    def cause(self) -> Cause:
        return self._cause

    @property
    def run_id(self) -> str:
        return self._run_id

    def step(
        self,
        name: str,
        function: Callable[[], Any],
        *,
        retry: RetryPolicy = STANDARD_RETRY,
        timeout_seconds: float = STEP_SECONDS,
        compensate: Callable[[], None] | None = None,
    ) -> Any:  # noqa: ANN401 -- whatever JSON the function returns
        if name in self._names:
            raise ValueError(f"{self._run_id} has two steps called {name!r}; a step's name is its key")
        self._names.add(name)
        self.steps += 1
        kept = self._durable.once(name, lambda: self._try(name, function, retry, timeout_seconds))
        if kept["failure"] is not None:
            kind, detail = kept["failure"]
            raise StepFailedError(name, Failure(FailureClass(kind), detail))
        if compensate is not None:
            self._undo.append((name, compensate))
        return kept["result"]

    def approve(self, action: str, parameters: Mapping[str, str], reason: str) -> Answer:
        self._questions += 1
        number, around = self._questions, self._around

        def ask() -> dict[str, Any]:
            asked = around.asking.ask(self._run_id, number, action, parameters, reason)
            return {"id": asked.approval_id, "expires_at": asked.expires_at.isoformat()}

        asked = self.step(f"ask {action} {number}", ask)
        deadline = datetime.fromisoformat(asked["expires_at"])
        self.step(
            f"answer {action} {number}", lambda: self._comes(lambda: around.asking.answered(asked["id"]), deadline)
        )
        return Answer(self.step(f"settle {action} {number}", lambda: around.asking.settle(asked["id"])))

    def wait_until(
        self, name: str, check: Callable[[], bool], *, timeout_seconds: float, poll_seconds: float = 1.0
    ) -> bool:
        around = self._around
        began = self.step(f"{name} begins", lambda: around.clock.now().isoformat())
        deadline = datetime.fromisoformat(began) + timedelta(seconds=timeout_seconds)

        return bool(
            self.step(
                name, lambda: self._comes(check, deadline, poll_seconds), timeout_seconds=timeout_seconds + poll_seconds
            )
        )

    def sleep_until(self, moment: datetime) -> None:
        self.step(f"sleep until {moment.isoformat()}", lambda: self._comes(lambda: False, moment))

    def compensate(self) -> list[str]:
        """Undo the steps that can be undone, the latest first; names those whose undoing failed."""
        failed = []
        for name, undo in reversed(self._undo):
            try:
                self.step(f"undo {name}", undo)
            except StepFailedError:
                failed.append(name)
        return failed

    def _comes(self, check: Callable[[], bool], deadline: datetime, poll_seconds: float = 1.0) -> bool:
        while not _holds(check):
            left = (deadline - self._around.clock.now()).total_seconds()
            if left <= 0:
                return False
            self._waiter.wait(min(poll_seconds, left))
        return True

    def _try(
        self, name: str, function: Callable[[], Any], retry: RetryPolicy, timeout_seconds: float
    ) -> dict[str, Any]:
        around = self._around
        around.holds(self._run_id)
        with around.tracer.start_as_current_span(f"step {name}") as span:
            outcome = tried(
                lambda: self._fit(name, function()),
                retry,
                timeout_seconds=timeout_seconds,
                clock=around.clock,
                randomness=around.randomness,
                waiter=self._waiter,
                again=lambda failure, _tries: around.retried(self._run_id, name, failure),
            )
            if outcome.failure is not None:
                span.set_status(trace.StatusCode.ERROR, outcome.failure.kind.value)
                around.told(self._run_id, name, outcome.failure, outcome.tries)
        failure = outcome.failure
        told = None if failure is None else [failure.kind.value, around.redactor.text(failure.detail)]
        return {"result": outcome.result, "failure": told, "tries": outcome.tries}

    def _fit(self, name: str, result: Any) -> Any:  # noqa: ANN401 -- JSON
        try:
            text = json.dumps(result, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UnfitResultError(f"Step {name} must give JSON; {type(result).__name__} is none.") from error
        if len(text) > _LARGEST_RESULT:
            raise UnfitResultError(f"Step {name} gave {len(text)} letters; give an id of it instead.")
        if self._around.redactor.text(text) != text:
            raise UnfitResultError(f"Step {name} gave what looks like a secret; results are stored, so it was refused.")
        return json.loads(text)


def _holds(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except RunOverError:
        raise
    except SightlineError as error:
        _log.info("what is waited for cannot be seen now: %s", error.detail)
        return False
