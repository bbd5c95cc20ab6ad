"""One call wires everything: a request is one span, one series and log lines that know its trace."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.routing import Route

from telemetry.emit.asgi import MetricsMiddleware, metrics_app
from telemetry.emit.setup import Telemetry, TelemetryOptions, setup
from tests.fakes.loki import running_loki
from tests.fakes.otlp import Collector, running_collector

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")

SetUp = Callable[..., Telemetry]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture
def set_up(tmp_path: Path) -> Iterator[SetUp]:
    made: list[Telemetry] = []

    def make(**options: object) -> Telemetry:
        defaults: dict[str, object] = {
            "service_name": "console",
            "env": "local",
            "version": "1.2.3",
            "data_dir": tmp_path,
            "console": "off",
        }
        made.append(setup(TelemetryOptions(**{**defaults, **options})))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for telemetry in reversed(made):
        telemetry.shutdown(0.5)


def application(telemetry: Telemetry) -> FastAPI:
    app = FastAPI(telemetry=telemetry.fastapi_config())
    app.add_middleware(MetricsMiddleware, metrics=telemetry.metrics)
    app.router.routes.append(Route("/metrics", metrics_app(telemetry.metrics)))

    @app.get("/orders/{order_id}")
    async def order(order_id: str) -> dict[str, str]:
        logging.getLogger("services.test").info("looked up", extra={"order_id": order_id})
        return {"order_id": order_id}

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError("the password is hunter2")

    return app


def ask(telemetry: Telemetry, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(application(telemetry), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(request())


def reading(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    wanted = tuple(sorted(labels.items()))
    return next((s.value for s in telemetry.metrics.samples() if s.name == name and s.labels == wanted), None)


def test_serve_request_when_traced_then_exactly_one_server_span_leaves(set_up: SetUp, collector: Collector) -> None:
    telemetry = set_up(otlp_url=collector.url)
    ask(telemetry, "/orders/4711")
    assert telemetry.flush()

    (span,) = collector.spans
    assert (span.name, span.kind) == ("GET /orders/{order_id}", 2)


def test_serve_request_when_caller_sent_its_trace_then_the_span_belongs_to_it(
    set_up: SetUp, collector: Collector
) -> None:
    telemetry = set_up(otlp_url=collector.url)
    ask(telemetry, "/orders/4711", {"traceparent": TRACEPARENT})
    telemetry.flush()

    (span,) = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, "b7ad6b7169203331")


def test_serve_request_when_query_holds_a_secret_then_neither_it_nor_the_path_leaves(
    set_up: SetUp, collector: Collector
) -> None:
    telemetry = set_up(otlp_url=collector.url)
    ask(telemetry, "/orders/canary-path?token=canary-query", {"authorization": "Bearer canary-header"})
    telemetry.flush()

    assert len(collector.spans) == 1
    assert not any(b"canary" in body for body in collector.requests)


def test_serve_request_when_handler_raises_then_type_and_status_leave_without_the_text(
    set_up: SetUp, collector: Collector
) -> None:
    telemetry = set_up(otlp_url=collector.url)
    ask(telemetry, "/fail")
    telemetry.flush()

    (span,) = collector.spans
    attributes = {pair.key: pair.value for pair in span.attributes}
    assert (span.status.code, attributes["error.type"].string_value) == (2, "RuntimeError")
    assert b"hunter2" not in collector.requests[0]


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_serve_request_when_a_machine_polls_then_no_span_is_made(
    set_up: SetUp, collector: Collector, path: str
) -> None:
    telemetry = set_up(otlp_url=collector.url)
    ask(telemetry, path)
    telemetry.flush()

    assert collector.requests == []


def test_serve_request_when_sampled_then_the_histogram_points_at_its_trace(set_up: SetUp, collector: Collector) -> None:
    telemetry = set_up(otlp_url=collector.url)
    ask(telemetry, "/orders/4711", {"traceparent": TRACEPARENT})

    page = telemetry.metrics.exposition("application/openmetrics-text")[0].decode()
    exemplars = [
        (sample.labels["route"], sample.exemplar.labels)
        for family in text_string_to_metric_families(page)
        if family.name == "sightline_http_request_duration_seconds"
        for sample in family.samples
        if sample.exemplar
    ]
    assert exemplars == [("/orders/{order_id}", {"trace_id": TRACE_ID})]


def test_serve_request_when_not_sampled_then_nothing_points_at_it(set_up: SetUp, collector: Collector) -> None:
    telemetry = set_up(otlp_url=collector.url, sample_ratio=0.0)
    ask(telemetry, "/orders/4711")
    telemetry.flush()

    page = telemetry.metrics.exposition("application/openmetrics-text")[0]
    assert (collector.requests, b"trace_id" in page) == ([], False)


def test_serve_request_when_route_is_forced_then_it_is_traced_at_any_ratio(set_up: SetUp, collector: Collector) -> None:
    telemetry = set_up(otlp_url=collector.url, sample_ratio=0.0, forced_routes=("/orders",))
    ask(telemetry, "/orders/4711")
    ask(telemetry, "/fail")
    telemetry.flush()

    assert [span.name for span in collector.spans] == ["GET /orders/{order_id}"]


def test_log_in_handler_when_request_is_traced_then_the_line_carries_its_trace(set_up: SetUp, tmp_path: Path) -> None:
    telemetry = set_up(embedded_path=tmp_path / "telemetry.db")
    ask(telemetry, "/orders/4711", {"traceparent": TRACEPARENT})
    assert telemetry.flush()

    lines = query(tmp_path, "SELECT line, lower(hex(trace_id)) FROM logs WHERE line = 'looked up'")
    assert lines == [("looked up", TRACE_ID)]


def test_set_up_when_done_then_opentelemetrys_global_provider_is_untouched(set_up: SetUp) -> None:
    before = trace.get_tracer_provider()
    telemetry = set_up()

    assert trace.get_tracer_provider() is before
    assert telemetry.tracer_provider is not before


def test_set_up_when_two_services_share_a_process_then_spans_and_counts_stay_apart(
    set_up: SetUp, collector: Collector
) -> None:
    one, two = set_up(otlp_url=collector.url), set_up(service_name="automation")
    ask(two, "/orders/4711")
    one.flush()
    two.flush()

    route = {"method": "GET", "route": "/orders/{order_id}", "status_class": "2xx"}
    assert collector.spans == []
    assert reading(one, "sightline_http_request_duration_seconds_count", **route) is None
    assert reading(two, "sightline_http_request_duration_seconds_count", **route) == 1.0


def test_shut_down_when_two_handles_exist_then_the_other_goes_on(set_up: SetUp, tmp_path: Path) -> None:
    first = set_up(embedded_path=tmp_path / "telemetry.db")
    second = set_up(service_name="automation")
    second.shutdown()
    logging.getLogger("services.test").info("still here")
    first.flush()

    assert query(tmp_path, "SELECT line FROM logs WHERE line = 'still here'") == [("still here",)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_shut_down_when_two_handles_go_in_any_order_then_logging_is_as_it_was_found(
    set_up: SetUp, order: tuple[int, int]
) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("urllib3").level)
    handles = set_up(), set_up(service_name="automation")
    handles[order[0]].shutdown()
    still_heard = logging.getLogger("services.test").isEnabledFor(logging.INFO)
    handles[order[1]].shutdown()

    assert still_heard
    assert (root.level, list(root.handlers), logging.getLogger("urllib3").level) == before


def test_set_up_when_done_then_the_version_is_exposed(set_up: SetUp) -> None:
    assert reading(set_up(), "sightline_build_info", version="1.2.3") == 1.0


def test_set_up_when_uvicorn_logged_by_itself_then_its_records_go_to_the_root_logger(set_up: SetUp) -> None:
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    telemetry = set_up()

    assert all(not logging.getLogger(name).handlers and logging.getLogger(name).propagate for name in UVICORN)
    telemetry.shutdown()
    assert [type(handler) for handler in logging.getLogger("uvicorn").handlers] == [logging.NullHandler]
    logging.getLogger("uvicorn").handlers.clear()


@pytest.mark.parametrize("name", ["uvicorn.access", "urllib3.connectionpool", "httpx"])
def test_set_up_when_a_library_chats_then_only_warnings_are_heard(set_up: SetUp, name: str) -> None:
    set_up(log_level="DEBUG")

    assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert logging.getLogger(name).isEnabledFor(logging.WARNING)


def test_shut_down_when_done_then_logging_is_as_it_was_found(set_up: SetUp, tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("urllib3").level)
    telemetry = set_up(embedded_path=tmp_path / "telemetry.db", console="text")
    telemetry.shutdown()

    assert (root.level, list(root.handlers), logging.getLogger("urllib3").level) == before


def test_shut_down_when_done_then_no_thread_is_left(set_up: SetUp, tmp_path: Path, collector: Collector) -> None:
    before = set(threading.enumerate())
    telemetry = set_up(embedded_path=tmp_path / "telemetry.db")
    telemetry.shutdown()

    assert set(threading.enumerate()) - before == set()


def test_shut_down_when_everything_was_delivered_then_it_says_so_twice(set_up: SetUp, collector: Collector) -> None:
    telemetry = set_up(otlp_url=collector.url)
    with telemetry.tracer("test").start_as_current_span("work"):
        pass

    assert (telemetry.shutdown(), telemetry.shutdown()) == (True, True)
    assert len(collector.spans) == 1


def test_shut_down_when_collector_is_away_then_it_says_so_and_counts_the_loss(
    set_up: SetUp, free_port: Callable[[], int]
) -> None:
    telemetry = set_up(otlp_url=f"http://127.0.0.1:{free_port()}")
    with telemetry.tracer("test").start_as_current_span("work"):
        pass

    assert telemetry.shutdown(0.3) is False
    assert reading(telemetry, "sightline_telemetry_dropped_total", signal="spans", reason="shutdown") == 1.0


def test_shut_down_when_store_is_embedded_then_the_last_reading_names_the_service(
    set_up: SetUp, tmp_path: Path
) -> None:
    telemetry = set_up(embedded_path=tmp_path / "telemetry.db")
    assert telemetry.shutdown()

    rows = query(
        tmp_path, "SELECT value FROM samples JOIN series ON series.id = series_id WHERE metric = 'sightline_build_info'"
    )
    labels = query(tmp_path, "SELECT labels FROM series WHERE metric = 'sightline_build_info'")
    assert rows == [(1.0,)]
    assert all(word in str(labels[0][0]) for word in ("console", "local", "service_name", "env"))


def test_collect_when_loki_is_away_then_spool_and_losses_show(set_up: SetUp, free_port: Callable[[], int]) -> None:
    telemetry = set_up(loki_url=f"http://127.0.0.1:{free_port()}")
    logging.getLogger("services.test").info("where to?")
    assert telemetry.flush()

    assert (reading(telemetry, "sightline_telemetry_spool_size_bytes") or 0) > 0
    assert reading(telemetry, "sightline_telemetry_spooled_total", signal="logs") == 1.0


def test_collect_when_spans_wait_then_the_queue_length_shows(set_up: SetUp, free_port: Callable[[], int]) -> None:
    telemetry = set_up(otlp_url=f"http://127.0.0.1:{free_port()}")
    telemetry.tracer("test").start_span("work").end()

    assert reading(telemetry, "sightline_telemetry_queue_length_items", signal="spans") == 1.0


def test_log_when_loki_has_a_url_then_the_line_goes_there_and_is_counted(set_up: SetUp) -> None:
    with running_loki() as loki:
        telemetry = set_up(loki_url=loki.url)
        logging.getLogger("services.test").warning("hello")
        assert telemetry.flush()

    assert reading(telemetry, "sightline_telemetry_delivered_total", signal="logs", sink="loki") == 1.0


def test_log_when_line_holds_a_secret_then_the_redaction_is_counted(set_up: SetUp, tmp_path: Path) -> None:
    telemetry = set_up(embedded_path=tmp_path / "telemetry.db")
    logging.getLogger("services.test").warning("Authorization: Bearer %s", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4")
    telemetry.flush()

    counted = [
        sample.value for sample in telemetry.metrics.samples() if sample.name == "sightline_telemetry_redactions_total"
    ]
    assert sum(counted) >= 1.0


def test_log_when_nothing_takes_lines_then_setup_works_with_the_console_alone(
    set_up: SetUp, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(console="text")
    logging.getLogger("services.test").warning("only here")

    assert "only here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("log_level", "LOUD", "log level must be one of"),
        ("sample_ratio", 2.0, "between 0 and 1"),
        ("loki_url", "127.0.0.1:3100", "loki_url must be a base URL"),
        ("otlp_url", "http://127.0.0.1:http", "otlp_url must be a base URL"),
    ],
)
def test_set_up_when_an_option_is_out_of_range_then_it_is_refused(
    set_up: SetUp, option: str, value: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        set_up(**{option: value})


def query(directory: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(directory / "telemetry.db")
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()
