"""The same spans, the same questions, the same answers: embedded store and Tempo's protocol."""

import base64
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.query.errors import InvalidQueryError
from telemetry.query.ports import TraceQuery, TraceSummary, trace_of
from telemetry.query.tempo_json import hexadecimal, spans_of
from telemetry.records import AttributeValue, SpanEvent, SpanLink
from telemetry.sinks.embedded_rows import storable
from tests.fakes.tempo import FakeTempo
from tests.telemetry.query_backs import T0_NS, TRACE, TempoTraces, TraceBack, at, span, trace_back

BACKS = ("embedded", "tempo")
OTHER = "00000000000000000000000000000abc"
# OTLP is protobuf, which takes no lone surrogate at all: those never reach a backend in a span.
HOSTILE = st.text(
    st.one_of(st.sampled_from('ab"\\`|{}&=~%\0\n '), st.characters(codec="utf-8")), min_size=1, max_size=10
)
NUMBERS = count(1)


@pytest.fixture(params=BACKS)
def back(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TraceBack]:
    with trace_back(request.param, tmp_path) as opened:
        yield opened
        opened.reader.close()


@pytest.fixture(scope="module", params=BACKS)
def shared_back(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TraceBack]:
    with trace_back(request.param, tmp_path_factory.mktemp("back")) as opened:
        yield opened
        opened.reader.close()


def found(back: TraceBack, **asked: object) -> list[str]:
    return [summary.trace_id for summary in back.reader.search(_query(**asked))]


def _query(**asked: object) -> TraceQuery:
    return TraceQuery(**{"start": at(0), "end": at(3_600), **asked})  # type: ignore[arg-type]  # each test names real ones


def test_trace_when_span_has_everything_then_every_part_comes_back(back: TraceBack) -> None:
    attributes: dict[str, AttributeValue] = {
        "http.route": "/alerts",
        "http.response.status_code": 503,
        "ratio": 0.5,
        "retried": True,
        "big": 2**53,
    }
    whole = span("00000000000000a1", status="error", message="broker is away", attributes=attributes)._replace(
        events=(SpanEvent(T0_NS + 5, "alerting.alert_received", {"sightline.event.id": "e-1"}),),
        links=(SpanLink(OTHER, "00000000000000b1", {"sightline.attempt": 2}),),
    )
    back.write([whole])

    trace = back.reader.trace(TRACE)

    assert trace == trace_of(TRACE, [whole])


def test_trace_when_spans_arrive_in_any_order_then_they_are_sorted_by_start(back: TraceBack) -> None:
    back.write([span("00000000000000a3", begins=2), span("00000000000000a1", begins=1)])
    back.write([span("00000000000000a2", begins=1)])

    trace = back.reader.trace(TRACE.upper())

    assert trace is not None
    assert [item.span_id[-2:] for item in trace.spans] == ["a1", "a2", "a3"]


def test_trace_when_a_batch_was_written_twice_then_each_span_is_there_once(back: TraceBack) -> None:
    batch = [span("00000000000000a1"), span("00000000000000a2", parent="00000000000000a1")]
    back.write(batch)
    back.write(batch)

    trace = back.reader.trace(TRACE)

    assert trace is not None
    assert len(trace.spans) == 2


def test_trace_when_id_is_unknown_then_there_is_none(back: TraceBack) -> None:
    assert back.reader.trace("1" * 32) is None


@pytest.mark.parametrize("trace_id", ["", "xyz", "../../etc/passwd", "g" * 32, TRACE + "0", f"{TRACE}\n"])
def test_trace_when_id_is_none_then_nothing_is_asked(back: TraceBack, trace_id: str) -> None:
    with pytest.raises(InvalidQueryError, match="32 hexadecimal digits"):
        back.reader.trace(trace_id)


def test_search_when_trace_matches_then_summary_tells_root_start_and_length(back: TraceBack) -> None:
    root = span("00000000000000a1", trace_id=OTHER, begins=1, lasts=0.0259, service="automation", name="POST /alerts")
    back.write([span("00000000000000a2", trace_id=OTHER, parent=root.span_id, begins=1.001), root])

    assert back.reader.search(_query(service="console")) == [
        TraceSummary(OTHER, "automation", "POST /alerts", root.start_ns, 0.025)
    ]


def test_search_when_root_never_came_then_its_names_are_empty(back: TraceBack) -> None:
    back.write([span("00000000000000a2", parent="00000000000000a1")])

    summary = back.reader.search(_query())[0]

    assert (summary.root_service_name, summary.root_name) == ("", "")


