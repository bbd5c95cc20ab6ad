"""The same samples, the same questions, the same answers: embedded store and a real Prometheus."""

import math
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from telemetry.query.embedded_metrics import EmbeddedMetricReader
from telemetry.query.embedded_pool import ReadPool
from telemetry.query.errors import ExemplarsUnavailableError, InvalidQueryError
from telemetry.query.ports import MetricReader, Series, SeriesQuery
from telemetry.query.prometheus import PrometheusReader
from telemetry.records import Outcome, Sample
from telemetry.sinks.embedded import EmbeddedStore
from tests.fakes.json_server import JsonServer
from tests.fakes.prometheus import exemplar_answer
from tests.telemetry.query_backs import T0_NS, StoppedClock, at

HOSTILE = 'a"b\\c\n{}=~é,'
TARGET = (("env", "test"), ("job", "sightline"), ("service_name", "console"))
EVERY_SECONDS = 15
SCRAPES = 121  # half an hour
Reading = list[tuple[str, tuple[tuple[str, str], ...], float]]


def _reading(number: int) -> Reading:
    """What one reading of all metrics says: constant, growing, changing now and then, gone for a while, odd."""
    reading: Reading = [
        ("sightline_build_info", (("version", "1.2.3"),), 1.0),
        ("sightline_events_total", (("event_type", "a.b"),), float(number)),
        ("sightline_events_total", (("event_type", HOSTILE),), float(number // 30)),
        ("sightline_dependency_ready", (("dependency", "bus"),), 0.0 if 40 <= number < 52 else 1.0),
        ("sightline_dependency_ready", (), 0.5),
        ("sightline_odd", (("kind", "inf"),), math.inf),
        ("sightline_odd", (("kind", "nan"),), math.nan),
    ]
    if not 30 <= number < 75:
        reading.append(("sightline_dependency_ready", (("dependency", "loki"),), float(number)))
    return reading


def _samples(number: int) -> list[Sample]:
    time_ns = T0_NS + number * EVERY_SECONDS * 10**9
    return [Sample(name, labels, value, time_ns) for name, labels, value in _reading(number)]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MetricReader]:
    path = tmp_path_factory.mktemp("metrics") / "telemetry.db"
    sink = EmbeddedStore(path, service_name="console", env="test", clock=StoppedClock()).metric_sink()
    for number in range(SCRAPES):
        assert sink.write(_samples(number)) is Outcome.DELIVERED
    sink.close()
    reader = EmbeddedMetricReader(ReadPool(path, timeout_seconds=10))
    yield reader
    reader.close()


def _openmetrics() -> str:
    by_name: dict[str, list[str]] = {}
    for number in range(SCRAPES):
        for name, labels, value, time_ns in _samples(number):
            escaped = {
                label: text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
                for label, text in (*TARGET, *labels)
            }
            inside = ",".join(f'{label}="{text}"' for label, text in escaped.items())
            shown = {math.inf: "+Inf"}.get(value, f"{value}") if not math.isnan(value) else "NaN"
            by_name.setdefault(name, []).append(f"{name}{{{inside}}} {shown} {time_ns / 1e9:.3f}\n")
    return "".join(f"# TYPE {name} unknown\n{''.join(lines)}" for name, lines in by_name.items()) + "# EOF\n"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MetricReader]:
    directory = tmp_path_factory.mktemp("prometheus")
    (directory / "samples.txt").write_text(_openmetrics())
    (directory / "prometheus.yml").write_text("{}\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"],  # noqa: S607 -- found on PATH on purpose
        cwd=directory,
        check=True,
        capture_output=True,
        timeout=60,
    )
    port = _free_port()
    process = subprocess.Popen(  # noqa: S603 -- fixed words and a number
        [  # noqa: S607 -- found on PATH on purpose
            "prometheus",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--storage.tsdb.retention.time=10y",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until(lambda: httpx.get(f"http://127.0.0.1:{port}/-/ready").status_code == 200, process)
        reader = PrometheusReader(f"http://127.0.0.1:{port}")
        yield reader
        reader.close()
    finally:
        process.terminate()
        process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "Prometheus ended at once"
        try:
            if ready():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail("Prometheus was not ready in 30 s")


def _query(metric: str, **asked: object) -> SeriesQuery:
    window = {"start": at(7.25), "end": at(1_750), "step_seconds": 13.5}
    return SeriesQuery(metric=metric, **{**window, **asked})  # type: ignore[arg-type]  # each test names real ones


QUESTIONS = [
    _query("sightline_build_info"),
    _query("sightline_events_total"),
    _query("sightline_events_total", labels={"event_type": HOSTILE}),
    _query("sightline_events_total", labels={"event_type": 'x"} or vector(1) #'}),
    _query("sightline_dependency_ready"),
    _query("sightline_dependency_ready", labels={"dependency": ""}),
    _query("sightline_dependency_ready", labels={"dependency": "loki", "service_name": "console"}),
    _query("sightline_dependency_ready", labels={"dependency": "loki"}, start=at(700), end=at(800)),
    _query("sightline_odd", labels={"kind": "inf"}),
    _query("sightline_events_total", start=at(300), end=at(900), step_seconds=60),
    _query("sightline_events_total", start=at(-3_000), end=at(-400)),
    _query("sightline_absent"),
    _query("sightline_dependency_ready", limit=1),
]


@pytest.mark.needs("prometheus", "promtool")
@pytest.mark.parametrize("question", QUESTIONS, ids=range(len(QUESTIONS)))
def test_series_when_both_backs_hold_the_same_samples_then_answers_are_equal(
    embedded: MetricReader, prometheus: MetricReader, question: SeriesQuery
) -> None:
    ours, theirs = embedded.series(question), prometheus.series(question)

    assert (list(ours), ours.truncated) == (list(theirs), theirs.truncated)


@pytest.mark.needs("prometheus", "promtool")
def test_exemplars_when_prometheus_keeps_none_then_answer_is_empty(prometheus: MetricReader) -> None:
    assert prometheus.exemplars("sightline_events_total", {}, at(0), at(60)) == []


def test_series_when_value_is_not_a_number_then_it_stays_so(embedded: MetricReader) -> None:
    (series,) = embedded.series(_query("sightline_odd", labels={"kind": "nan"}))

    assert {repr(value) for _, value in series.points} == {"nan"}


def test_series_when_value_never_changes_then_it_is_there_at_every_step(embedded: MetricReader) -> None:
    (series,) = embedded.series(_query("sightline_build_info", start=at(0), end=at(1_800), step_seconds=15))

    assert series == Series(
        "sightline_build_info",
        (*TARGET, ("version", "1.2.3")),
        tuple((T0_NS / 1e9 + 15.0 * number, 1.0) for number in range(121)),
    )


def test_exemplars_when_store_is_embedded_then_error_says_how_to_find_the_trace(embedded: MetricReader) -> None:
    with pytest.raises(ExemplarsUnavailableError, match="min_duration_seconds"):
        embedded.exemplars("sightline_odd", {}, at(0), at(60))


def test_exemplars_when_prometheus_has_some_then_they_name_their_traces() -> None:
    with JsonServer(exemplar_answer) as server:
        reader = PrometheusReader(server.url)
        (exemplar,) = reader.exemplars("sightline_http_request_duration_seconds_bucket", {"job": 'a"b'}, at(0), at(60))
        reader.close()

    assert (exemplar.trace_id, exemplar.value, exemplar.labels) == (
        "0af7651916cd43dd8448eb211c80319c",
        0.25,
        (("job", "console"), ("le", "0.5")),
    )
    assert server.asked[0].params["query"] == 'sightline_http_request_duration_seconds_bucket{job="a\\"b"}'


@pytest.mark.parametrize(
    "asked",
    [
        {"metric": "up or vector(1)"},
        {"metric": ""},
        {"labels": {'a="",b': "x"}},
        {"step_seconds": 0},
        {"step_seconds": 0.01, "end": at(3_600)},
        {"step_seconds": math.nan},
    ],
)
def test_query_when_it_cannot_be_asked_then_error_says_so(asked: dict[str, object]) -> None:
    with pytest.raises(InvalidQueryError):
        _query(**{"metric": "up", **asked})  # type: ignore[arg-type]  # the metric's name is among them
