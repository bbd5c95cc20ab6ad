"""The front door of the content service: what is known, and what is not."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from services.content.knowledge.base import KnowledgeBase
from services.contracts.knowledge import (
    EntryList,
    EntryView,
    GapList,
    MatchAnswer,
    MatchQuery,
    SearchAnswer,
)
from services.kit.guards import require_scope
from services.kit.openapi import problem_responses


def knowledge_router(base: KnowledgeBase) -> APIRouter:
    """Entries, searched and matched, and the gaps between them."""
    router = APIRouter(prefix="/knowledge", tags=["knowledge"], dependencies=[Depends(require_scope("knowledge:read"))])

    @router.get("")
    def entries() -> EntryList:
        """Every entry that no other took the place of."""
        return base.entries()

    @router.get("/search")
    def search(
        q: Annotated[
            str, Query(min_length=1, max_length=500, description="Words, the last one perhaps not yet whole.")
        ],
        limit: Annotated[int, Query(ge=1, le=50)] = 10,
    ) -> SearchAnswer:
        """Entries that hold the words, the best first."""
        return base.search(q, limit=limit)

    @router.get("/gaps")
    def gaps(limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> GapList:
        """Errors that no entry answers, the one met most often first."""
        return base.gaps(limit=limit)

    @router.post("/match")
    def match(query: MatchQuery) -> MatchAnswer:
        """What is known of an error or an alert. It is counted: as a hit of the best entry, or as a gap."""
        return base.match(query)

    @router.get("/{entry_id}", responses=problem_responses(404))
    def entry(entry_id: Annotated[str, Path(max_length=100)]) -> EntryView:
        """One entry in full."""
        return base.entry(entry_id)

    return router
