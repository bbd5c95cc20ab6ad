"""The watch reads telemetry, states anomalies once, and goes on over a restart."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.agents.detectors.watch import Parts, Watch
from services.agents.errors import TelemetryAwayError
from services.agents.signals.table import SIGNALS
from services.contracts.anomalies import AnomalyEnded, AnomalyFound, DetectorState
from services.contracts.events import Envelope
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.ids import SystemIds
from services.kit.tables import OUTBOX
from telemetry.query.open import Readers, ReadersOptions, open_readers
from tests.agents import faults
from tests.agents.story import STEP, STEPS, VENUE, Story
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry

Watching = Callable[..., Watch]


@pytest.fixture
def watching(database: Database, facts: Facts, telemetry: RecordedTelemetry) -> Watching:
    def make(readers: Readers, clock: FakeClock) -> Watch:
        parts = Parts(facts, database, readers, telemetry.metrics, clock, SystemIds(clock))
        watch = Watch(parts, SIGNALS, tellers={}, step_seconds=float(STEP))
        watch.open()
        return watch

    return make


def at(story: Story, step: float) -> FakeClock:
    return FakeClock(story.moment(step) + timedelta(seconds=4))


def look_on(watch: Watch, clock: FakeClock, steps: int) -> None:
    for _ in range(steps):
        watch.look()
        clock.advance(STEP)


def stated(database: Database) -> list[Envelope]:
    with database.reading() as connection:
        rows = connection.execute(select(OUTBOX.c.envelope).order_by(OUTBOX.c.position)).scalars()
        return [Envelope.model_validate_json(row) for row in rows]


@pytest.mark.parametrize("seed", range(3))
def test_watch_on_a_quiet_hour_then_it_finds_nothing(
    seed: int, tmp_path: Path, watching: Watching, database: Database
) -> None:
    story = Story(tmp_path / "telemetry.db", seed)
    clock = at(story, 60)
    look_on(watching(story.told(), clock), clock, STEPS - 61)
    assert [each.payload for each in stated(database)] == []


def test_watch_when_a_venue_slows_down_then_it_states_that_once_with_its_beginning(
    story: Story, watching: Watching, database: Database, telemetry: RecordedTelemetry
) -> None:
    faults.venue_slow(story)
    clock = at(story, story.onset - 20)
    watch = watching(story.told(), clock)
    look_on(watch, clock, 45)
    found = [each for each in stated(database) if each.payload["signal"] == "submit_latency"]
    assert [each.event_type for each in found] == [AnomalyFound.event_type]
    payload = AnomalyFound.model_validate({**found[0].payload, "subject": found[0].subject})
    assert payload.target == VENUE
    assert abs((payload.since - story.moment(story.onset)).total_seconds()) <= 4 * STEP
    assert found[0].occurred_at - story.moment(story.onset) <= timedelta(minutes=2)
    assert telemetry.value("sightline_anomalies_open", stage="orders", severity="warning") >= 1
    assert telemetry.value("sightline_anomaly_score_ratio", signal="submit_latency") >= 1


def test_watch_when_it_is_as_usual_again_then_the_anomaly_ends(
    story: Story, watching: Watching, database: Database, telemetry: RecordedTelemetry
) -> None:
    story.gauge(
        "trading",
        "sightline_trading_stream_connected",
        lambda step: 0.0 if story.onset <= step < story.onset + 8 else 1.0,
        venue=VENUE,
    )
    clock = at(story, story.onset - 10)
    look_on(watching(story.told(), clock), clock, 35)
    kinds = [each.event_type for each in stated(database) if each.payload["signal"] == "stream_down"]
    assert kinds == [AnomalyFound.event_type, AnomalyEnded.event_type]
    assert telemetry.value("sightline_anomaly_duration_seconds_count") == 1


def test_watch_when_it_is_restarted_then_it_knows_what_was_usual_and_what_is_open(
    story: Story, watching: Watching, database: Database
) -> None:
    faults.venue_slow(story)
    readers = story.told()
    clock = at(story, story.onset - 20)
    first = watching(readers, clock)
    look_on(first, clock, 40)
    first.keep()
    before = {view.series: view.observations for view in first.detectors().detectors if view.signal == "submit_latency"}
    second = watching(readers, clock)
    look_on(second, clock, 5)
    after = {view.series: view.observations for view in second.detectors().detectors if view.signal == "submit_latency"}
    assert all(after[series] > count for series, count in before.items())
    found = [each for each in stated(database) if each.payload["signal"] == "submit_latency"]
    assert [each.event_type for each in found] == [AnomalyFound.event_type]


def test_watch_when_telemetry_is_away_then_it_says_so_and_looks_at_what_it_missed_later(
    tmp_path: Path, story: Story, watching: Watching, telemetry: RecordedTelemetry
) -> None:
    away = open_readers(ReadersOptions(embedded_path=tmp_path / "nothing.db"))
    clock = at(story, 100)
    watch = watching(away, clock)
    with pytest.raises(TelemetryAwayError):
        watch.look()
    watch.measure()
    assert telemetry.value("sightline_detector_blind", signal="submit_latency") == 1


def test_watch_when_one_signal_is_read_then_its_detectors_are_shown_with_what_they_have_seen(
    story: Story, watching: Watching
) -> None:
    clock = at(story, 60)
    watch = watching(story.told(), clock)
    look_on(watch, clock, 2)
    views = [view for view in watch.detectors().detectors if view.signal == "submit_latency"]
    assert {view.detector.value for view in views} == {"robust", "drift"}
    assert all(view.state is DetectorState.WATCHING and view.observations >= view.needed for view in views)


def test_watch_when_the_simulated_broker_tells_of_its_faults_then_nobody_listens(
    story: Story, watching: Watching, database: Database
) -> None:
    for step in story.steps(1):
        story.line("venue", step, "planned fault happened: forbidden", level="error")
    clock = at(story, story.onset - 10)
    look_on(watching(story.told(), clock), clock, 30)
    assert stated(database) == []


def test_watch_when_it_has_just_started_then_it_states_nothing_for_two_minutes(
    story: Story, watching: Watching, database: Database
) -> None:
    story.gauge("trading", "sightline_trading_stream_connected", lambda _: 0.0, venue=VENUE)
    clock = at(story, 100)
    watch = watching(story.told(), clock)
    look_on(watch, clock, 8)
    assert stated(database) == []
    look_on(watch, clock, 2)
    assert [each.payload["signal"] for each in stated(database)] == ["stream_down"]


def test_watch_when_something_comes_again_then_it_began_after_the_last_time_ended(
    story: Story, watching: Watching, database: Database
) -> None:
    first, second = range(150, 158), range(185, 200)
    story.gauge(
        "trading",
        "sightline_trading_stream_connected",
        lambda step: 0.0 if step in first or step in second else 1.0,
        venue=VENUE,
    )
    clock = at(story, 140)
    look_on(watching(story.told(), clock), clock, 55)
    found = [each for each in stated(database) if each.event_type == AnomalyFound.event_type]
    began = [AnomalyFound.model_validate({**each.payload, "subject": each.subject}).since for each in found]
    late = [(at - story.moment(step)).total_seconds() for at, step in zip(began, (150, 185), strict=True)]
    assert all(abs(seconds) <= 2 * STEP for seconds in late)