def test_search_when_conditions_are_met_by_different_spans_then_trace_is_not_found(back: TraceBack) -> None:
    back.write([span("00000000000000a1", status="error"), span("00000000000000a2", name="SELECT", status="ok")])

    assert found(back, name="SELECT", status="error") == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"name": "slow"}, ["1"]),
        ({"service": "automation"}, ["2"]),
        ({"status": "error"}, ["2"]),
        ({"status": "unset"}, ["3"]),
        ({"min_duration_seconds": 0.5}, ["2", "1"]),
        ({"min_duration_seconds": 0.500000001}, ["1"]),
        ({}, ["3", "2", "1"]),
    ],
)
def test_search_when_filtered_then_newest_matching_come_first(
    back: TraceBack, asked: dict[str, object], expected: list[str]
) -> None:
    back.write(
        [
            span("00000000000000a1", trace_id="1" * 32, begins=1, name="slow", lasts=2),
            span("00000000000000a2", trace_id="2" * 32, begins=2, service="automation", status="error", lasts=0.5),
            span("00000000000000a3", trace_id="3" * 32, begins=3, status="unset"),
        ]
    )

    assert found(back, **asked) == [digit * 32 for digit in expected]


def test_search_when_trace_began_outside_the_window_then_it_is_not_found(back: TraceBack) -> None:
    for number, begins in enumerate((9.999, 10, 19.999, 20), start=1):
        back.write([span("00000000000000a1", trace_id=str(number) * 32, begins=begins, lasts=5)])

    assert found(back, start=at(10), end=at(20)) == ["3" * 32, "2" * 32]


def test_search_when_more_than_the_limit_then_newest_are_kept_and_it_says_so(back: TraceBack) -> None:
    back.write([span("00000000000000a1", trace_id=str(number) * 32, begins=number) for number in range(1, 5)])

    result = back.reader.search(_query(limit=2))

    assert ([summary.trace_id[0] for summary in result], result.truncated) == (["4", "3"], True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(HOSTILE, min_size=2, max_size=3, unique=True))
def test_search_when_name_and_service_are_hostile_then_they_only_match_themselves(
    shared_back: TraceBack, names: list[str]
) -> None:
    numbers = [next(NUMBERS) for _ in names]
    begin = 4_000 + 10 * numbers[0]
    ids = [f"{number:032x}" for number in numbers]
    for trace_id, name in zip(ids, names, strict=True):
        shared_back.write([span("00000000000000a1", trace_id=trace_id, name=name, service=name, begins=begin)])
    window = {"start": at(begin), "end": at(begin + 1)}

    assert found(shared_back, **window, name=names[0], service=names[0]) == [ids[0]]
    assert found(shared_back, **window, name=names[0], service=names[1]) == []


def test_trace_when_tempo_says_it_is_partial_then_trace_says_so() -> None:
    with FakeTempo() as server:
        server.partial = True
        back = TempoTraces(server.url)
        back.write([span("00000000000000a1")])
        trace = back.reader.trace(TRACE)
        back.reader.close()

    assert trace is not None
    assert trace.truncated


@pytest.mark.parametrize(
    "written", [TRACE, TRACE.upper(), base64.b64encode(bytes.fromhex(TRACE)).decode(), TRACE.lstrip("0")]
)
def test_id_when_written_in_any_of_tempos_ways_then_it_is_read_the_same(written: str) -> None:
    assert hexadecimal(written, 32) == TRACE


def test_spans_when_enums_are_numbers_and_list_has_its_old_name_then_they_are_read() -> None:
    old = {
        "traceId": TRACE,
        "spanId": "00000000000000a1",
        "kind": 3,
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        "status": {"code": 2},
    }

    (read,) = spans_of({"batches": [{"scopeSpans": [{"spans": [old]}]}]})

    assert (read.kind, read.status, read.service_name) == ("client", "error", "")


@pytest.mark.parametrize(
    "asked", [{"status": "bad"}, {"min_duration_seconds": -1}, {"min_duration_seconds": float("nan")}]
)
def test_query_when_it_cannot_be_asked_then_error_says_so(asked: dict[str, object]) -> None:
    with pytest.raises(InvalidQueryError):
        _query(**asked)


def test_roots_when_a_parent_is_elsewhere_then_its_child_is_a_root() -> None:
    trace = trace_of(TRACE, [span("00000000000000a1", parent="00000000000000ff"), span("00000000000000a2")])

    assert [root.span_id[-2:] for root in trace.roots()] == ["a1", "a2"]


def test_walk_when_spans_form_a_tree_then_depth_first_by_start() -> None:
    root = span("00000000000000a1")
    early = span("00000000000000b1", parent=root.span_id, begins=1)
    late = span("00000000000000b2", parent=root.span_id, begins=2)
    leaf = span("00000000000000c1", parent=early.span_id, begins=3)

    walked = [(depth, item.span_id[-2:]) for depth, item in trace_of(TRACE, [leaf, late, early, root]).walk()]

    assert walked == [(0, "a1"), (1, "b1"), (2, "c1"), (1, "b2")]


def test_children_when_a_span_has_some_then_direct_ones_only() -> None:
    root, child = span("00000000000000a1"), span("00000000000000b1", parent="00000000000000a1")
    trace = trace_of(TRACE, [root, child, span("00000000000000c1", parent=child.span_id)])

    assert trace.children(root.span_id) == (child,)


def test_storable_when_text_holds_a_lone_surrogate_then_it_becomes_the_replacement() -> None:
    assert storable("a\ud800b\U0001f600") == "a\ufffdb\U0001f600"
