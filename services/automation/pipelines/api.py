"""The front door of pipelines: what there is, what runs, and starting one from another program."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response, status

from services.automation.pipelines import store
from services.automation.pipelines.engine import Engine
from services.automation.pipelines.executing import Registry, without_secrets
from services.automation.pipelines.pipeline import Cause, Pipeline
from services.automation.pipelines.views import PipelineViews
from services.contracts.pipelines import (
    CauseKind,
    ManualIntervention,
    PipelineList,
    RunList,
    RunRequest,
    RunStarted,
    RunStatus,
    RunView,
)
from services.kit.errors import SightlineError
from services.kit.facts import Facts
from services.kit.guards import require_scope
from services.kit.identity import Caller
from services.kit.openapi import problem_responses
from telemetry.emit.propagation import traceparent
from telemetry.emit.redaction import Redactor

_READER = Depends(require_scope("pipelines:read"))
_KEY = r"^[A-Za-z0-9._:-]{1,100}$"
PERSON = "operator"


class NotByHandError(SightlineError):
    """This pipeline makes sense only with the event that starts it."""

    status_code = 409
    code = "not_by_hand"
    title = "This pipeline is not started by hand"


class TargetMissingError(SightlineError):
    """The pipeline works on one thing and was not told on which."""

    status_code = 422
    code = "target_missing"
    title = "The pipeline needs a target"


class KeyReusedError(SightlineError):
    """The key started a run that was asked for otherwise: a caller's mistake, which must not pass for success."""

    status_code = 409
    code = "key_reused"
    title = "The idempotency key belongs to another request"


class SecretInRequestError(SightlineError):
    """What a run is started with is stored, so nothing in it may be a secret."""

    status_code = 422
    code = "secret_in_request"
    title = "A request looks as if it held a secret"


def pipeline_router(
    registry: Registry, engine: Engine, views: PipelineViews, facts: Facts, redactor: Redactor
) -> APIRouter:
    """Pipelines and their runs."""
    router = APIRouter(tags=["pipelines"])

    @router.get("/pipelines", dependencies=[_READER])
    def pipelines() -> PipelineList:
        """Every pipeline: what it is for, what starts it, when it last went well."""
        return views.pipelines()

    @router.post(
        "/pipelines/{name}/runs", status_code=status.HTTP_202_ACCEPTED, responses=problem_responses(404, 409, 422)
    )
    def start(
        name: str,
        request: RunRequest,
        response: Response,
        idempotency_key: Annotated[str, Header(pattern=_KEY, description="The same key never starts a second run.")],
        caller: Annotated[Caller, Depends(require_scope("pipelines:run"))],
    ) -> RunStarted:
        """Start a pipeline. With a key that was seen before, the run that it started is told again, with 200."""
        pipeline = registry.get(name)
        cause = _cause(pipeline, request, idempotency_key, caller)
        _check_storable(cause, redactor)
        with facts.transaction(durable=True) as tx:
            started = engine.note(tx, pipeline, cause)
            if not started.new:
                _check_same(store.cause_of(tx.connection, started.run_id), cause)
            elif cause.kind is CauseKind.COMMAND:
                tx.record(ManualIntervention(subject=started.run_id, kind="run", by=caller.name))
        if not started.new:
            response.status_code = status.HTTP_200_OK
        return RunStarted(run_id=started.run_id, started=started.new)

    @router.get("/runs", dependencies=[_READER], responses=problem_responses(404))
    def runs(
        pipeline: Annotated[str | None, Query(max_length=100)] = None,
        status: Annotated[RunStatus | None, Query(description="Only runs that stand like this.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    ) -> RunList:
        """Runs, the newest first."""
        return views.runs(pipeline=pipeline, status=status, limit=limit)

    @router.get("/runs/{run_id}", dependencies=[_READER], responses=problem_responses(404))
    def run(run_id: str) -> RunView:
        """A run with its steps."""
        return views.run(run_id)

    @router.delete("/runs/{run_id}", responses=problem_responses(404, 409))
    def cancel(run_id: str, caller: Annotated[Caller, Depends(require_scope("pipelines:run"))]) -> RunView:
        """Stop a run before its next step. What its steps have done stays done."""
        engine.cancel(run_id)
        with facts.transaction() as tx:
            tx.record(ManualIntervention(subject=run_id, kind="cancel", by=caller.name))
        return views.run(run_id)

    return router


def _cause(pipeline: Pipeline, request: RunRequest, key: str, caller: Caller) -> Cause:
    if not pipeline.by_hand:
        raise NotByHandError(f"{pipeline.name} starts by itself; GET /pipelines says by what.")
    if pipeline.needs_target and not request.target:
        raise TargetMissingError(f"{pipeline.name} works on one {pipeline.needs_target}; name it as `target`.")
    return Cause(
        kind=CauseKind.COMMAND if caller.name == PERSON else CauseKind.HTTP,
        cause_id=f"{caller.name}:{key}",
        name=pipeline.name,
        target=request.target,
        payload=dict(request.parameters),
        traceparent=traceparent(),
    )


def _check_storable(cause: Cause, redactor: Redactor) -> None:
    told = {"target": cause.target or "", **cause.payload}
    found = [name for name, value in without_secrets(told, redactor).items() if value != told[name]]
    if found:
        raise SecretInRequestError(f"{', '.join(found)}: leave it out; a pipeline gets its credentials by itself.")


def _check_same(before: Cause | None, cause: Cause) -> None:
    if before is not None and (before.target, before.payload) != (cause.target, cause.payload):
        raise KeyReusedError(
            f"It started a run on {before.target or 'no target'} with other words. Take a new key for a new run."
        )
