"""What traces tell of an incident: calls that failed, and calls to venues that took long."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from services.agents.analyst.clues import Clue, Window
from services.agents.signals.reading import OUTSIDE
from services.contracts.anomalies import EvidenceKind
from telemetry.query.open import Readers
from telemetry.query.ports import TraceQuery
from telemetry.records import SpanEntry

SUBMIT_SPAN: Final = "send order"
SLOW_SECONDS: Final = 1.0
_MOST_TRACES: Final = 200
_READ_TRACES: Final = 10
_MOST_SPANS: Final = 6
_LEAST_SLOW: Final = 2
_TIMES_AS_FREQUENT: Final = 3.0
_NS: Final = 1_000_000_000


def slow_calls(readers: Readers, window: Window) -> Iterator[Clue]:
    """Orders whose sending took over `SLOW_SECONDS`, more than before. Raises errors of `telemetry.query.errors`."""
    found = []
    for start, end in ((window.before, window.start), (window.start, window.end)):
        query = TraceQuery(
            start=start, end=end, name=SUBMIT_SPAN, min_duration_seconds=SLOW_SECONDS, limit=_MOST_TRACES
        )
        found.append(readers.traces.search(query))
    before, during = found
    usual = len(before) / window.times_longer if window.times_longer else 0.0
    if len(during) >= max(_LEAST_SLOW, _TIMES_AS_FREQUENT * usual):
        first = min(during, key=lambda summary: (summary.start_ns, summary.trace_id))
        longest = max(summary.duration_seconds for summary in during)
        yield Clue(
            kind=EvidenceKind.SPAN,
            signal="slow_calls",
            service_name="trading",
            at=datetime.fromtimestamp(first.start_ns / _NS, UTC),
            detail=f"{len(during)} orders took over {SLOW_SECONDS:g} s to send, {longest:.1f} s at most",
            query=f"sightline trace {first.trace_id}",
        )


def failed_spans(readers: Readers, window: Window) -> Iterator[Clue]:
    """Spans that failed in the newest traces with failures. Raises the errors of `telemetry.query.errors`."""
    query = TraceQuery(start=window.start, end=window.end, status="error", limit=_READ_TRACES)
    seen: set[tuple[str, str, str]] = set()
    for summary in readers.traces.search(query):
        trace = readers.traces.trace(summary.trace_id)
        for span in trace.spans if trace else ():
            kind = (span.service_name, span.name, _why(span))
            if span.status == "error" and span.service_name not in OUTSIDE and kind not in seen:
                seen.add(kind)
                yield Clue(
                    kind=EvidenceKind.SPAN,
                    signal="failed_span",
                    service_name=span.service_name,
                    at=datetime.fromtimestamp(span.end_ns / _NS, UTC),
                    detail=f"{span.name} failed: {_why(span)[:200]}",
                    query=f"sightline trace {span.trace_id}",
                    strength=0.5,
                )
            if len(seen) >= _MOST_SPANS:
                return


def _why(span: SpanEntry) -> str:
    status = span.attributes.get("http.response.status_code")
    return (
        span.status_message or str(span.attributes.get("error.type", "")) or (f"answered {status}" if status else "?")
    )
