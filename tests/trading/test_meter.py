"""What the order path counts and times."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from opentelemetry.sdk.trace import TracerProvider

from services.contracts.market import Side, Symbol
from services.contracts.orders import OrderStatus, VenueName, VenueOrderId
from services.trading.brokers.port import Accepted, NotSent, OutcomeUnknown, Rejected, SubmitOutcome, VenueOrder
from services.trading.meter import OrderMeter, declare_venues
from telemetry import catalogue
from telemetry.catalogue import METRIC_UNDECLARED, METRICS, emitted_by
from telemetry.emit.clock import SystemClock
from telemetry.emit.metrics import Metrics

_ALPHA = VenueName("alpha")
_THERE = VenueOrder(
    client_order_id=None,
    venue_order_id=VenueOrderId("v-1"),
    symbol=Symbol("AAPL"),
    side=Side.BUY,
    quantity=Decimal(1),
    status=OrderStatus.OPEN,
    substatus="new",
    filled=Decimal(0),
    average_price=None,
    updated_at=datetime(2026, 3, 2, tzinfo=UTC),
)
_OUTCOMES: dict[str, SubmitOutcome] = {
    "accepted": Accepted(_THERE),
    "rejected": Rejected("403", "no"),
    "not_sent": NotSent("connection refused"),
    "unknown": OutcomeUnknown("no answer"),
}


class _Metered:
    def __init__(self) -> None:
        self.metrics = Metrics(SystemClock(), emitted_by("trading"))
        declare_venues(self.metrics, [_ALPHA, VenueName("beta")])
        self.meter = OrderMeter(self.metrics, [_ALPHA, VenueName("beta")])

    def moved(self) -> dict[tuple[str, str], float]:
        """Counters and histogram counts of the order path that are not 0, by name and outcome."""
        return {
            (sample.name.removeprefix("sightline_trading_"), dict(sample.labels).get("outcome", "")): sample.value
            for sample in self.metrics.samples()
            if sample.name.startswith("sightline_trading_")
            and sample.name.endswith(("_total", "_count"))
            and sample.value
        }


@pytest.mark.parametrize("word", _OUTCOMES)
def test_submit_when_it_returned_then_it_is_counted_and_timed_by_its_outcome(word: str) -> None:
    metered = _Metered()
    metered.meter.submitted(_ALPHA, _OUTCOMES[word], 0.02)
    assert metered.moved() == {("submissions_total", word): 1.0, ("submit_duration_seconds_count", word): 1.0}


@pytest.mark.parametrize("word", _OUTCOMES)
def test_placement_when_it_ended_then_the_last_outcome_counts_and_what_we_added(word: str) -> None:
    metered = _Metered()
    metered.meter.placed(_OUTCOMES[word], 0.003)
    assert metered.moved() == {("placements_total", word): 1.0, ("added_latency_seconds_count", ""): 1.0}


def test_placement_when_denied_then_it_adds_no_latency() -> None:
    metered = _Metered()
    metered.meter.denied()
    assert metered.moved() == {("placements_total", "denied"): 1.0}


def test_submit_when_it_is_traced_then_its_bucket_leads_to_the_trace() -> None:
    metered = _Metered()
    with TracerProvider().get_tracer("test").start_as_current_span("submit") as span:
        metered.meter.submitted(_ALPHA, _OUTCOMES["accepted"], 0.02)
    page = metered.metrics.exposition("application/openmetrics-text")[0].decode()
    trace_id = format(span.get_span_context().trace_id, "032x")
    (line,) = (line for line in page.splitlines() if trace_id in line and "submit_duration" in line)
    assert 'le="0.025"' in line


def test_venues_when_declared_then_every_series_of_trading_exists_at_zero() -> None:
    metered = _Metered()
    of_venues = {
        metric.name
        for metric in METRICS
        if metric.service == "trading" and {"venue", "from_venue"} & {label.name for label in metric.labels}
    }
    page = metered.metrics.exposition("text/plain")[0].decode()
    assert [name for name in sorted(of_venues) if name not in _series(page)] == []
    (undeclared,) = (each.value for each in metered.metrics.samples() if each.name == METRIC_UNDECLARED.name)
    assert undeclared == 0


def test_series_when_three_venues_are_set_up_then_they_stay_far_below_the_alert_on_cardinality() -> None:
    metrics = Metrics(SystemClock(), emitted_by("trading"))
    declare_venues(metrics, [VenueName("alpaca-paper"), _ALPHA, VenueName("beta")])
    assert len(metrics.samples()) < 2_500


@pytest.mark.parametrize("threshold", [0.004, 0.012, 0.05, 0.25, 1.0])
def test_buckets_when_an_objective_names_a_threshold_then_an_edge_stands_there(threshold: float) -> None:
    assert threshold in catalogue.TRADING_SUBMIT_DURATION.buckets
    assert threshold in catalogue.TRADING_ADDED_LATENCY.buckets


def _series(page: str) -> set[str]:
    suffixes = ("_bucket", "_count", "_sum")
    names = {line.partition("{")[0] for line in page.splitlines() if "{" in line and not line.startswith("#")}
    return names | {name.removesuffix(suffix) for name in names for suffix in suffixes}
