"""One incident, told in order by every source that has something to say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from telemetry.query.errors import BackendAwayError, InvalidQueryError
from telemetry.query.open import Readers, ReadersOptions, open_readers
from telemetry.query.ports import Exemplar, Results, Series, SeriesQuery
from telemetry.query.timeline import Moment, Timeline, Watched, timeline
from telemetry.records import Sample
from telemetry.sinks.embedded import EmbeddedStore
from tests.telemetry.query_backs import T0_NS, TRACE, StoppedClock, at, entry, span

READY = (Watched(metric="sightline_dependency_ready"),)


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path / "telemetry.db", service_name="console", env="test", clock=StoppedClock())


@pytest.fixture
def readers(tmp_path: Path) -> Iterator[Readers]:
    opened = open_readers(ReadersOptions(embedded_path=tmp_path / "telemetry.db"))
    yield opened
    opened.close()


def _tell(store: EmbeddedStore) -> None:
    logs, spans, metrics = store.log_sink(), store.span_sink(), store.metric_sink()
    logs.send(
        [
            entry(1, "all is well"),
            entry(100, "bus is slow", level="warning", logger="bus", trace_id=TRACE),
            entry(130, "alert received", fields=(("event_type", "alerting.alert_received"), ("event_id", "e-1"))),
            entry(140, "gave up", level="error", fields=(("event_type", "bus.lost"),), trace_id=TRACE),
            entry(900, "too late", level="error"),
        ]
    )
    spans.send(
        [
            span("00000000000000a1", begins=119, lasts=1, status="error", message="no answer", name="publish"),
            span("00000000000000a2", begins=119, lasts=2, parent="00000000000000a1"),
            span("00000000000000a3", trace_id="1" * 32, begins=150, status="error", service="automation"),
        ]
    )
    for seconds in range(0, 600, 15):
        ready = 0.0 if 105 <= seconds < 300 else 1.0
        metrics.write([Sample("sightline_dependency_ready", (("dependency", "bus"),), ready, T0_NS + seconds * 10**9)])
    for sink in (logs, spans, metrics):
        sink.close()


def _told(moments: Timeline) -> list[tuple[int, str, str]]:
    return [((moment.time_ns - T0_NS) // 10**9, moment.source, moment.text.split(" ")[-1]) for moment in moments]


def test_timeline_when_every_source_has_something_then_all_is_told_in_order(
    store: EmbeddedStore, readers: Readers
) -> None:
    _tell(store)

    told = timeline(readers, at(0), at(600), watched=READY)

    assert (_told(told), told.truncated, told.missing) == (
        [
            (100, "log", "slow"),
            (105, "metric", "0"),
            (120, "span", "ms)"),
            (130, "fact", "received"),
            (140, "fact", "up"),
            (150, "span", "ms)"),
            (300, "metric", "1"),
        ],
        False,
        (),
    )


def test_timeline_when_moment_is_told_then_it_says_where_to_look(store: EmbeddedStore, readers: Readers) -> None:
    _tell(store)

    told = timeline(readers, at(0), at(145), watched=READY)

    assert [moment.reference for moment in told] == [
        "logger:bus",
        'series:sightline_dependency_ready{dependency="bus",env="test",job="sightline",service_name="console"}',
        "span:00000000000000a1",
        "event:e-1",
        "event_type:bus.lost",
    ]


def test_timeline_when_trace_given_then_only_its_moments_are_told(store: EmbeddedStore, readers: Readers) -> None:
    _tell(store)

    told = timeline(readers, at(0), at(600), trace_id=TRACE, watched=READY)

    assert [(source, {moment.trace_id for moment in told}) for _, source, _ in _told(told)] == [
        ("log", {TRACE}),
        ("span", {TRACE}),
        ("fact", {TRACE}),
    ]


def test_timeline_when_service_given_then_others_are_left_out(store: EmbeddedStore, readers: Readers) -> None:
    _tell(store)

    told = timeline(readers, at(0), at(600), services=("automation",), watched=READY)

    assert [(moment.source, moment.service_name) for moment in told] == [("span", "automation")]


def test_timeline_when_there_is_more_than_the_limit_then_the_beginning_is_kept(
    store: EmbeddedStore, readers: Readers
) -> None:
    _tell(store)

    told = timeline(readers, at(0), at(600), limit=2, watched=READY)

    assert ([source for _, source, _ in _told(told)], told.truncated) == (["log", "metric"], True)


def test_timeline_when_a_trace_began_before_the_window_then_its_failure_inside_is_told(
    store: EmbeddedStore, readers: Readers
) -> None:
    sink = store.span_sink()
    sink.send([span("00000000000000a1", begins=100, lasts=60, status="error")])
    sink.close()

    told = timeline(readers, at(150), at(200), watched=())

    assert [moment.time_ns for moment in told] == [T0_NS + 160 * 10**9]


def test_timeline_when_asked_twice_then_the_order_is_the_same(store: EmbeddedStore, readers: Readers) -> None:
    logs = store.log_sink()
    logs.send([entry(5, line, level="error") for line in ("b", "a", "c")])
    logs.close()

    assert [moment.text for moment in timeline(readers, at(0), at(10), watched=())] == ["a", "b", "c"]


@dataclass
class FakeMetricReader:
    """Gives the series it was handed, or raises."""

    found: list[Series] = field(default_factory=list)
    error: Exception | None = None

    def series(self, query: SeriesQuery) -> Results[Series]:
        if self.error:
            raise self.error
        return Results(series for series in self.found if series.metric == query.metric)

    def exemplars(self, metric: str, labels: Mapping[str, str], start: datetime, end: datetime) -> Results[Exemplar]:
        raise NotImplementedError(f"no test asks for exemplars of {metric}{labels} between {start} and {end}")

    def close(self) -> None:
        """Nothing is held."""


def test_timeline_when_a_source_is_away_then_others_answer_and_it_is_named(
    store: EmbeddedStore, readers: Readers
) -> None:
    _tell(store)
    lame = Readers(readers.logs, readers.traces, FakeMetricReader(error=BackendAwayError("Prometheus is away")))

    told = timeline(lame, at(0), at(600), watched=READY)

    assert len(told) == 5
    assert told.missing == ("metrics: Prometheus is away",)


def test_timeline_when_an_alert_comes_and_goes_then_both_are_told(store: EmbeddedStore, readers: Readers) -> None:
    _tell(store)
    begin = T0_NS / 1e9
    alert = Series("ALERTS", (("alertname", "TargetDown"),), tuple((begin + 15.0 * step, 1.0) for step in (4, 5, 6)))
    fake = Readers(readers.logs, readers.traces, FakeMetricReader([alert]))

    told = timeline(fake, at(0), at(600), watched=(Watched(metric="ALERTS"),), services=())

    assert [moment for moment in told if moment.source == "metric"] == [
        Moment(
            T0_NS + seconds * 10**9,
            "metric",
            "",
            "info",
            f'ALERTS{{alertname="TargetDown"}} {what}',
            'series:ALERTS{alertname="TargetDown"}',
            "",
        )
        for seconds, what in ((60, "appeared with 1"), (105, "vanished"))
    ]


def test_timeline_when_window_is_upside_down_then_error_says_so(readers: Readers) -> None:
    with pytest.raises(InvalidQueryError, match="before end"):
        timeline(readers, at(10), at(0))
