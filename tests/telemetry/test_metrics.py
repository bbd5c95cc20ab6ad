"""Instruments come from the catalogue, exist from the start, and no id can become a series."""

import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from telemetry.catalogue import (
    BUILD_INFO,
    BUS_CONNECTED,
    DEPENDENCY_READY,
    EVENT_LAG,
    EVENTS_CONSUMED,
    HTTP_CLIENT_DURATION,
    HTTP_REQUEST_DURATION,
    METRIC_UNDECLARED,
    METRICS,
    REQUEST_REFUSALS,
    TELEMETRY_DROPPED,
    Kind,
    Metric,
)
from telemetry.emit.metrics import Metrics

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


class FixedClock:
    def time_ns(self) -> int:
        return 1_700_000_000_000_000_000


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(FixedClock())


@pytest.fixture
def sampled_span() -> Iterator[Span]:
    provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    with provider.get_tracer("test").start_as_current_span("work") as span:
        yield span


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    wanted = tuple(sorted(labels.items()))
    return next((s.value for s in metrics.samples() if s.name == name and s.labels == wanted), None)


def exemplars(metrics: Metrics, sample_name: str) -> list[dict[str, str]]:
    page = metrics.exposition(OPENMETRICS)[0].decode()
    return [
        sample.exemplar.labels
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == sample_name and sample.exemplar
    ]


def test_read_counter_when_nothing_happened_then_every_enum_child_stands_at_zero(metrics: Metrics) -> None:
    for signal in ("logs", "spans"):
        assert value(metrics, "sightline_telemetry_dropped_total", signal=signal, reason="queue_full") == 0.0


def test_read_gauge_without_labels_when_nothing_happened_then_it_is_zero(metrics: Metrics) -> None:
    assert value(metrics, "sightline_bus_connected") == 0.0


def test_declare_values_when_label_is_open_then_children_exist_at_zero(metrics: Metrics) -> None:
    metrics.declare(EVENTS_CONSUMED, "consumer", ["alerts"])

    assert value(metrics, "sightline_events_consumed_total", consumer="alerts", outcome="dead_lettered") == 0.0


def test_declare_values_when_told_not_to_create_then_no_series_exists(metrics: Metrics) -> None:
    metrics.declare(EVENTS_CONSUMED, "consumer", ["alerts"], create=False)

    assert value(metrics, "sightline_events_consumed_total", consumer="alerts", outcome="handled") is None


def test_declare_values_when_done_twice_then_both_sets_are_admitted(metrics: Metrics) -> None:
    metrics.declare(DEPENDENCY_READY, "dependency", ["database"])
    metrics.declare(DEPENDENCY_READY, "dependency", ["bus"])

    assert value(metrics, "sightline_dependency_ready", dependency="database") == 0.0
    assert value(metrics, "sightline_dependency_ready", dependency="bus") == 0.0


def test_ask_for_child_when_asked_before_then_the_same_one_is_returned(metrics: Metrics) -> None:
    first = metrics.counter(TELEMETRY_DROPPED, signal="logs", reason="rejected")

    assert metrics.counter(TELEMETRY_DROPPED, signal="logs", reason="rejected") is first


def test_ask_for_child_when_labels_stand_in_another_order_then_the_same_one_is_returned(metrics: Metrics) -> None:
    first = metrics.counter(TELEMETRY_DROPPED, signal="logs", reason="rejected")

    assert metrics.counter(TELEMETRY_DROPPED, reason="rejected", signal="logs") is first


def test_count_when_value_was_not_declared_then_it_is_recorded_as_other_and_counted(metrics: Metrics) -> None:
    metrics.counter(EVENTS_CONSUMED, consumer="surprise", outcome="handled").inc()

    assert value(metrics, "sightline_events_consumed_total", consumer="other", outcome="handled") == 1.0
    assert value(metrics, METRIC_UNDECLARED.name) == 1.0


def test_count_when_closed_label_gets_a_foreign_value_then_it_is_recorded_as_other(metrics: Metrics) -> None:
    metrics.counter(REQUEST_REFUSALS, reason="made up").inc()

    assert value(metrics, "sightline_request_refusals_total", reason="other") == 1.0


