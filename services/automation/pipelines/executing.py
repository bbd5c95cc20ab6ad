"""Takes a run through its pipeline, whoever keeps its steps."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context as TraceContext
from opentelemetry.trace import Link

from services.automation.pipelines import store
from services.automation.pipelines.engine import UnknownPipelineError
from services.automation.pipelines.failures import Failure, LeaseLostError, RunCanceledError, RunOverError
from services.automation.pipelines.pipeline import Cause, Pipeline
from services.automation.pipelines.running import Durable, RunContext, StepFailedError, Surroundings
from services.contracts.pipelines import (
    PipelineEnded,
    PipelineRecovered,
    PipelineStarted,
    PipelineStepFailed,
    RunStatus,
    RunView,
)
from services.kit.database_errors import DatabaseError
from services.kit.facts import Facts, Transaction
from telemetry.catalogue import PIPELINE_LEASES_LOST, PIPELINE_STEP_RETRIES
from telemetry.emit.metrics import Metrics
from telemetry.emit.patterns import REDACTED
from telemetry.emit.propagation import TRACEPARENT, extract
from telemetry.emit.redaction import Redactor

_LEASE_POLL_SECONDS: Final = 0.25
_LONGEST_DETAIL: Final = 1_000

_log = logging.getLogger("services.automation.pipelines")


class Registry:
    """Every pipeline, by name."""

    def __init__(self, pipelines: tuple[Pipeline, ...]) -> None:
        self._by_name: Mapping[str, Pipeline] = MappingProxyType({each.name: each for each in pipelines})
        if len(self._by_name) != len(pipelines):
            raise ValueError("two pipelines share a name; a run's id begins with it")

    def __iter__(self) -> Iterator[Pipeline]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Pipeline:
        """The pipeline of this name. Raises `UnknownPipelineError`."""
        if name not in self._by_name:
            raise UnknownPipelineError(f"There is none called {name}; `sightline pipelines` lists them.")
        return self._by_name[name]


@dataclass(frozen=True, slots=True)
class Runner:
    """Notes runs, takes them through their steps and states how they ended. Its methods block."""

    registry: Registry
    facts: Facts
    metrics: Metrics
    around: Surroundings

    def add(self, tx: Transaction, pipeline: Pipeline, cause: Cause) -> bool:
        """Note a run that is to start; False when it is there already. What its cause tells is kept without secrets."""
        run_id = pipeline.run_id(cause)
        kept = replace(cause, payload=without_secrets(cause.payload, self.around.redactor))
        if not store.add(tx.connection, run_id, pipeline.name, kept, self.around.clock.now()):
            return False
        tx.record(
            PipelineStarted(
                subject=run_id,
                run_id=run_id,
                pipeline=pipeline.name,
                target=cause.target,
                cause_kind=cause.kind,
                cause_id=cause.cause_id,
            )
        )
        return True

    def execute(self, run_id: str, durable: Durable) -> None:
        """Take a run through its steps to its end; a run that had ended stays as it is."""
        with self.facts.transaction() as tx:
            run, cause = store.one(tx.connection, run_id), store.cause_of(tx.connection, run_id)
        if run is None or cause is None or run.status.ended:
            return
        name = f"run {run.pipeline}"
        with self.around.tracer.start_as_current_span(name, context=TraceContext(), links=_links(cause)) as span:
            span.set_attribute("sightline.run_id", run_id)
            self._begin(run)
            outcome, detail, steps = self._taken(run, cause, durable)
            if outcome is RunStatus.FAILED:
                span.set_status(trace.StatusCode.ERROR, "failed")
            self.end(run_id, outcome, detail, steps=steps)

    def end(self, run_id: str, outcome: RunStatus, detail: str, *, steps: int) -> bool:
        """Note and state how a run ended; False when it had ended before."""
        detail = self.around.redactor.text(detail)[:_LONGEST_DETAIL]
        now = self.around.clock.now()
        with self.facts.transaction() as tx:
            run = store.end(tx.connection, run_id, outcome, detail, now)
            if run is None:
                return False
            tx.record(
                PipelineEnded(
                    subject=run_id,
                    run_id=run_id,
                    pipeline=run.pipeline,
                    target=run.target,
                    outcome=outcome,
                    duration_seconds=max(0.0, (now - run.started_at).total_seconds()),
                    steps=steps,
                    detail=detail,
                )
            )
        return True

    def _begin(self, run: RunView) -> None:
        trace_id = f"{trace.get_current_span().get_span_context().trace_id:032x}"
        with self.facts.transaction() as tx:
            store.begin(tx.connection, run.run_id, trace_id)
            if run.status is not RunStatus.QUEUED:
                tx.record(
                    PipelineRecovered(subject=run.run_id, run_id=run.run_id, pipeline=run.pipeline, target=run.target)
                )

    def _taken(self, run: RunView, cause: Cause, durable: Durable) -> tuple[RunStatus, str, int]:
        pipeline = self.registry.get(run.pipeline)
        lease = pipeline.lease(cause)
        context = RunContext(cause, run.run_id, durable, self._around(run, lease))
        try:
            if lease is not None:
                durable.once("lease", lambda: self._take(lease, run.run_id))
            pipeline.run(context)
        except StepFailedError as error:
            detail = error.detail
        except RunOverError as error:
            return RunStatus.FAILED, error.detail, context.steps
        except Exception as error:  # noqa: BLE001 -- a run ends in every case, and says how
            # A mistake in the pipeline itself. Its words may hold anything, so they stay in the log, which redacts.
            _log.exception("pipeline %s has a mistake", run.pipeline)
            detail = f"The pipeline itself has a mistake ({type(error).__name__}); the log has the traceback."
        else:
            return RunStatus.SUCCEEDED, "", context.steps
        return RunStatus.FAILED, detail + _undone(context), context.steps

    def _take(self, lease: str, run_id: str) -> bool:
        while not self._took(lease, run_id):
            self.around.waiter.wait(_LEASE_POLL_SECONDS)
        return True

    def _took(self, lease: str, run_id: str) -> bool:
        try:
            with self.facts.transaction() as tx:
                return store.take_lease(tx.connection, lease, run_id, self.around.clock.now())
        except DatabaseError as error:
            _log.warning("cannot take the lease on %s now: %s", lease, error.detail)
            return False

    def _standing(self, run_id: str, lease: str | None) -> store.Standing | None:
        """How the run stands; None while nobody can say: a call that nobody guards is not made."""
        try:
            with self.facts.transaction() as tx:
                return store.standing_of(tx.connection, run_id, lease)
        except DatabaseError as error:
            _log.warning("cannot see whether run %s may go on: %s", run_id, error.detail)
            return None

    def _around(self, run: RunView, lease: str | None) -> Surroundings:
        def holds(run_id: str) -> None:
            while (standing := self._standing(run_id, lease)) is None:
                self.around.waiter.wait(_LEASE_POLL_SECONDS)
            if not standing.holds_lease:
                self.metrics.counter(PIPELINE_LEASES_LOST, pipeline=run.pipeline).inc()
                raise LeaseLostError(f"Another run works on {lease} now; this one stopped before its next call.")
            if standing.ended:
                raise RunCanceledError("It was canceled; it stopped before its next call.")

        def told(run_id: str, step: str, failure: Failure, tries: int) -> None:
            with self.facts.transaction() as tx:
                tx.record(
                    PipelineStepFailed(
                        subject=run_id,
                        run_id=run_id,
                        pipeline=run.pipeline,
                        target=run.target,
                        step=step,
                        failure_class=failure.kind,
                        attempt=tries,
                        detail=self.around.redactor.text(failure.detail),
                    )
                )

        def retried(_run_id: str, _step: str, failure: Failure) -> None:
            self.metrics.counter(PIPELINE_STEP_RETRIES, pipeline=run.pipeline, failure_class=failure.kind.value).inc()

        return replace(self.around, holds=holds, told=told, retried=retried)


def without_secrets(payload: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """The same JSON; what looks like a secret, by its name or by its form, is blanked out."""
    return {name: _without_secrets(name, value, redactor) for name, value in payload.items()}


def _without_secrets(name: str, value: Any, redactor: Redactor) -> Any:  # noqa: ANN401 -- JSON
    # Of what holds more than one value, the name alone can say that it is a secret.
    ((_, told),) = redactor.fields({name: value if isinstance(value, str | int) else "-"})
    if told == REDACTED and value is not None:
        return REDACTED
    if isinstance(value, Mapping):
        return without_secrets(value, redactor)
    if isinstance(value, list | tuple):
        return [_without_secrets(name, each, redactor) for each in value]
    return redactor.text(value) if isinstance(value, str) else value


def nothing(*_anything: object) -> None:
    """Does nothing: what the surroundings of no run in particular do."""


def _undone(context: RunContext) -> str:
    try:
        stuck = context.compensate()
    except RunOverError as error:
        return f" Not all was undone: {error.detail}"
    return f" Could not be undone: {', '.join(stuck)}." if stuck else ""


def _links(cause: Cause) -> list[Link]:
    if not cause.traceparent:
        return []
    span = trace.get_current_span(extract({TRACEPARENT: cause.traceparent}))
    return [Link(span.get_span_context())] if span.get_span_context().is_valid else []
