"""A trace as text: spans as a tree, each with what was logged in it, all in the order of time."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from rich.text import Text

from services.console.commands.render import LEVEL_STYLES, milliseconds, moment
from telemetry.query.ports import LogLine, Trace
from telemetry.records import SpanEntry

_INDENT = "  "
_OFFSET_WIDTH = 12


def trace_text(
    trace_id: str, trace: Trace | None, lines: Sequence[LogLine], *, entry_of: Callable[[LogLine], str]
) -> Text:
    """The whole account of a trace. Without spans, its log lines alone.

    Args:
        trace_id: The trace.
        trace: Its spans, None when none is stored.
        lines: Its log lines, oldest first.
        entry_of: The id of the entry that answers a line, "" for none.
    """
    if trace is None:
        head = Text(f"trace {trace_id}: no span is stored (not sampled, or not sent yet); its log lines:")
        start_ns = lines[0].time_ns
        return Text("\n").join([head, *(_line_text(line, 0, start_ns, entry_of) for line in lines)])
    start_ns = min(span.start_ns for span in trace.spans)
    by_span: dict[str, list[LogLine]] = defaultdict(list)
    known = {span.span_id for span in trace.spans}
    for line in lines:
        by_span[line.span_id if line.span_id in known else ""].append(line)
    rows = [_head(trace), *_rows(trace, by_span, start_ns, entry_of)]
    if by_span[""]:
        rows.append(Text("logged outside the spans above:"))
        rows += [_line_text(line, 0, start_ns, entry_of) for line in by_span[""]]
    if trace.truncated:
        rows.append(Text("a part of this trace is missing: it was cut, or has not arrived yet", "yellow"))
    return Text("\n").join(rows)


def _head(trace: Trace) -> Text:
    start_ns = min(span.start_ns for span in trace.spans)
    end_ns = max(span.end_ns for span in trace.spans)
    services = sorted({span.service_name for span in trace.spans})
    spans = f"{len(trace.spans)} span{'s' if len(trace.spans) != 1 else ''}"
    return Text.assemble(
        (f"trace {trace.trace_id}", "bold"),
        f"  {spans}, {', '.join(services)}, {milliseconds(end_ns - start_ns)}, began {moment(start_ns)} UTC",
    )


def _rows(
    trace: Trace, by_span: dict[str, list[LogLine]], start_ns: int, entry_of: Callable[[LogLine], str]
) -> Iterator[Text]:
    """Depth first, without recursion: a broken producer can make a trace thousands of spans deep."""
    seen: set[str] = set()
    waiting: list[tuple[int, SpanEntry | LogLine]] = [(0, span) for span in reversed(trace.roots())]
    while waiting:
        depth, item = waiting.pop()
        if isinstance(item, LogLine):
            yield _line_text(item, depth, start_ns, entry_of)
            continue
        if item.span_id in seen:
            continue
        seen.add(item.span_id)
        yield _span_text(item, depth, start_ns)
        yield from _links(item, depth)
        inside: list[SpanEntry | LogLine] = [*trace.children(item.span_id), *by_span[item.span_id]]
        inside.sort(key=_time_ns, reverse=True)
        waiting.extend((depth + 1, part) for part in inside)


def _time_ns(item: SpanEntry | LogLine) -> int:
    return item.time_ns if isinstance(item, LogLine) else item.start_ns


def _span_text(span: SpanEntry, depth: int, start_ns: int) -> Text:
    text = Text.assemble(
        (_offset(span.start_ns - start_ns), "dim"),
        _INDENT * depth,
        (span.name, "bold"),
        f"  {span.service_name}  {milliseconds(span.end_ns - span.start_ns)}",
    )
    if span.status == "error":
        text.append(f"  error{': ' if span.status_message else ''}{span.status_message}", "red")
    return text


def _links(span: SpanEntry, depth: int) -> Iterator[Text]:
    for link in span.links:
        yield Text(f"{' ' * _OFFSET_WIDTH}{_INDENT * (depth + 1)}linked to: sightline trace {link.trace_id}", "dim")


def _line_text(line: LogLine, depth: int, start_ns: int, entry_of: Callable[[LogLine], str]) -> Text:
    entry_id = entry_of(line)
    fields = "".join(f" {name}={value}" for name, value in line.fields)
    return Text.assemble(
        (_offset(line.time_ns - start_ns), "dim"),
        _INDENT * depth,
        (f"{line.level} ", LEVEL_STYLES.get(line.level, "")),
        line.line,
        (fields, "dim"),
        (f"  known: sightline kb show {entry_id}" if entry_id else "", "cyan"),
    )


def _offset(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:+,.1f} ms".rjust(_OFFSET_WIDTH - 2) + "  "
