"""Route templates of an application: all of them at start, and the one a request was given.

FastAPI keeps included routers nested, so `scope["route"]` holds a template without the router's prefix, and plain
Starlette routes leave nothing in the scope; this module knows where the whole template stands.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount
from starlette.types import Scope

UNMATCHED = "unmatched"


def route_templates(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, template) of every HTTP route, mounted applications included; a mount itself has the method "GET"."""
    for context in iter_route_contexts(list(routes)):
        route = context.original_route
        template = f"{prefix}{context.path_format or context.path or ''}"
        if isinstance(route, Mount):
            # A request that no route of the mounted application takes is filed under the mount.
            yield "GET", template
            mounted_at = template.removesuffix("/{path}")
            yield from route_templates(route.routes or (), mounted_at)
        else:
            for method in getattr(context, "methods", None) or ():
                yield method, template


def route_of(scope: Scope) -> str | None:
    """The template that a routed request matched, or None. Call it after the application has routed."""
    traced = getattr(scope.get("fastapi.telemetry"), "route", None)
    if isinstance(traced, str):
        return traced
    effective = _template(scope.get("fastapi", {}).get("effective_route_context"))
    if effective:
        return effective
    template = _template(scope.get("route"))
    return f"{scope.get('root_path', '')}{template}" if template else None


def _template(route: Any) -> str | None:  # noqa: ANN401 -- FastAPI's route context has no public type
    template = getattr(route, "path_format", None) or getattr(route, "path", None)
    return template if isinstance(template, str) and template else None
