"""The front door of the content service: every router that it serves."""

from fastapi import APIRouter, Depends

from services.contracts.knowledge import GapList
from services.kit.guards import require_scope


def knowledge_router() -> APIRouter:
    """What is known, and what is not."""
    router = APIRouter(prefix="/knowledge", tags=["knowledge"], dependencies=[Depends(require_scope("knowledge:read"))])

    @router.get("/gaps")
    def gaps() -> GapList:
        """Errors that no entry answers, the one met most often first."""
        return GapList(gaps=())

    return router
