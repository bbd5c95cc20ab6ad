"""What the real desk shows and counts, from the facts that it states to the series that a scrape would find."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit.database import Database
from services.kit.instruments import Instruments
from services.trading.brokers.port import NotSent, OutcomeUnknown
from services.trading.gauges import TradingGauges
from services.trading.instruments import TABLE
from telemetry.catalogue import METRIC_UNDECLARED
from tests.trading.desk.support import VERSIONS, DeskHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DeskHouse]:
    database = Database(f"sqlite:///{tmp_path / 'trading.db'}", service="trading", versions=(VERSIONS,))
    database.migrate()
    yield DeskHouse(database).start()
    database.close()


def _scraped(house: DeskHouse) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every series of trading, once the facts stated so far have moved their metrics."""
    metrics, instruments = house.telemetry.metrics, Instruments(TABLE)
    instruments.declare(metrics)
    for event in house.facts.facts:
        for observation in instruments.statement(event).observations:
            observation.apply(metrics)
    gauges = TradingGauges(
        house.desk,
        working=house.desk.unended,
        market=house.market.market,
        daily_loss=house.limits.daily_loss,
        metrics=metrics,
        clock=house.clock,
    )
    gauges.refresh()
    return {
        (sample.name.removeprefix("sightline_trading_"), frozenset(sample.labels)): sample.value
        for sample in metrics.samples()
    }


def _value(house: DeskHouse, name: str, **labels: str) -> float:
    return _scraped(house)[name, frozenset(labels.items())]


@pytest.mark.parametrize(
    ("name", "labels", "shown"),
    [
        ("state", {"state": "active"}, 1.0),
        ("venue_ready", {"venue": "alpha"}, 1.0),
        ("circuit_state", {"venue": "beta", "state": "closed"}, 1.0),
        ("stream_connected", {"venue": "alpha"}, 1.0),
        ("market_open", {}, 1.0),
        ("open_orders", {"venue": "alpha"}, 0.0),
        ("reconciliations_total", {"venue": "alpha", "trigger": "start", "outcome": "succeeded"}, 1.0),
        ("stream_changes_total", {"venue": "beta", "change": "connected"}, 1.0),
    ],
)
def test_desk_when_it_has_started_then_its_series_say_so(
    house: DeskHouse, name: str, labels: dict[str, str], shown: float
) -> None:
    assert _value(house, name, **labels) == shown


def test_verdict_when_auth_gave_one_then_its_time_left_is_shown(house: DeskHouse) -> None:
    assert _value(house, "verdict_remaining_seconds", venue="alpha") > 0


def test_order_when_it_is_filled_then_position_fill_and_transitions_are_counted(house: DeskHouse) -> None:
    (order,) = house.desk.submit(house.intent()).orders
    house.alpha.fill(order.client_order_id, 10, 100)
    series = _scraped(house)
    assert series["placements_total", frozenset({("outcome", "accepted")})] == 1
    assert series["submissions_total", frozenset({("venue", "alpha"), ("outcome", "accepted")})] == 1
    assert series["transitions_total", frozenset({("from", "none"), ("to", "submitting")})] == 1
    assert series["transitions_total", frozenset({("from", "open"), ("to", "filled")})] == 1
    assert series["fills_total", frozenset({("venue", "alpha"), ("source", "stream")})] == 1
    assert series["positions", frozenset({("venue", "alpha")})] == 1


def test_order_when_no_answer_comes_then_it_ages_as_unknown(house: DeskHouse) -> None:
    house.alpha.answer_submits(OutcomeUnknown("the connection was reset"))
    house.desk.submit(house.intent())
    house.advance(31)
    series = _scraped(house)
    assert series["unknown_orders", frozenset({("venue", "alpha")})] == 1
    assert series["unknown_oldest_age_seconds", frozenset({("venue", "alpha")})] == 31
    assert series["placements_total", frozenset({("outcome", "unknown")})] == 1


def test_order_when_it_goes_on_to_another_venue_then_both_venues_and_the_proof_are_counted(house: DeskHouse) -> None:
    house.alpha.answer_submits(NotSent("connection refused"))
    house.desk.submit(house.intent())
    series = _scraped(house)
    moved = {("from_venue", "alpha"), ("to_venue", "beta"), ("cause", "not_sent")}
    assert series["failovers_total", frozenset(moved)] == 1
    assert series["placements_total", frozenset({("outcome", "accepted")})] == 1


def test_kill_switch_when_pulled_then_state_pull_and_duration_are_shown(house: DeskHouse) -> None:
    house.desk.submit(house.limit())
    house.desk.halt("ada", "smoke")
    series = _scraped(house)
    assert series["state", frozenset({("state", "halted")})] == 1
    assert series["kill_switch_pulls_total", frozenset()] == 1
    assert series["kill_switch_duration_seconds_count", frozenset({("flat", "true")})] == 1


def test_facts_when_the_desk_stated_them_then_every_label_is_known_to_the_catalogue(house: DeskHouse) -> None:
    house.alpha.answer_submits(NotSent("connection refused"))
    house.desk.submit(house.intent())
    house.alpha.tell_garbage("{")
    house.alpha.break_stream()
    house.desk.reduce("ada", "lunch")
    house.desk.halt("ada", "smoke")
    assert _scraped(house)[METRIC_UNDECLARED.name, frozenset()] == 0
