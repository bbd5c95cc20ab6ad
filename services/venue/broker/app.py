"""The paper venues as one application: `/paper/<name>/v2/...` and `/paper/<name>/stream`."""

from collections.abc import Iterable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from services.venue.broker.errors import BrokerError, MethodError, MissingError
from services.venue.broker.severing import Severable
from services.venue.broker.venue import PaperVenue

PREFIX: Final = "/paper"
_NO_METHOD: Final = 405


def broker_app(venues: Iterable[PaperVenue]) -> ASGIApp:
    """Serve venues. The caller runs the journal."""
    mounts = [Mount(f"{PREFIX}/{venue.name}", routes=venue.routes()) for venue in venues]
    return Severable(Starlette(routes=mounts, exception_handlers={HTTPException: _refuse}))


async def _refuse(request: Request, error: Exception) -> Response:  # noqa: ARG001 -- the handler's signature
    missing = not isinstance(error, HTTPException) or error.status_code != _NO_METHOD
    told: BrokerError = MissingError("endpoint not found.") if missing else MethodError("method not allowed")
    return JSONResponse(told.body(), told.status_code)
