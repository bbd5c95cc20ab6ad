"""What is counted of the paper brokers."""

import json
from collections.abc import Callable
from enum import StrEnum

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from websockets.sync.client import connect

from services.venue.broker.faults import FaultKind, Kind
from services.venue.meter import watch
from telemetry.catalogue import METRIC_UNDECLARED, VENUE_FAULTS, VENUE_REQUESTS, Metric, emitted_by
from telemetry.emit.clock import SystemClock
from telemetry.emit.metrics import Metrics
from tests.venue.broker.serving import ServedVenue

Count = Callable[..., float]


@pytest.fixture
def count(venue: ServedVenue) -> Count:
    """Value of a series of the venue's metrics, by the end of its name and its labels."""
    metrics = Metrics(SystemClock(), emitted_by("venue"))
    watch([venue.venue], metrics)

    def value(name: str, **labels: str) -> float:
        samples = {(sample.name, sample.labels): sample.value for sample in metrics.samples()}
        assert samples[METRIC_UNDECLARED.name, ()] == 0
        return samples[f"sightline_venue_{name}", tuple(sorted({"paper": "alpha", **labels}.items()))]

    return value


def _buy() -> MarketOrderRequest:
    return MarketOrderRequest(symbol="AAPL", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)


def test_request_when_answered_then_it_counts_by_what_was_asked_and_the_class(venue: ServedVenue, count: Count) -> None:
    client = venue.trading_client()
    client.get_account()
    with pytest.raises(APIError):
        client.get_order_by_client_id("nobody")
    assert count("requests_total", kind="account", status_class="2xx") == 1
    assert count("requests_total", kind="find", status_class="4xx") == 1
    assert count("requests_total", kind="submit", status_class="2xx") == 0


def test_order_when_filled_then_the_fill_counts(venue: ServedVenue, count: Count) -> None:
    venue.trading_client().submit_order(_buy())
    venue.wait_for(lambda: count("fills_total") == 1)


def test_fault_when_it_happens_then_it_counts_and_one_that_waits_does_not(venue: ServedVenue, count: Count) -> None:
    venue.fault("server_error", on=["account"], count=1)
    venue.fault("forbidden", on=["submit"], count=1)
    with pytest.raises(APIError):
        venue.trading_client().get_account()
    assert count("faults_total", kind="server_error") == 1
    assert count("faults_total", kind="forbidden") == 0
    assert count("requests_total", kind="account", status_class="5xx") == 1


def test_request_when_its_connection_is_cut_then_no_answer_counts(venue: ServedVenue, count: Count) -> None:
    venue.fault("drop", on=["submit"], count=1)
    with pytest.raises(OSError, match="Connection"):
        venue.trading_client().submit_order(_buy())
    assert count("faults_total", kind="drop") == 1
    assert sum(count("requests_total", kind="submit", status_class=f"{each}xx") for each in range(1, 6)) == 0


def test_stream_when_somebody_listens_then_it_is_shown_until_the_end(venue: ServedVenue, count: Count) -> None:
    login = {"action": "auth", "key": venue.key_id, "secret": venue.secret_key}
    with connect(venue.stream_url) as stream:
        stream.send(json.dumps(login))
        stream.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        venue.wait_for(lambda: count("stream_clients") == 1)
    venue.wait_for(lambda: count("stream_clients") == 0)


@pytest.mark.parametrize(("metric", "words"), [(VENUE_REQUESTS, Kind), (VENUE_FAULTS, FaultKind)])
def test_label_when_the_venue_names_its_values_then_it_lists_the_same(metric: Metric, words: type[StrEnum]) -> None:
    (listed,) = (entry.values for entry in metric.labels if entry.name == "kind")
    assert listed is not None
    assert set(listed) == {word.value for word in words}