def test_count_when_ten_thousand_ids_come_as_labels_then_one_series_results(metrics: Metrics) -> None:
    before = len(metrics.samples())

    for number in range(10_000):
        metrics.counter(EVENTS_CONSUMED, consumer=f"order-{number}", outcome="handled").inc()

    assert len(metrics.samples()) == before + 1
    assert len(metrics._counters) < 100  # the cache of children does not grow either


def test_count_when_undeclared_value_comes_again_then_one_warning_without_the_value_is_logged(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        metrics.counter(EVENTS_CONSUMED, consumer="secret-thing", outcome="handled").inc()

    assert len(caplog.records) == 1
    assert "secret-thing" not in caplog.text


@pytest.mark.parametrize(
    "identifier", ["0190b6d2-7a4e-7c3b-9f1a-2f4e8a1b3c5d", "4711", TRACE_ID, "b7ad6b7169203331", ""]
)
def test_declare_when_value_looks_like_an_id_then_it_is_refused(metrics: Metrics, identifier: str) -> None:
    with pytest.raises(ValueError, match="looks like an id"):
        metrics.declare(DEPENDENCY_READY, "dependency", [identifier])


def test_declare_when_there_are_too_many_values_then_it_is_refused(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="ids belong in log lines"):
        metrics.declare(DEPENDENCY_READY, "dependency", [f"thing-{number}" for number in range(201)])


def test_declare_when_label_is_closed_then_it_is_refused(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="no open label 'outcome'"):
        metrics.declare(EVENTS_CONSUMED, "outcome", ["lost"])


def test_ask_for_child_when_metric_is_of_another_kind_then_it_is_refused(metrics: Metrics) -> None:
    with pytest.raises(TypeError, match="is a gauge, not a counter"):
        metrics.counter(BUS_CONNECTED)


def test_ask_for_child_when_label_names_differ_then_the_right_ones_are_named(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match=r"takes the labels \['signal', 'reason'\]"):
        metrics.counter(TELEMETRY_DROPPED, signal="logs")


def test_ask_for_child_when_metric_is_not_in_the_catalogue_then_it_is_refused(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="not in the catalogue"):
        metrics.counter(Metric("sightline_surprise_total", Kind.COUNTER, "Not listed."))


def test_observe_when_a_bucket_edge_is_hit_then_the_value_belongs_to_that_bucket(metrics: Metrics) -> None:
    metrics.declare(EVENT_LAG, "consumer", ["alerts"])
    metrics.histogram(EVENT_LAG, consumer="alerts").observe(0.05)

    assert value(metrics, "sightline_event_lag_seconds_bucket", consumer="alerts", le="0.05") == 1.0
    assert value(metrics, "sightline_event_lag_seconds_bucket", consumer="alerts", le="0.025") == 0.0


def test_count_when_span_is_sampled_then_its_trace_is_the_exemplar(metrics: Metrics, sampled_span: Span) -> None:
    metrics.counter(REQUEST_REFUSALS, reason="rate_limited").inc()

    trace_id = format(sampled_span.get_span_context().trace_id, "032x")
    assert exemplars(metrics, "sightline_request_refusals_total") == [{"trace_id": trace_id}]


def test_observe_when_span_is_sampled_then_its_trace_is_the_exemplar(metrics: Metrics, sampled_span: Span) -> None:
    metrics.declare(HTTP_CLIENT_DURATION, "dependency", ["venue"])
    metrics.histogram(HTTP_CLIENT_DURATION, dependency="venue", outcome="2xx").observe(0.2)

    trace_id = format(sampled_span.get_span_context().trace_id, "032x")
    assert exemplars(metrics, "sightline_http_client_duration_seconds_bucket") == [{"trace_id": trace_id}]


def test_count_when_span_is_not_sampled_then_there_is_no_exemplar(metrics: Metrics) -> None:
    provider = TracerProvider(resource=Resource({}), sampler=ALWAYS_OFF, shutdown_on_exit=False)
    with provider.get_tracer("test").start_as_current_span("work"):
        metrics.counter(REQUEST_REFUSALS, reason="rate_limited").inc()

    assert exemplars(metrics, "sightline_request_refusals_total") == []


def test_count_when_no_span_is_open_then_there_is_no_exemplar(metrics: Metrics) -> None:
    metrics.counter(REQUEST_REFUSALS, reason="rate_limited").inc()

    assert exemplars(metrics, "sightline_request_refusals_total") == []


def test_add_when_span_is_sampled_then_there_is_no_exemplar(metrics: Metrics, sampled_span: Span) -> None:
    metrics.counter(REQUEST_REFUSALS, reason="rate_limited").add(2)

    assert value(metrics, "sightline_request_refusals_total", reason="rate_limited") == 2.0
    assert exemplars(metrics, "sightline_request_refusals_total") == []


def test_render_when_openmetrics_is_accepted_then_a_strict_parser_finds_every_family(metrics: Metrics) -> None:
    page, content_type = metrics.exposition(OPENMETRICS)

    families = {family.name for family in text_string_to_metric_families(page.decode())}
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert {metric.name.removesuffix("_total") for metric in METRICS} <= families


@pytest.mark.parametrize("accept", ["", "text/plain", "*/*", "text/plain;version=1.0.0;escaping=nonsense"])
def test_render_when_openmetrics_is_not_accepted_then_classic_text_results(metrics: Metrics, accept: str) -> None:
    page, content_type = metrics.exposition(accept)

    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# TYPE sightline_bus_connected gauge" in page
    assert b"# EOF" not in page


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_render_when_counters_exist_then_no_created_series_are_shown(metrics: Metrics, accept: str) -> None:
    assert b"_created" not in metrics.exposition(accept)[0]


def test_render_when_others_count_at_the_same_time_then_each_page_is_whole(metrics: Metrics) -> None:
    metrics.declare(EVENT_LAG, "consumer", ["alerts"])
    child = metrics.histogram(EVENT_LAG, consumer="alerts")
    stop = threading.Event()

    def observe() -> None:
        while not stop.is_set():
            child.observe(0.02)

    writer = threading.Thread(target=observe)
    writer.start()
    try:
        for _ in range(20):
            # The parser refuses a histogram whose buckets shrink or whose count differs from the last bucket.
            list(text_string_to_metric_families(metrics.exposition(OPENMETRICS)[0].decode()))
    finally:
        stop.set()
        writer.join()


def test_read_samples_when_process_runs_then_its_memory_is_among_them(metrics: Metrics) -> None:
    assert (value(metrics, "process_resident_memory_bytes") or 0) > 0


def test_read_samples_when_clock_is_given_then_they_carry_its_time(metrics: Metrics) -> None:
    assert {sample.time_ns for sample in metrics.samples()} == {1_700_000_000_000_000_000}


def test_collect_when_a_gauge_is_read_off_something_then_it_is_refreshed_first(metrics: Metrics) -> None:
    metrics.before_collecting(lambda: metrics.gauge(BUS_CONNECTED).set(1))

    assert value(metrics, "sightline_bus_connected") == 1.0


def test_collect_when_a_refresh_fails_then_the_rest_is_shown_and_the_failure_is_logged(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("the disk is gone")

    metrics.before_collecting(fail)

    assert value(metrics, "sightline_bus_connected") == 0.0
    assert "the disk is gone" in caplog.text


def test_build_metrics_when_two_services_share_a_process_then_they_count_apart() -> None:
    one, two = Metrics(FixedClock()), Metrics(FixedClock())
    one.gauge(BUS_CONNECTED).set(1)

    assert value(two, "sightline_bus_connected") == 0.0


@pytest.mark.needs("promtool")
def test_lint_page_when_every_family_has_series_then_promtool_finds_nothing(metrics: Metrics) -> None:
    metrics.declare(BUILD_INFO, "version", ["1.2.3"])
    metrics.declare(HTTP_REQUEST_DURATION, "route", ["/orders/{order_id}"])
    promtool = shutil.which("promtool")
    assert promtool is not None

    checked = subprocess.run(  # noqa: S603 -- the program found on PATH, no shell, our own input
        [promtool, "check", "metrics"], input=metrics.exposition("")[0], capture_output=True, check=False
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
