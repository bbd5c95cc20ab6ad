"""The front door of approvals: what is asked, and a person's answer."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import SecretStr

from services.automation.approvals.desk import ApprovalDesk
from services.contracts.pipelines import ApprovalDecision, ApprovalList, ApprovalStatus, ApprovalView
from services.kit.guards import require_scope
from services.kit.identity import Caller
from services.kit.limits import rate_limit
from services.kit.openapi import problem_responses

StepUp = Callable[[SecretStr, str], Awaitable[None]]
"""Returns if a person gave the second passphrase; the auth service compares it."""


def approval_router(desk: ApprovalDesk, step_up: StepUp) -> APIRouter:
    """Questions to a person."""
    router = APIRouter(prefix="/approvals", tags=["approvals"])
    reader = Depends(require_scope("approvals:read"))
    decider = require_scope("approvals:decide")

    @router.get("", dependencies=[reader])
    def listing(
        status: Annotated[ApprovalStatus | None, Query(description="Only questions that stand like this.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    ) -> ApprovalList:
        """Questions, the newest first."""
        return desk.listing(status=status, limit=limit)

    @router.get("/{approval_id}", dependencies=[reader], responses=problem_responses(404))
    def one(approval_id: str) -> ApprovalView:
        """A question."""
        return desk.one(approval_id)

    @router.post(
        "/{approval_id}/grant",
        dependencies=[Depends(rate_limit("approvals", "10/minute"))],
        responses=problem_responses(403, 404, 409, 502, 503),
    )
    async def grant(
        approval_id: str, decision: ApprovalDecision, caller: Annotated[Caller, Depends(decider)]
    ) -> ApprovalView:
        """Allow exactly what the digest names, once. Takes the second passphrase."""
        asked = await run_in_threadpool(desk.one, approval_id)
        await step_up(decision.step_up, f"approve {asked.action}")
        return await run_in_threadpool(desk.grant, approval_id, decision.parameters_digest, by=caller.name)

    @router.post("/{approval_id}/refuse", responses=problem_responses(404, 409))
    def refuse(
        approval_id: str, decision: ApprovalDecision, caller: Annotated[Caller, Depends(decider)]
    ) -> ApprovalView:
        """Refuse; what was asked is not done."""
        return desk.refuse(approval_id, decision.parameters_digest, by=caller.name)

    return router
