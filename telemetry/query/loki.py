"""Log lines from Loki."""

from typing import Any

from telemetry.query.backend import Backend
from telemetry.query.checks import nanoseconds
from telemetry.query.ports import LogLine, LogQuery, Results
from telemetry.query.quoting import any_of, quoted

PAGE_LINES = 5_000  # Loki's default for `max_entries_limit_per_query`

_PATH = "/loki/api/v1/query_range"
# Without this flag Loki mixes structured metadata into the stream's labels and splits streams by it.
_HEADERS = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
# Loki adds its own guess of a level; it is not a field that the service wrote.
_ADDED_BY_LOKI = frozenset({"detected_level"})


class LokiReader:
    """A `LogReader` over Loki's HTTP API (Loki 3)."""

    def __init__(self, base_url: str, *, timeout_seconds: float = 10.0, page_lines: int = PAGE_LINES) -> None:
        self._backend = Backend("Loki", base_url, timeout_seconds=timeout_seconds)
        self._page_lines = page_lines

    def search(self, query: LogQuery) -> Results[LogLine]:
        """Lines that match; one request for every `page_lines` lines."""
        deadline = self._backend.deadline()
        start_ns, end_ns = nanoseconds(query.start), nanoseconds(query.end)
        found: dict[LogLine, None] = {}
        skipped = False
        while start_ns < end_ns and len(found) <= query.limit:
            wanted = min(self._page_lines, query.limit + 1 - len(found) + _at_edge(found, start_ns, end_ns, query))
            page = self._page(query, start_ns, end_ns, wanted, deadline)
            before = len(found)
            found.update(dict.fromkeys(page))
            if len(page) < wanted:
                break
            # The next page begins with the nanosecond at which this one ended: it may hold more of the same time.
            edge = min(page).time_ns if query.newest_first else max(page).time_ns
            if len(found) == before:
                skipped = True
                edge += -1 if query.newest_first else 1
            start_ns, end_ns = (start_ns, edge + 1) if query.newest_first else (edge, end_ns)
        lines = sorted(found, reverse=query.newest_first)
        return Results(lines[: query.limit], truncated=skipped or len(lines) > query.limit)

    def close(self) -> None:
        """Release connections."""
        self._backend.close()

    def _page(self, query: LogQuery, start_ns: int, end_ns: int, lines: int, deadline: float) -> list[LogLine]:
        params = {
            "query": logql(query),
            "start": str(start_ns),
            "end": str(end_ns),
            "limit": str(lines),
            "direction": "backward" if query.newest_first else "forward",
        }
        answer = self._backend.get(_PATH, params, deadline=deadline, headers=_HEADERS)
        try:
            streams = answer["data"]["result"]
            return [_line(stream["stream"], value) for stream in streams for value in stream["values"]]
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            raise self._backend.unexpected(f"{type(error).__name__}: {error}") from error


def logql(query: LogQuery) -> str:
    """The LogQL of a query."""
    matchers = [
        _matcher("service_name", query.services),
        _matcher("level", query.wanted_levels()),
        _matcher("logger", (query.logger,) if query.logger else ()),
    ]
    # Loki wants one matcher that no empty value meets.
    selector = ", ".join(filter(None, matchers)) or 'service_name=~".+"'
    parts = [f"{{{selector}}}"]
    if query.text:
        parts.append(f"|= {quoted(query.text)}")
    if query.trace_id:
        parts.append(f"| trace_id={quoted(query.trace_id)}")
    if query.has_field:
        parts.append(f'| {query.has_field}!=""')
    return " ".join(parts)


def _matcher(label: str, values: tuple[str, ...]) -> str:
    if not values:
        return ""
    return f"{label}={quoted(values[0])}" if len(values) == 1 else f"{label}=~{any_of(values)}"


def _at_edge(found: dict[LogLine, None], start_ns: int, end_ns: int, query: LogQuery) -> int:
    """How many lines of the next page are known already."""
    edge = end_ns - 1 if query.newest_first else start_ns
    return sum(line.time_ns == edge for line in found)


def _line(stream: dict[str, str], value: list[Any]) -> LogLine:
    extra = value[2] if len(value) > 2 else {}  # noqa: PLR2004 -- [time, line, metadata]
    metadata: dict[str, str] = {**extra.get("structuredMetadata", {})}
    trace_id = metadata.pop("trace_id", "")
    span_id = metadata.pop("span_id", "")
    return LogLine(
        time_ns=int(value[0]),
        service_name=stream.get("service_name", ""),
        env=stream.get("env", ""),
        level=stream.get("level", ""),
        logger=stream.get("logger", ""),
        line=str(value[1]),
        trace_id=trace_id,
        span_id=span_id,
        fields=tuple(sorted((name, text) for name, text in metadata.items() if text and name not in _ADDED_BY_LOKI)),
    )
