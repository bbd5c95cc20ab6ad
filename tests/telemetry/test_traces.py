"""Spans leave the process stripped to what is allowed, and an absent collector costs neither time nor honesty."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from telemetry.emit.context import current_span_ids
from telemetry.emit.otlp import OtlpSpanSink
from telemetry.emit.propagation import extract, inject, traceparent
from telemetry.emit.sampling import ForcedRoutesSampler
from telemetry.emit.traces import SpanPipeline, tracer_provider
from telemetry.records import Outcome, SpanEntry
from tests.fakes.otlp import Collector, running_collector

TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
PARENT = SpanContext(TRACE_ID, 0xB7AD6B7169203331, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Counts:
    """An observer that adds up."""

    def __init__(self) -> None:
        self.taken = 0
        self.confirmed = 0
        self.lost: dict[str, int] = {}

    def accepted(self, count: int) -> None:
        self.taken += count

    def delivered(self, count: int) -> None:
        self.confirmed += count

    def dropped(self, reason: str, count: int) -> None:
        self.lost[reason] = self.lost.get(reason, 0) + count


class KeepingSink:
    """Answers with `outcome`, and keeps what it is sent when that is a delivery."""

    def __init__(self, outcome: Outcome = Outcome.DELIVERED) -> None:
        self.outcome = outcome
        self.entries: list[SpanEntry] = []
        self.called = threading.Event()
        self.closed = False

    def send(self, spans: Sequence[SpanEntry]) -> Outcome:
        self.called.set()
        if self.outcome is Outcome.DELIVERED:
            self.entries.extend(spans)
        return self.outcome

    def close(self) -> None:
        self.closed = True


class RaisingSink(KeepingSink):
    def send(self, _spans: Sequence[SpanEntry]) -> Outcome:
        raise RuntimeError("not what was agreed")


class Bench:
    """A pipeline with a provider in front of it."""

    def __init__(self, sink: KeepingSink, sampler: Sampler = ALWAYS_ON, max_queue: int = 1000) -> None:
        self.sink = sink
        self.counts = Counts()
        self.pipeline = SpanPipeline(
            sink=sink, service_name="console", observer=self.counts, max_queue=max_queue, schedule_seconds=0.01
        )
        provider = tracer_provider({"service.name": "console"}, sampler, self.pipeline)
        self.tracer = provider.get_tracer("test")

    def spans(self, count: int) -> None:
        for _ in range(count):
            self.tracer.start_span("work").end()

    def flushed(self) -> list[SpanEntry]:
        assert self.pipeline.flush(5)
        return self.sink.entries


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(sink: KeepingSink | None = None, sampler: Sampler = ALWAYS_ON, max_queue: int = 1000) -> Bench:
        made.append(Bench(sink or KeepingSink(), sampler, max_queue))
        return made[-1]

    yield make
    for bench in made:
        bench.pipeline.close(0.5)


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


def test_export_when_an_attribute_is_not_listed_then_it_stays_here(bench: Bench) -> None:
    with bench.tracer.start_as_current_span("work") as span:
        span.set_attributes({"url.query": "token=hidden", "url.path": "/orders/7", "sightline.outcome": "handled"})

    (entry,) = bench.flushed()
    assert entry.attributes == {"sightline.outcome": "handled"}


def test_export_when_an_exception_was_recorded_then_its_type_alone_leaves(bench: Bench) -> None:
    with pytest.raises(ValueError, match="hunter2"), bench.tracer.start_as_current_span("work"):
        raise ValueError("the password is hunter2")

    (entry,) = bench.flushed()
    assert [(event.name, event.attributes) for event in entry.events] == [
        ("exception", {"exception.type": "ValueError"})
    ]
    assert (entry.status, entry.status_message) == ("error", "")
    assert "hunter2" not in repr(entry)


def test_export_when_a_link_has_foreign_attributes_then_they_stay_here(bench: Bench) -> None:
    bench.tracer.start_span("work", links=[Link(PARENT, {"secret": "hunter2", "sightline.attempt": 2})]).end()

    (entry,) = bench.flushed()
    assert [(link.trace_id, link.attributes) for link in entry.links] == [
        ("0af7651916cd43dd8448eb211c80319c", {"sightline.attempt": 2})
    ]


def test_export_when_a_value_is_overlong_then_it_is_cut(bench: Bench) -> None:
    bench.tracer.start_span("work", attributes={"sightline.caller": "x" * 10_000}).end()

    (entry,) = bench.flushed()
    assert len(str(entry.attributes["sightline.caller"])) == 256


@pytest.mark.parametrize("name", ["order 4711", "GET /orders?token=x", "x" * 121, f"trace {TRACE_ID:032x}", 'say "x"'])
def test_export_when_a_name_may_hold_an_id_then_it_is_unnamed(bench: Bench, name: str) -> None:
    bench.tracer.start_span(name).end()

    (entry,) = bench.flushed()
    assert entry.name == "unnamed"


@pytest.mark.parametrize("name", ["orders.submit", "GET /orders/{order_id}", "publish alerting.alert_received"])
def test_export_when_a_name_names_a_kind_of_work_then_it_stays(bench: Bench, name: str) -> None:
    bench.tracer.start_span(name).end()

    (entry,) = bench.flushed()
    assert entry.name == name


def test_export_when_a_server_span_is_named_after_its_path_then_method_and_template_replace_it(bench: Bench) -> None:
    attributes = {"http.request.method": "GET", "http.route": "/orders/{order_id}"}
    bench.tracer.start_span("GET /orders/abc-secret", kind=SpanKind.SERVER, attributes=attributes).end()

    (entry,) = bench.flushed()
    assert (entry.name, entry.kind) == ("GET /orders/{order_id}", "server")


def test_export_when_a_span_has_a_parent_then_both_ids_are_kept(bench: Bench) -> None:
    parent = trace.set_span_in_context(NonRecordingSpan(PARENT))
    bench.tracer.start_span("work", context=parent).end()

    (entry,) = bench.flushed()
    assert (entry.trace_id, entry.parent_span_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert (entry.service_name, entry.start_ns <= entry.end_ns) == ("console", True)


def test_end_span_when_sink_is_away_then_it_waits_and_arrives_later(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(KeepingSink(Outcome.RETRY))
    bench.spans(30)
    assert bench.sink.called.wait(5)

    bench.sink.outcome = Outcome.DELIVERED

    assert len(bench.flushed()) == 30
    assert (bench.counts.taken, bench.counts.confirmed, bench.counts.lost) == (30, 30, {})
    assert caplog.messages[0].startswith("the span sink is away")


def test_end_span_when_queue_is_full_then_new_ones_are_dropped_and_counted(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(KeepingSink(Outcome.RETRY), max_queue=10)
    bench.spans(1)
    assert bench.sink.called.wait(5)  # one is in the sink's hands, ten more find room

    bench.spans(25)

    assert bench.counts.lost == {"queue_full": 15}
    assert bench.pipeline.queue_length() == 11


def test_send_when_sink_refuses_a_batch_then_it_is_dropped_and_counted(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(KeepingSink(Outcome.REJECTED))
    bench.spans(3)

    assert bench.flushed() == []
    assert bench.counts.lost == {"rejected": 3}


def test_send_when_sink_breaks_its_promise_then_the_worker_lives_on(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(RaisingSink())
    bench.spans(1)
    bench.flushed()
    bench.spans(1)
    bench.flushed()

    assert bench.counts.lost == {"rejected": 2}
    assert "the span sink failed" in caplog.text


def test_close_when_sink_stays_away_then_the_rest_is_counted_and_reported(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(KeepingSink(Outcome.RETRY))
    bench.spans(4)

    assert bench.pipeline.close(0.2) is False
    assert bench.counts.lost == {"shutdown": 4}


def test_close_when_spans_wait_then_they_are_sent_and_the_sink_is_closed(bench: Bench) -> None:
    bench.spans(4)

    assert bench.pipeline.close(5) is True
    assert (len(bench.sink.entries), bench.sink.closed) == (4, True)


def test_close_when_closed_before_then_nothing_happens(bench: Bench) -> None:
    assert (bench.pipeline.close(5), bench.pipeline.close(5)) == (True, True)


def test_end_span_when_pipeline_is_closed_then_it_is_dropped_and_counted(bench: Bench) -> None:
    bench.pipeline.close(5)
    bench.spans(1)

    assert bench.counts.lost == {"shutdown": 1}


def test_flush_when_sink_is_away_then_it_gives_up_in_time(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(KeepingSink(Outcome.RETRY))
    bench.spans(1)

    assert bench.pipeline.flush(0.05) is False


def otlp_sink(collector: Collector, refused: Callable[[int], None] = lambda _count: None) -> OtlpSpanSink:
    return OtlpSpanSink(collector.url, {"service.name": "console", "service.version": "1.2.3"}, refused)


def entry() -> SpanEntry:
    return SpanEntry(
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        parent_span_id="",
        name="GET /orders/{order_id}",
        kind="server",
        service_name="console",
        start_ns=1,
        end_ns=2,
        status="error",
        status_message="",
        attributes={"http.response.status_code": 500, "sightline.outcome": "x", "b": True, "f": 0.5},
        events=(),
        links=(),
    )


def test_send_over_http_when_collector_takes_it_then_the_span_arrives_whole(collector: Collector) -> None:
    assert otlp_sink(collector).send([entry()]) is Outcome.DELIVERED

    (span,) = collector.spans
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert (span.name, span.kind, span.status.code) == ("GET /orders/{order_id}", 2, 2)
    values = {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "") for pair in span.attributes}
    assert values == {"http.response.status_code": 500, "sightline.outcome": "x", "b": True, "f": 0.5}


def test_send_over_http_when_resource_is_given_then_it_describes_the_process(collector: Collector) -> None:
    otlp_sink(collector).send([entry()])

    attributes = collector.accepted[0].resource.attributes
    assert {pair.key: pair.value.string_value for pair in attributes} == {
        "service.name": "console",
        "service.version": "1.2.3",
    }


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_send_over_http_when_collector_is_overloaded_then_the_batch_is_tried_again(
    collector: Collector, status: int
) -> None:
    collector.answers.append(status)

    assert otlp_sink(collector).send([entry()]) is Outcome.RETRY


@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_send_over_http_when_collector_refuses_then_the_batch_is_given_up(collector: Collector, status: int) -> None:
    collector.answers.append(status)

    assert otlp_sink(collector).send([entry()]) is Outcome.REJECTED


def test_send_over_http_when_nobody_listens_then_the_batch_is_tried_again(free_port: Callable[[], int]) -> None:
    sink = OtlpSpanSink(f"http://127.0.0.1:{free_port()}", {}, lambda _count: None)

    assert sink.send([entry()]) is Outcome.RETRY


def test_send_over_http_when_some_spans_are_refused_then_their_number_is_told(collector: Collector) -> None:
    collector.refused_spans = 2
    told: list[int] = []

    assert otlp_sink(collector, told.append).send([entry(), entry()]) is Outcome.DELIVERED
    assert told == [2]


def sampled(sampler: Sampler, attributes: dict[str, str], parent: Context | None = None) -> bool:
    result = sampler.should_sample(parent or Context(), TRACE_ID, "GET", SpanKind.SERVER, attributes)
    return result.decision.is_sampled()


def test_sample_when_ratio_is_zero_then_a_root_is_not_kept() -> None:
    assert not sampled(ForcedRoutesSampler(0.0), {"url.path": "/console"})


@pytest.mark.parametrize("path", ["/orders", "/orders/7", "/v1/auth/login"])
def test_sample_when_route_is_forced_then_it_is_kept_at_any_ratio(path: str) -> None:
    assert sampled(ForcedRoutesSampler(0.0, ("/orders", "/v1/auth/")), {"url.path": path})


def test_sample_when_path_only_begins_alike_then_it_is_not_forced() -> None:
    assert not sampled(ForcedRoutesSampler(0.0, ("/orders",)), {"url.path": "/orders-archive"})


def test_sample_when_parent_is_kept_then_the_child_is_kept() -> None:
    parent = trace.set_span_in_context(NonRecordingSpan(PARENT), Context())

    assert sampled(ForcedRoutesSampler(0.0), {}, parent)


@pytest.mark.parametrize(("path", "kept"), [("/console", False), ("/orders", True)])
def test_sample_when_parent_is_not_kept_then_only_forced_routes_are(path: str, kept: bool) -> None:  # noqa: FBT001 -- an expectation
    remote = SpanContext(TRACE_ID, 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.DEFAULT))
    parent = trace.set_span_in_context(NonRecordingSpan(remote), Context())

    assert sampled(ForcedRoutesSampler(1.0, ("/orders",)), {"url.path": path}, parent) is kept


def test_sample_when_ratio_is_a_tenth_then_about_a_tenth_of_roots_is_kept() -> None:
    sampler = ForcedRoutesSampler(0.1)
    step = 2**64 // 10_000
    kept = sum(
        sampler.should_sample(Context(), number * step + 1, "work").decision.is_sampled() for number in range(10_000)
    )

    assert 900 <= kept <= 1100


def test_build_sampler_when_ratio_is_out_of_range_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        ForcedRoutesSampler(1.5)


def test_inject_when_no_span_is_open_then_no_header_is_added() -> None:
    headers: dict[str, str] = {}
    inject(headers)

    assert (headers, traceparent()) == ({}, "")


def test_inject_when_a_span_is_open_then_its_ids_are_in_the_header(bench: Bench) -> None:
    with bench.tracer.start_as_current_span("work"):
        headers: dict[str, str] = {}
        inject(headers)
        ids = current_span_ids()

    version, *found, flags = headers["traceparent"].split("-")
    assert (version, tuple(found), int(flags, 16) & TraceFlags.SAMPLED) == ("00", ids, TraceFlags.SAMPLED)


def test_extract_when_header_is_spelled_differently_then_it_is_found() -> None:
    context = extract({"Traceparent": HEADER})

    assert trace.get_current_span(context).get_span_context().trace_id == TRACE_ID


@pytest.mark.parametrize("header", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_extract_when_header_is_malformed_then_a_new_trace_begins(bench: Bench, header: str) -> None:
    bench.tracer.start_span("work", context=extract({"traceparent": header})).end()

    (entry_,) = bench.flushed()
    assert entry_.parent_span_id == ""


def test_extract_when_called_inside_a_span_then_that_span_is_not_the_parent(bench: Bench) -> None:
    with bench.tracer.start_as_current_span("consumer"):
        context = extract({"traceparent": HEADER})

    assert trace.get_current_span(context).get_span_context().span_id == 0xB7AD6B7169203331


def test_read_ids_when_no_span_is_open_then_both_are_empty() -> None:
    assert current_span_ids() == ("", "")


def test_export_when_status_is_set_with_a_text_then_the_text_stays_here(bench: Bench) -> None:
    with bench.tracer.start_as_current_span("work") as span:
        span.set_status(Status(StatusCode.ERROR, "hunter2"))

    assert "hunter2" not in repr(bench.flushed())


_FORKING = """
import os, sys
from telemetry.emit.otlp import OtlpSpanSink
from telemetry.emit.sampling import ForcedRoutesSampler
from telemetry.emit.traces import SpanPipeline, tracer_provider
from tests.telemetry.test_traces import Counts

