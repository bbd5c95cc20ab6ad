"""What a route demands of its caller; a route that demands nothing is refused when the application is made."""

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi.openapi.models import HTTPBearer
from fastapi.routing import iter_route_contexts
from fastapi.security.base import SecurityBase
from starlette.requests import Request
from starlette.routing import BaseRoute

from services.kit.authentication import CALLER_KEY
from services.kit.errors import StartError
from services.kit.identity import Caller
from services.kit.identity_errors import ScopeMissingError, TokenMissingError


class UnguardedRouteError(StartError):
    """A route says neither who may call it nor that everyone may."""

    code = "unguarded_route"
    title = "A route has no guard"


class Guard(SecurityBase):
    """Root of the dependencies that decide whether a caller may use a route."""


class RequireScope(Guard):
    """See `require_scope`."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.model = HTTPBearer(bearerFormat="JWT", description="A caller token; see docs/services.md.")
        self.scheme_name = "caller"

    async def __call__(self, request: Request) -> Caller:
        caller = _caller_of(request)
        if self.scope not in caller.scopes:
            raise ScopeMissingError(self.scope)
        return caller


class RequireBearer(Guard):
    """See `require_bearer`."""

    def __init__(self, token_name: str) -> None:
        self.token_name = token_name
        self.model = HTTPBearer(description="A fixed token for a caller that cannot sign.")
        self.scheme_name = token_name

    async def __call__(self, request: Request) -> Caller:
        caller = _caller_of(request)
        if caller.token_name != self.token_name:
            raise ScopeMissingError(self.token_name)
        return caller


def require_scope(scope: str) -> RequireScope:
    """A dependency that lets in callers with the scope and returns the `Caller`.

    `Annotated[Caller, Depends(require_scope("alerts:read"))]` as a parameter, or in a route's `dependencies`.
    """
    return RequireScope(scope)


def require_bearer(token_name: str) -> RequireBearer:
    """A dependency that lets in whoever sent the fixed token of that name, for callers that cannot sign."""
    return RequireBearer(token_name)


def check_guarded(routes: Iterable[BaseRoute], open_paths: frozenset[str], fixed_tokens: Iterable[str]) -> None:
    """Make sure that each route has a guard or is open, and that each fixed token that is asked for exists.

    Raises:
        UnguardedRouteError: names every route at fault.
    """
    known = frozenset(fixed_tokens)
    faults = []
    for context in iter_route_contexts(list(routes)):
        path = str(context.path)
        if path in open_paths:
            continue
        guards = list(dependencies_of(getattr(context, "dependant", None), Guard))
        if not guards:
            faults.append(f"{path} declares neither require_scope(...) nor require_bearer(...)")
        faults += [
            f"{path} requires the token {guard.token_name}, which this service was not given"
            for guard in guards
            if isinstance(guard, RequireBearer) and guard.token_name not in known
        ]
    if faults:
        raise UnguardedRouteError("\n".join(faults))


def dependencies_of(dependant: Any, kind: type[Any]) -> Iterator[Any]:  # noqa: ANN401 -- FastAPI's Dependant is private
    """Every dependency of a route, at any depth, whose callable is an instance of `kind`."""
    for dependency in getattr(dependant, "dependencies", ()):
        if isinstance(dependency.call, kind):
            yield dependency.call
        yield from dependencies_of(dependency, kind)


def _caller_of(request: Request) -> Caller:
    caller = request.scope.get(CALLER_KEY)
    if not isinstance(caller, Caller):
        # Only when an application was put together without the middleware.
        raise TokenMissingError
    return caller
