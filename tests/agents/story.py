"""Synthetic telemetry of a platform in the real embedded store: a quiet hour, and whatever a test lets go wrong in it.

Words are those that the services really log, so that the analyst is not tested against its own table alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from services.contracts.anomalies import Diagnosis, DiagnosisRequest
from telemetry.query.open import Readers, ReadersOptions, open_readers
from telemetry.records import LogEntry, Outcome, Sample, SpanEntry
from telemetry.sinks.embedded import EmbeddedStore

BEGAN = datetime(2026, 3, 2, 15, tzinfo=UTC)  # a Monday, 10:00 in New York
STEP = 15
STEPS = 240
VENUE = "alpha"
Values = Callable[[int], float]
Labels = tuple[tuple[str, str], ...]


@dataclass
class _Clock:
    began: datetime

    def time_ns(self) -> int:
        return int((self.began + timedelta(hours=2)).timestamp() * 1e9)


@dataclass
class Story:
    """An hour of telemetry; `onset` is the step at which something goes wrong."""

    path: Path
    seed: int = 0
    began: datetime = BEGAN
    counters: dict[tuple[str, str, Labels], list[float]] = field(default_factory=dict)
    gauges: dict[tuple[str, str, Labels], list[float]] = field(default_factory=dict)
    lines: dict[str, list[LogEntry]] = field(default_factory=dict)
    spans: list[SpanEntry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.onset = 180 + int(self.random.integers(0, 20))
        self.severity = float(self.random.uniform(0.6, 1.0))
        self._events = 0
        self._quiet()

    def counter(self, service: str, metric: str, each: Values, **labels: str) -> None:
        """What a counter grows by at each step."""
        self.counters[service, metric, tuple(sorted(labels.items()))] = [each(step) for step in range(STEPS)]

    def more(self, service: str, metric: str, each: Values, **labels: str) -> None:
        """What a counter grows by beside what it does."""
        grown = self.counters.setdefault((service, metric, tuple(sorted(labels.items()))), [0.0] * STEPS)
        for step in range(STEPS):
            grown[step] = max(0.0, grown[step] + each(step))

    def gauge(self, service: str, metric: str, each: Values, **labels: str) -> None:
        """What a gauge is worth at each step."""
        self.gauges[service, metric, tuple(sorted(labels.items()))] = [each(step) for step in range(STEPS)]

    def mean(self, service: str, histogram: str, seconds: Values, count: Values, **labels: str) -> None:
        """A histogram's sum and count."""
        counts = [count(step) for step in range(STEPS)]
        self.counter(service, f"{histogram}_count", lambda step: counts[step], **labels)
        self.counter(service, f"{histogram}_sum", lambda step: counts[step] * seconds(step), **labels)

    def after(self, during: float, before: float = 0.0, *, delay: int = 0) -> Values:
        """One value until things go wrong, another from then on."""
        return lambda step: during if step >= self.onset + delay else before

    def line(self, service: str, step: float, text: str, *, level: str = "warning", logger: str = "services") -> None:
        """A log line."""
        self._write(service, step, text, level, f"{logger}.{service}", {})

    def fact(self, service: str, step: float, event: str, text: str, *, level: str = "warning", **fields: str) -> None:
        """A line that states a fact."""
        self._events += 1
        told = {"event_type": event, "event_id": f"{self._events:08x}-0000-7000-8000-000000000000", **fields}
        self._write(service, step, text, level, f"facts.{event.partition('.')[0]}", told)

    def span(self, service: str, step: float, name: str, seconds: float) -> None:
        """A span, as a trace of its own."""
        number = len(self.spans) + 1
        start = self._ns(step)
        end = start + int(seconds * 1e9)
        ids = (f"{number:032x}", f"{number:016x}", "")
        self.spans.append(SpanEntry(*ids, name, "client", service, start, end, "ok", "", {}, (), ()))

    def steps(self, every: float = 1.0, until: int = STEPS) -> Iterator[float]:
        """The steps from the onset on."""
        step = float(self.onset)
        while step < until:
            yield step
            step += every

    def moment(self, step: float) -> datetime:
        """When a step ends."""
        return self.began + timedelta(seconds=STEP * step)

    def request(self, alert_name: str = "", target: str = "", *, after_steps: int = 12) -> DiagnosisRequest:
        """Asks about what went wrong, some steps after it did."""
        return DiagnosisRequest(
            incident_id="incident-1",
            alert_name=alert_name,
            target=target,
            started_at=self.moment(self.onset + after_steps),
            until=self.moment(self.onset + after_steps + 20),
            window_seconds=600.0,
        )

    def told(self) -> Readers:
        """Write everything down and read it back."""
        self._noise()
        services = {key[0] for key in (*self.counters, *self.gauges)} | set(self.lines)
        for service in sorted(services):
            store = EmbeddedStore(self.path, service_name=service, env="test", clock=_Clock(self.began))
            sink = store.metric_sink()
            for step in range(STEPS):
                assert sink.write(self._samples(service, step)) is Outcome.DELIVERED
            sink.close()
            lines = store.log_sink()
            if self.lines.get(service):
                assert lines.send(sorted(self.lines[service])) is Outcome.DELIVERED
            lines.close()
        store = EmbeddedStore(self.path, service_name="trading", env="test", clock=_Clock(self.began))
        sink_of_spans = store.span_sink()
        if self.spans:
            assert sink_of_spans.send(self.spans) is Outcome.DELIVERED
        sink_of_spans.close()
        return open_readers(ReadersOptions(embedded_path=self.path))

    def _samples(self, service: str, step: int) -> list[Sample]:
        time_ns = self._ns(step)
        read = []
        for (owner, metric, labels), grown in self.counters.items():
            if owner == service:
                total = self._totals.setdefault((owner, metric, labels), 100.0) + grown[step]
                self._totals[owner, metric, labels] = total
                read.append(Sample(metric, labels, total, time_ns))
        read += [
            Sample(metric, labels, values[step], time_ns)
            for (owner, metric, labels), values in self.gauges.items()
            if owner == service
        ]
        return read

    def started(self, service: str, step: float) -> None:
        """The line with which a service says that it starts."""
        self._write(service, step, "started", "info", "services.chassis", {})

    def _write(  # noqa: PLR0913, PLR0917 -- a line has that many parts
        self, service: str, step: float, text: str, level: str, logger: str, fields: dict[str, str]
    ) -> None:
        entry = LogEntry(self._ns(step), level, logger, text, "", "", tuple(sorted(fields.items())))
        self.lines.setdefault(service, []).append(entry)

    def _ns(self, step: float) -> int:
        return int((self.began.timestamp() + STEP * step) * 1e9)

    def _quiet(self) -> None:
        self._totals: dict[tuple[str, str, Labels], float] = {}
        draw = self.random
        for service in ("auth", "trading", "automation", "content", "console"):
            self.gauge(service, "sightline_build_info", lambda _: 1.0, version="1")
            self.gauge(service, "process_start_time_seconds", lambda _: 1.0)
            self.counter(
                service,
                "sightline_http_request_duration_seconds_count",
                lambda _: draw.poisson(4),
                status_class="2xx",
                route="/x",
            )
            self.counter(
                service, "sightline_http_request_duration_seconds_count", lambda _: 0.0, status_class="5xx", route="/x"
            )
            self.gauge(service, "sightline_dependency_ready", lambda _: 1.0, dependency="database")
            self.gauge(service, "sightline_outbox_oldest_age_seconds", lambda _: draw.uniform(0, 0.5))
            self.counter(
                service,
                "sightline_events_consumed_total",
                lambda _: draw.poisson(6),
                consumer="desk",
                outcome="handled",
            )
            self.counter(service, "sightline_events_consumed_total", lambda _: 0.0, consumer="desk", outcome="retried")
            self.gauge(service, "sightline_dead_letters_events", lambda _: 0.0, consumer="desk")
            self.gauge(service, "sightline_telemetry_spool_size_bytes", lambda _: 0.0)
            self.mean(
                service,
                "sightline_event_lag_seconds",
                lambda _: draw.uniform(0.005, 0.02),
                lambda _: draw.poisson(6),
                consumer="desk",
            )
        self._quiet_trading()
        self.gauge("auth", "sightline_auth_clock_offset_seconds", lambda _: draw.normal(0, 0.05))
        self.counter(
            "auth",
            "sightline_auth_attempts_total",
            lambda _: float(draw.random() < 0.02),
            flow="login",
            method="totp",
            outcome="succeeded",
        )
        for outcome in ("code_missing", "code_refused", "session_lost", "broker_unreachable", "broker_asked_to_wait"):
            self.counter(
                "auth", "sightline_auth_attempts_total", lambda _: 0.0, flow="login", method="sms", outcome=outcome
            )
        self.mean(
            "auth",
            "sightline_auth_code_wait_seconds",
            lambda _: draw.uniform(2, 12),
            lambda _: float(draw.random() < 0.1),
            method="sms",
        )

    def _quiet_trading(self) -> None:
        draw = self.random
        sent = "sightline_trading_submissions_total"
        for outcome, rate in (("accepted", 3.0), ("rejected", 0.02), ("unknown", 0.0), ("not_sent", 0.0)):
            self.counter("trading", sent, lambda _, rate=rate: float(draw.poisson(rate)), venue=VENUE, outcome=outcome)
            self.counter(
                "trading",
                "sightline_trading_placements_total",
                lambda _, rate=rate: float(draw.poisson(rate)),
                outcome=outcome,
            )
        self.counter("trading", "sightline_trading_placements_total", lambda _: 0.0, outcome="denied")
        self.counter(
            "trading", "sightline_trading_denials_total", lambda _: float(draw.poisson(0.05)), reason="order_notional"
        )
        self.mean(
            "trading",
            "sightline_trading_submit_duration_seconds",
            lambda _: draw.lognormal(-4.5, 0.4),
            lambda _: draw.poisson(3),
            venue=VENUE,
            outcome="accepted",
        )
        self.mean(
            "trading",
            "sightline_trading_added_latency_seconds",
            lambda _: draw.lognormal(-5.5, 0.3),
            lambda _: draw.poisson(3),
        )
        for metric, value in {
            "unknown_orders": 0.0,
            "venue_ready": 1.0,
            "stream_connected": 1.0,
            "clock_skew_seconds": 0.05,
            "rate_limit_left_calls": 180.0,
            "venue_held": 0.0,
        }.items():
            self.gauge("trading", f"sightline_trading_{metric}", lambda _, value=value: value, venue=VENUE)
        self.gauge("trading", "sightline_trading_stream_age_seconds", lambda _: draw.uniform(0, 12), venue=VENUE)
        self.gauge("trading", "sightline_trading_circuit_state", lambda _: 0.0, venue=VENUE, state="open")
        for symbol in ("AAPL", "MSFT"):
            self.gauge(
                "trading", "sightline_trading_market_data_age_seconds", lambda _: draw.uniform(0, 15), symbol=symbol
            )
            self.gauge("trading", "sightline_trading_market_data_stale", lambda _: 0.0, symbol=symbol)
        self.counter("trading", "sightline_trading_differences_total", lambda _: 0.0, venue=VENUE, kind="position")
        for kind in ("overfill", "late_fill"):
            self.counter("trading", "sightline_trading_incidents_total", lambda _: 0.0, venue=VENUE, kind=kind)

    def _noise(self) -> None:
        """What a quiet hour's log holds too: a reject now and then, a refused request, a slow answer."""
        for step in range(0, STEPS, 25):
            self.line("console", step + 0.3, "request refused: the token has no scope trading:read")
            self.fact(
                "trading",
                step + 0.5,
                "trading.order_rejected",
                f"{VENUE} rejected sl-{step}: insufficient buying power",
                venue=VENUE,
                was="submitting",
                now="rejected",
                reason="insufficient buying power",
            )
        for step in range(0, STEPS, 8):
            self.fact(
                "trading",
                step + 0.1,
                "trading.fill_booked",
                f"buy 10 AAPL at 180.{step:02d} on {VENUE}",
                level="info",
                venue=VENUE,
                execution_id=f"x-{step}",
                symbol="AAPL",
                side="buy",
                quantity="10",
                price="180",
            )
            self.fact(
                "trading",
                step + 0.2,
                "trading.reconciled",
                f"12 orders were compared with {VENUE} in 0.02 s, 0 differed",
                level="info",
                trigger="interval",
            )


def causes(diagnosis: Diagnosis) -> list[str]:
    """The named causes, the best first."""
    return [each.cause.value for each in diagnosis.hypotheses]


def shown(diagnosis: Diagnosis) -> str:
    """The causes with what speaks for them, for a test that fails."""
    said = {each.id: f"{each.signal}: {each.detail[:80]}" for each in diagnosis.evidence}
    rows = [
        f"{each.cause} {each.confidence}: {[said[name] for name in each.evidence_ids]}" for each in diagnosis.hypotheses
    ]
    return "\n".join(rows or said.values())
