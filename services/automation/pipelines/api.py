"""The front door of pipelines: what there is, what runs, and starting one from another program."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response, status

from services.automation.pipelines.engine import Engine
from services.automation.pipelines.executing import Registry
from services.automation.pipelines.pipeline import Cause
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


def pipeline_router(registry: Registry, engine: Engine, views: PipelineViews, facts: Facts) -> APIRouter:
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
        if not pipeline.by_hand:
            raise NotByHandError(f"{name} starts by itself; GET /pipelines says by what.")
        by_person = caller.name == PERSON
        cause = Cause(
            kind=CauseKind.COMMAND if by_person else CauseKind.HTTP,
            cause_id=f"{caller.name}:{idempotency_key}",
            name=name,
            target=request.target,
            payload=dict(request.parameters),
            traceparent=traceparent(),
        )
        if pipeline.needs_target and not request.target:
            raise TargetMissingError(f"{name} works on one {pipeline.needs_target}; name it as `target`.")
        with facts.transaction(durable=True) as tx:
            started = engine.note(tx, pipeline, cause)
            if started.new and by_person:
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
