"""Which traces are kept: a share of all, and every one that touches a route that must not be missed."""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

# What a server span holds when it starts: the template is known only after routing, the path at once.
_PATH_ATTRIBUTES = ("http.route", "url.path")


class ForcedRoutesSampler(Sampler):
    """Follows the parent's decision, samples roots by ratio, and always keeps spans of forced routes.

    A forced route is kept even if the caller's trace is not: half a trace of an order is worth more than none.

    Args:
        ratio: Share of root traces to keep, 0.0 to 1.0.
        forced_routes: Path prefixes at a segment border: "/orders" forces /orders and /orders/7, not /orders-old.
    """

    def __init__(self, ratio: float, forced_routes: Sequence[str] = ()) -> None:
        if not 0.0 <= ratio <= 1.0:
            raise ValueError(f"the sampling ratio must lie between 0 and 1, not {ratio}")
        self._by_parent = ParentBased(root=TraceIdRatioBased(ratio))
        self._forced = tuple(prefix.rstrip("/") for prefix in forced_routes)

    def should_sample(  # noqa: PLR0913, PLR0917 -- the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if self._forced and attributes and self._is_forced(attributes):
            state = get_current_span(parent_context).get_span_context().trace_state
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, state)
        return self._by_parent.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"ForcedRoutes{{{','.join(self._forced)}}}, else by parent and ratio"

    def _is_forced(self, attributes: Attributes) -> bool:
        for key in _PATH_ATTRIBUTES:
            path = (attributes or {}).get(key)
            if isinstance(path, str) and any(
                path == prefix or path.startswith(f"{prefix}/") for prefix in self._forced
            ):
                return True
        return False
