"""Documents over HTTP."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import HTMLResponse

from services.content.writing.desk import DocumentDesk
from services.contracts.documents import DocumentKind, DocumentList, DocumentRequest, DocumentView, ReviewRequest
from services.kit.guards import require_scope
from services.kit.identity import Caller
from services.kit.openapi import problem_responses

_DocumentId = Annotated[str, Path(max_length=250)]
_READS = Depends(require_scope("documents:read"))
# The page brings its own policy; this one also holds where somebody takes it out.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
    "X-Content-Type-Options": "nosniff",
}


class Form(StrEnum):
    """How a document is answered."""

    JSON = "json"
    HTML = "html"


def document_router(desk: DocumentDesk) -> APIRouter:
    """Documents: what is written, one of them, write one, take it through review."""
    router = APIRouter(prefix="/documents", tags=["documents"])

    @router.get("", dependencies=[_READS])
    def documents(kind: DocumentKind | None = None, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> DocumentList:
        """Documents without their texts, the newest first."""
        return desk.listing(kind=kind, limit=limit)

    @router.post("", dependencies=[Depends(require_scope("documents:write"))], responses=problem_responses(503))
    def write(request: DocumentRequest) -> DocumentView:
        """Write a document; asked again it is the same one. 503 while the end of the incident is too fresh."""
        return desk.write(request)

    @router.get(
        "/{document_id}",
        dependencies=[_READS],
        response_model=DocumentView,
        responses={**problem_responses(404), 200: {"content": {"text/html": {}}}},
    )
    def document(
        document_id: _DocumentId,
        form: Annotated[Form, Query(alias="format", description="json, or html for one page that loads nothing.")] = (
            Form.JSON
        ),
    ) -> DocumentView | HTMLResponse:
        """One document in full."""
        if form is Form.HTML:
            return HTMLResponse(desk.html(document_id), headers=_PAGE_HEADERS)
        return desk.one(document_id)

    @router.post("/{document_id}/review", responses=problem_responses(404, 409))
    def review(
        document_id: _DocumentId,
        request: ReviewRequest,
        caller: Annotated[Caller, Depends(require_scope("documents:write"))],
    ) -> DocumentView:
        """Say how far it is: draft, in review, published. What is published stays as it is."""
        return desk.review(document_id, request.status, caller.name)

    return router
