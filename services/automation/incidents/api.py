"""The front door of incidents."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.automation.incidents.desk import IncidentDesk
from services.contracts.incidents import IncidentList, IncidentView
from services.kit.guards import require_scope
from services.kit.openapi import problem_responses


def incident_router(desk: IncidentDesk) -> APIRouter:
    """What went wrong, and what was done about it."""
    router = APIRouter(prefix="/incidents", tags=["incidents"], dependencies=[Depends(require_scope("incidents:read"))])

    @router.get("")
    def listing(
        open_only: Annotated[bool, Query(alias="open", description="Only those that are not over.")] = False,  # noqa: FBT002
        limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    ) -> IncidentList:
        """Incidents, the newest first."""
        return desk.listing(open_only=open_only, limit=limit)

    @router.get("/{incident_id}", responses=problem_responses(404))
    def one(incident_id: str) -> IncidentView:
        """An incident with its history."""
        return desk.one(incident_id)

    return router
