"""`sightline logs` and `trace`: what telemetry tells, read back."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.text import Text

from services.console.commands.context import Operator, operator_of
from services.console.commands.knowledge_files import Known
from services.console.commands.render import LEVEL_STYLES, moment
from services.console.commands.trace_tree import trace_text
from services.console.stack.docker import DOCKER_URLS
from services.console.stack.errors import StackError
from services.console.stack.layout import HOST
from telemetry.query.checks import check_trace_id
from telemetry.query.open import Readers, ReadersOptions, open_readers
from telemetry.query.ports import LogLine, LogQuery

_SINCE = re.compile(r"(\d+)\s*(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# How far back a follower looks again: lines of different services arrive out of order, after up to two batches.
_FOLLOW_OVERLAP = timedelta(seconds=5)
_FOLLOW_POLL_SECONDS = 1.0
_FOLLOW_LINES = 10_000
# Lines written shortly before a trace's first span, or after its last, belong to what is told about it.
_TRACE_MARGIN = timedelta(minutes=5)
_TRACE_WITHOUT_SPANS = timedelta(days=1)
_MAX_TRACE_LINES = 5_000


def logs(  # noqa: PLR0913 -- each parameter is one of the command's options
    context: typer.Context,
    services: Annotated[list[str] | None, typer.Argument(help="Only these services.", metavar="[SERVICE]...")] = None,
    *,
    since: Annotated[str, typer.Option(help="How far back: 90s, 15m, 2h, 1d.")] = "15m",
    level: Annotated[
        str | None, typer.Option(help="This level and graver: debug, info, warning, error, critical.")
    ] = None,
    grep: Annotated[str, typer.Option(help="Only lines that hold this text.")] = "",
    trace: Annotated[str | None, typer.Option(help="Only lines of this trace.", metavar="ID")] = None,
    limit: Annotated[int, typer.Option(help="The newest so many lines.", min=1, max=50_000)] = 1_000,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show log lines of our services, oldest first, times in UTC."""
    operator = operator_of(context)
    window, known = span_of_time(since), Known(operator)
    with _readers(operator) as readers:
        end = operator.clock.now() + timedelta(seconds=1)
        query = LogQuery(
            start=end - window,
            end=end,
            services=tuple(services or ()),
            min_level=level.lower() if level else None,
            text=grep,
            trace_id=trace,
            limit=limit,
        )
        found = readers.logs.search(query)
        if found.truncated and not as_json:
            operator.progress.note(f"(the newest {limit:,} lines; `--limit` shows more)")
        for line in reversed(found):
            _print_line(operator, line, known, as_json=as_json)
        if follow:
            _follow(operator, readers, query, known, seen=set(found), as_json=as_json)
        elif not found and not as_json:
            operator.progress.note(f"no such line in the last {since}; `--since 1d` looks further back")
            _point_to_files(operator, query.services)


def trace(
    context: typer.Context,
    trace_id: Annotated[str, typer.Argument(help="The trace's 32 hexadecimal digits.", metavar="ID")],
) -> None:
    """Show one trace: its spans as a tree, with durations, and its log lines where they were written."""
    operator = operator_of(context)
    trace_id = check_trace_id(trace_id)
    with _readers(operator) as readers:
        found = readers.traces.trace(trace_id)
        end = operator.clock.now() + timedelta(seconds=1)
        start = end - _TRACE_WITHOUT_SPANS
        if found is not None:
            start = _datetime(min(span.start_ns for span in found.spans)) - _TRACE_MARGIN
            end = _datetime(max(span.end_ns for span in found.spans)) + _TRACE_MARGIN
        lines = readers.logs.search(
            LogQuery(start=start, end=end, trace_id=trace_id, limit=_MAX_TRACE_LINES, newest_first=False)
        )
    if found is None and not lines:
        raise StackError(
            f"nothing of trace {trace_id} is stored",
            remedy="a span is stored about two seconds after it ends, so try again shortly; check the id; a trace that"
            " was not sampled, or is older than the retention, leaves nothing",
        )
    operator.out.print(trace_text(trace_id, found, lines, entry_of=Known(operator).entry_of), soft_wrap=True)


@contextmanager
def _readers(operator: Operator) -> Iterator[Readers]:
    """Readers of what runs: backends with an address, the embedded store for the rest."""
    settings, record = operator.settings, operator.record()
    urls = dict(DOCKER_URLS) if record and record.mode == "docker" else {}
    for unit in record.units if record else ():
        urls[unit.name] = f"http://{HOST}:{unit.port}"
    readers = open_readers(
        ReadersOptions(
            loki_url=settings.loki_url or urls.get("loki"),
            tempo_url=settings.tempo_url or urls.get("tempo"),
            prometheus_url=settings.prometheus_url or urls.get("prometheus"),
            embedded_path=operator.layout.telemetry_file,
        )
    )
    try:
        yield readers
    finally:
        readers.close()


def _follow(  # noqa: PLR0913 -- what the command was asked for
    operator: Operator, readers: Readers, query: LogQuery, known: Known, *, seen: set[LogLine], as_json: bool
) -> None:
    while True:
        time.sleep(_FOLLOW_POLL_SECONDS)
        end = operator.clock.now() + timedelta(seconds=1)
        start = end - _FOLLOW_OVERLAP - timedelta(seconds=_FOLLOW_POLL_SECONDS)
        found = readers.logs.search(
            LogQuery(
                start=start,
                end=end,
                services=query.services,
                min_level=query.min_level,
                text=query.text,
                trace_id=query.trace_id,
                limit=_FOLLOW_LINES,
            )
        )
        for line in reversed(found):
            if line not in seen:
                _print_line(operator, line, known, as_json=as_json)
        seen = set(found)


def _point_to_files(operator: Operator, names: Sequence[str]) -> None:
    """What is no service of ours writes no telemetry, only what it prints."""
    for name in names:
        file = operator.layout.log_file(name)
        if file.exists():
            operator.progress.note(f"what {name} itself prints is in {file}")


def _print_line(operator: Operator, line: LogLine, known: Known, *, as_json: bool) -> None:
    entry_id = known.entry_of(line)
    if as_json:
        told = {**{name: getattr(line, name) for name in _JSON_FIELDS}, "fields": dict(line.fields)}
        text = Text(json.dumps(told | ({"knowledge": entry_id} if entry_id else {})))
    else:
        fields = "".join(f" {name}={value}" for name, value in line.fields)
        ids = f" trace={line.trace_id}" if line.trace_id else ""
        text = Text.assemble(
            (f"{moment(line.time_ns)} ", "dim"),
            (f"{line.level:<8} ", LEVEL_STYLES.get(line.level, "")),
            f"{line.service_name} ",
            (f"{line.logger}: ", "dim"),
            line.line,
            (f"{fields}{ids}", "dim"),
            (f"\n    known: sightline kb show {entry_id}" if entry_id else "", "cyan"),
        )
    operator.out.print(text, soft_wrap=True)


_JSON_FIELDS = ("time_ns", "service_name", "env", "level", "logger", "line", "trace_id", "span_id")


def span_of_time(since: str) -> timedelta:
    """A span of time as it is written on the command line. Raises `typer.BadParameter` for what is none."""
    match = _SINCE.fullmatch(since.strip())
    if match is None or int(match[1]) == 0:
        raise typer.BadParameter(f"{since!r} is not a span of time; write 90s, 15m, 2h or 1d", param_hint="--since")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _datetime(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / 1e9, UTC)
