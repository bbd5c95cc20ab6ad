"""A Loki that takes pushes and answers range queries over the part of LogQL that Sightline speaks.

It keeps to Loki 3's own behaviour where that shows: half-open windows, the limit on entries, duplicates within a
stream dropped, a level of its own added to the metadata, plain-text errors, metadata apart from labels only when
the request's header asks for it.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from telemetry.sinks.embedded_rows import storable
from tests.fakes.go_strings import NotALiteralError, read_literal
from tests.fakes.json_server import Answer, Asked, JsonServer

MAX_ENTRIES = 5_000
MAX_WINDOW_NS = 721 * 3_600 * 10**9
_MATCHER = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!=|!~|=)\s*")
_STAGE = re.compile(r"\s*(\|=|\|)\s*")

Labels = tuple[tuple[str, str], ...]
Check = Callable[[dict[str, str]], bool]


class _Entry(NamedTuple):
    time_ns: int
    line: str
    metadata: Labels


class _ParseError(ValueError):
    pass


class FakeLoki(JsonServer):
    """Speaks Loki's push and query_range endpoints."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        super().__init__(self._answer)
        self._max_entries = max_entries
        self._streams: dict[Labels, dict[_Entry, None]] = {}

    def _answer(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) == ("POST", "/loki/api/v1/push"):
            return self._push(asked)
        if (asked.method, asked.path) == ("GET", "/loki/api/v1/query_range"):
            return self._query_range(asked)
        return Answer(404, b"404 page not found\n", "text/plain")

    def _push(self, asked: Asked) -> Answer:
        body = gzip.decompress(asked.body) if asked.headers.get("content-encoding") == "gzip" else asked.body
        pushed: list[tuple[Labels, _Entry]] = []
        for stream in json.loads(body)["streams"]:
            labels = tuple(sorted(stream["stream"].items()))
            for time_ns, line, *extra in stream["values"]:
                metadata = extra[0] if extra else {}
                if not all(isinstance(value, str) for value in metadata.values()):
                    return Answer(400, b"couldn't parse push request: Value is not a string\n", "text/plain")
                every = {"detected_level": stream["stream"].get("level", "unknown"), **metadata}
                kept = tuple(sorted((name, storable(value)) for name, value in every.items() if value))
                # Go's JSON reader puts U+FFFD in the place of a lone surrogate.
                pushed.append((labels, _Entry(int(time_ns), storable(line), kept)))
        for labels, entry in pushed:
            self._streams.setdefault(labels, {})[entry] = None
        return Answer(204)

    def _query_range(self, asked: Asked) -> Answer:
        limit = int(asked.params.get("limit", "100"))
        if limit > self._max_entries:
            words = f"max entries limit per query exceeded, limit > max_entries_limit ({limit} > {self._max_entries})"
            return Answer(400, words.encode(), "text/plain")
        start, end = int(asked.params["start"]), int(asked.params["end"])
        if end - start > MAX_WINDOW_NS:
            return Answer(400, b"the query time range exceeds the limit", "text/plain")
        try:
            of_stream, of_entry = _parse(asked.params["query"])
        except _ParseError as error:
            return Answer(400, f"parse error at line 1, col 1: {error}".encode(), "text/plain")
        found = [
            (labels, entry)
            for labels, entries in self._streams.items()
            if of_stream(dict(labels))
            for entry in entries
            if start <= entry.time_ns < end and of_entry({**dict(labels), **dict(entry.metadata), "\0": entry.line})
        ]
        backward = asked.params.get("direction", "backward") == "backward"
        found.sort(key=lambda item: item[1].time_ns, reverse=backward)
        categorized = asked.headers.get("x-loki-response-encoding-flags") == "categorize-labels"
        return Answer(200, json.dumps(_body(found[:limit], categorized=categorized)).encode())


def _body(found: list[tuple[Labels, _Entry]], *, categorized: bool) -> dict[str, object]:
    streams: dict[Labels, list[list[object]]] = {}
    for labels, entry in found:
        if categorized:
            metadata = {"structuredMetadata": dict(entry.metadata)} if entry.metadata else {}
            streams.setdefault(labels, []).append([str(entry.time_ns), entry.line, metadata])
        else:
            mixed = tuple(sorted({**dict(labels), **dict(entry.metadata)}.items()))
            streams.setdefault(mixed, []).append([str(entry.time_ns), entry.line])
    data: dict[str, object] = {
        "resultType": "streams",
        "result": [{"stream": dict(labels), "values": values} for labels, values in streams.items()],
        "stats": {},
    }
    if categorized:
        data["encodingFlags"] = ["categorize-labels"]
    return {"status": "success", "data": data}


def _parse(query: str) -> tuple[Check, Check]:
    try:
        selector, at = _selector(query)
        stages = list(_stages(query, at))
    except NotALiteralError as error:
        raise _ParseError(str(error)) from error
    return (lambda labels: all(check(labels) for check in selector)), (
        lambda labels: all(check(labels) for check in stages)
    )


def _selector(query: str) -> tuple[list[Check], int]:
    if not query.startswith("{"):
        raise _ParseError("syntax error: unexpected IDENTIFIER, expecting {")
    checks: list[Check] = []
    demanding = False
    at = 1
    while True:
        check, at = _condition(query, at)
        checks.append(check)
        demanding = demanding or not check({})
        if query[at : at + 1] == "}":
            break
        if query[at : at + 1] != ",":
            raise _ParseError(f"syntax error: unexpected {query[at : at + 1]!r}, expecting }} or ,")
        at += 1
    if not demanding:
        raise _ParseError("queries require at least one regexp or equality matcher that does not have an empty value")
    return checks, at + 1


def _stages(query: str, at: int) -> Iterator[Check]:
    while query[at:].strip():
        stage = _STAGE.match(query, at)
        if stage is None:
            raise _ParseError(f"syntax error: unexpected {query[at : at + 10]!r}")
        if stage.group(1) == "|=":
            wanted, at = read_literal(query, stage.end())
            yield lambda labels, wanted=wanted: wanted in labels["\0"]  # type: ignore[misc]  # bound at once
        else:
            check, at = _condition(query, stage.end())
            yield check


def _condition(query: str, at: int) -> tuple[Check, int]:
    matcher = _MATCHER.match(query, at)
    if matcher is None:
        raise _ParseError(f"syntax error: unexpected {query[at : at + 10]!r}, expecting IDENTIFIER")
    name, operator = matcher.groups()
    wanted, at = read_literal(query, matcher.end())
    return _comparison(name, operator, wanted), at


def _comparison(name: str, operator: str, wanted: str) -> Check:
    if operator == "=":
        return lambda labels: labels.get(name, "") == wanted
    if operator == "!=":
        return lambda labels: labels.get(name, "") != wanted
    pattern = re.compile(wanted, re.DOTALL)
    if operator == "=~":
        return lambda labels: pattern.fullmatch(labels.get(name, "")) is not None
    return lambda labels: pattern.fullmatch(labels.get(name, "")) is None