sink = OtlpSpanSink(sys.argv[1], {}, lambda count: None)
pipeline = SpanPipeline(sink=sink, service_name="console", observer=Counts(), schedule_seconds=60)
tracer = tracer_provider({}, ForcedRoutesSampler(1.0), pipeline).get_tracer("test")
tracer.start_span("connected").end()
assert pipeline.flush(10)
tracer.start_span("parent").end()
child = os.fork()
tracer.start_span("after.fork").end()
delivered = pipeline.close(10)
if child:
    delivered = os.waitpid(child, 0)[1] == 0 and delivered
os._exit(0 if delivered else 1)
"""


def test_fork_when_spans_wait_then_each_process_sends_its_own_once(collector: Collector) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _FORKING, collector.url]
    forked = subprocess.run(command, check=False, timeout=60)  # noqa: S603 -- our own script

    assert forked.returncode == 0
    assert sorted(span.name for span in collector.spans) == ["after.fork", "after.fork", "connected", "parent"]


@pytest.mark.parametrize("flags", [TraceFlags.DEFAULT, TraceFlags.SAMPLED])
@pytest.mark.parametrize("span_id", [1, 0xB7AD6B7169203331])
def test_the_written_trace_context_is_what_goes_into_headers(flags: int, span_id: int) -> None:
    span = NonRecordingSpan(SpanContext(TRACE_ID, span_id, is_remote=False, trace_flags=TraceFlags(flags)))
    headers: dict[str, str] = {}
    with trace.use_span(span):
        inject(headers)
        assert traceparent() == headers["traceparent"]
