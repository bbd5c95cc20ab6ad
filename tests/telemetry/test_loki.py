import os
from collections.abc import Iterator
from itertools import pairwise

import pytest
from logging_loki.emitter import LokiEmitterV1  # type: ignore[import-untyped]  # the package ships no types

from telemetry.records import LogEntry, Outcome
from telemetry.sinks.loki import LokiSink
from tests.fakes.loki import FakeLoki, running_loki

NOW_NS = 1_770_000_000_000_000_000
MINUTE_NS = 60 * 1_000_000_000


class Standing:
    def time_ns(self) -> int:
        return NOW_NS


def entry(
    text: str, *, time_ns: int = NOW_NS, level: str = "info", logger: str = "orders", trace_id: str = "", **fields: str
) -> LogEntry:
    return LogEntry(time_ns, level, logger, text, trace_id, trace_id[:16], tuple(fields.items()))


@pytest.fixture
def loki() -> Iterator[FakeLoki]:
    with running_loki() as loki:
        yield loki


@pytest.fixture
def sink(loki: FakeLoki) -> Iterator[LokiSink]:
    sink = LokiSink(loki.url, {"service_name": "trading", "env": "local"}, clock=Standing(), read_timeout_seconds=0.3)
    yield sink
    sink.close()


def test_sink_when_made_then_it_is_an_emitter_of_the_package(sink: LokiSink) -> None:
    assert isinstance(sink, LokiEmitterV1)


def test_send_when_taken_then_the_labels_are_exactly_four(loki: FakeLoki, sink: LokiSink) -> None:
    assert sink.send([entry("accepted", trace_id="a" * 32, order_id="o-1")]) is Outcome.DELIVERED
    (line,) = loki.lines
    assert line.labels == {"service_name": "trading", "env": "local", "level": "info", "logger": "orders"}


def test_send_when_taken_then_ids_and_fields_are_structured_metadata(loki: FakeLoki, sink: LokiSink) -> None:
    sink.send([entry("accepted", trace_id="a" * 32, order_id="o-1")])
    assert loki.lines[0].metadata == {"trace_id": "a" * 32, "span_id": "a" * 16, "order_id": "o-1"}


def test_send_when_taken_then_the_record_time_is_kept(loki: FakeLoki, sink: LokiSink) -> None:
    sink.send([entry("earlier", time_ns=NOW_NS - MINUTE_NS)])
    assert loki.lines[0].time_ns == NOW_NS - MINUTE_NS


def test_send_when_compressed_then_the_body_says_so(loki: FakeLoki, sink: LokiSink) -> None:
    sink.send([entry("accepted")])
    assert loki.headers[0]["Content-Encoding"] == "gzip"


def test_send_when_times_are_equal_then_each_is_one_nanosecond_later(loki: FakeLoki, sink: LokiSink) -> None:
    sink.send([entry("same") for _ in range(4)] + [entry("next", time_ns=NOW_NS + 2)])
    times = [line.time_ns for line in loki.lines]
    assert times[0] == NOW_NS
    assert all(later - earlier == 1 for earlier, later in pairwise(times))


def test_send_when_times_are_equal_in_two_streams_then_both_keep_theirs(loki: FakeLoki, sink: LokiSink) -> None:
    sink.send([entry("one"), entry("two", level="error")])
    assert [line.time_ns for line in loki.lines] == [NOW_NS, NOW_NS]


def test_send_when_lines_are_older_than_45_minutes_then_they_go_to_a_replay_stream(
    loki: FakeLoki, sink: LokiSink
) -> None:
    sink.send([entry("old", time_ns=NOW_NS - 46 * MINUTE_NS), entry("recent", time_ns=NOW_NS - 44 * MINUTE_NS)])
    assert {line.text: line.labels.get("replay") for line in loki.lines} == {"old": "1", "recent": None}


@pytest.mark.parametrize("status", [429, 500, 503, 401, 404, 200, 302])
def test_send_when_the_answer_may_change_then_the_batch_is_to_be_kept(
    loki: FakeLoki, sink: LokiSink, status: int
) -> None:
    loki.script.append(status)
    assert sink.send([entry("accepted")]) is Outcome.RETRY


@pytest.mark.parametrize("status", [400, 413, 422])
def test_send_when_the_push_is_at_fault_then_it_is_rejected(loki: FakeLoki, sink: LokiSink, status: int) -> None:
    loki.script.append(status)
    assert sink.send([entry("accepted")]) is Outcome.REJECTED


@pytest.mark.parametrize("answer", ["hang", "reset"])
def test_send_when_the_answer_does_not_come_then_the_next_one_is_delivered(
    loki: FakeLoki, sink: LokiSink, answer: str
) -> None:
    loki.script.append("hang" if answer == "hang" else "reset")
    assert sink.send([entry("accepted")]) is Outcome.RETRY
    assert sink.send([entry("accepted")]) is Outcome.DELIVERED


def test_send_when_nobody_listens_then_the_batch_is_to_be_kept(loki: FakeLoki, sink: LokiSink) -> None:
    loki.close()
    assert sink.send([entry("accepted")]) is Outcome.RETRY


def test_session_when_the_environment_names_a_proxy_then_it_is_not_asked(
    loki: FakeLoki, sink: LokiSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert sink.send([entry("accepted")]) is Outcome.DELIVERED


def test_build_batch_when_made_then_times_and_fields_are_strings(sink: LokiSink) -> None:
    body = sink.build_batch([entry("x", count="3")])
    ((stamp, line, metadata),) = body["streams"][0]["values"]
    assert (stamp, line, metadata) == (str(NOW_NS), "x", {"count": "3"})


def test_session_when_the_process_was_forked_then_the_parents_is_left_alone(
    sink: LokiSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_of_parent = sink.session
    child_id = os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: child_id)
    assert sink.session is not session_of_parent
