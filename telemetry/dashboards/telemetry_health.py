"""Telemetry health: does every service run, answer and get its telemetry and its facts out?"""

from telemetry import catalogue
from telemetry.dashboards import foreign
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.panels import Logs, Panel, Stat, Target, Threshold, TimeSeries, Unit
from telemetry.dashboards.promql import SERVICE, age, current, increase, quantile, rate


def telemetry_health() -> Dashboard:
    """The dashboard that every chassis alert links to."""
    return Dashboard(
        uid="telemetry-health",
        title="Telemetry health",
        description="Whether every service runs, answers, and gets its telemetry and its facts out.",
        panels=(*_overview(), *_requests(), *_telemetry(), *_events(), _errors()),
    )


def _overview() -> tuple[Panel, ...]:
    return (
        Stat(
            title="Running",
            description="Every scraped program: up or down at its last scrape. The second line names its version.",
            unit=Unit.NONE,
            targets=(
                Target(query=current(foreign.UP, how="min"), legend="{{service_name}}"),
                Target(
                    query=current(catalogue.BUILD_INFO, (SERVICE, "version")), legend="{{service_name}} {{version}}"
                ),
            ),
            width=12,
            height=5,
            base_color="red",
            thresholds=(Threshold(value=1, color="green"),),
            texts={0: "down", 1: "up"},
            empty="Prometheus scrapes nothing",
        ),
        Stat(
            title="Alerts",
            description=(
                "Alerts firing as automation knows them, notifications it took in during the time range, and how long "
                "ago the watchdog was heard: more than a few minutes means that alerts do not arrive."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(query=current(catalogue.ALERTS_FIRING, ("severity",), how="sum"), legend="firing: {{severity}}"),
                Target(query=increase(catalogue.ALERTS_RECEIVED, ("status",)), legend="received: {{status}}"),
                Target(query=age(catalogue.WATCHDOG_LAST_SEEN), legend="watchdog heard", unit=Unit.SECONDS),
            ),
            width=12,
            height=5,
            base_color="text",
            empty="automation has not been scraped yet",
        ),
    )


def _requests() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Requests",
            description="Requests answered, by class of status, and requests being served (right axis).",
            unit=Unit.REQUESTS_PER_SECOND,
            targets=(
                Target(
                    query=rate(catalogue.HTTP_REQUEST_DURATION, (SERVICE, "status_class")),
                    legend="{{service_name}} {{status_class}}",
                ),
                Target(
                    query=current(catalogue.HTTP_REQUESTS_IN_FLIGHT),
                    legend="{{service_name}} in flight",
                    unit=Unit.COUNT,
                ),
            ),
        ),
        TimeSeries(
            title="Request time",
            description="Median and 99th percentile. A dot is a request whose trace was kept: click it for the trace.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.5, catalogue.HTTP_REQUEST_DURATION), legend="{{service_name}} p50"),
                Target(
                    query=quantile(0.99, catalogue.HTTP_REQUEST_DURATION), legend="{{service_name}} p99", exemplars=True
                ),
            ),
        ),
        TimeSeries(
            title="Refusals",
            description="Requests turned away before a handler ran, by reason, and calls that met a rate limit.",
            unit=Unit.REQUESTS_PER_SECOND,
            targets=(
                Target(
                    query=rate(catalogue.REQUEST_REFUSALS, (SERVICE, "reason")) + " > 0",
                    legend="{{service_name}} {{reason}}",
                ),
                Target(
                    query=rate(catalogue.RATE_LIMIT_HITS, (SERVICE, "limit"), {"outcome": "limited"}) + " > 0",
                    legend="{{service_name}} limit {{limit}}",
                ),
            ),
            empty="no request was refused",
        ),
        TimeSeries(
            title="Outgoing calls",
            description="99th percentile of calls to each dependency, and those that did not end in 2xx (right axis).",
            unit=Unit.SECONDS,
            targets=(
                Target(
                    query=quantile(0.99, catalogue.HTTP_CLIENT_DURATION, (SERVICE, "dependency")),
                    legend="{{service_name}} to {{dependency}}",
                    exemplars=True,
                ),
                Target(
                    query=rate(
                        catalogue.HTTP_CLIENT_DURATION,
                        (SERVICE, "dependency", "outcome"),
                        {"outcome": "[345]xx|timeout|connect_error|error"},
                    )
                    + " > 0",
                    legend="{{service_name}} to {{dependency}}: {{outcome}}",
                    unit=Unit.REQUESTS_PER_SECOND,
                ),
            ),
            empty="no service called another",
        ),
        Stat(
            title="Dependencies",
            description="What each service needs, as its own readiness check sees it.",
            unit=Unit.NONE,
            targets=(
                Target(
                    query=current(catalogue.DEPENDENCY_READY, (SERVICE, "dependency"), how="min"),
                    legend="{{service_name}}: {{dependency}}",
                ),
            ),
            base_color="red",
            thresholds=(Threshold(value=1, color="green"),),
            texts={0: "away", 1: "ready"},
        ),
    )


def _telemetry() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Log lines and spans",
            description="Accepted into the queue, and confirmed by a sink: the two lines of a signal should be one.",
            unit=Unit.PER_SECOND,
            targets=(
                Target(
                    query=rate(catalogue.TELEMETRY_ACCEPTED, (SERVICE, "signal")),
                    legend="{{service_name}} {{signal}} accepted",
                ),
                Target(
                    query=rate(catalogue.TELEMETRY_DELIVERED, (SERVICE, "signal", "sink")),
                    legend="{{service_name}} {{signal}} by {{sink}}",
                ),
            ),
        ),
        TimeSeries(
            title="Waiting for a sink",
            description="Items in memory, and bytes on disk (right axis) while a sink is away. The disk holds 64 MiB.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=current(catalogue.TELEMETRY_QUEUE_LENGTH, (SERVICE, "signal")),
                    legend="{{service_name}} {{signal}}",
                ),
                Target(
                    query=current(catalogue.TELEMETRY_SPOOL_SIZE), legend="{{service_name}} on disk", unit=Unit.BYTES
                ),
            ),
        ),
        TimeSeries(
            title="Lost, spooled, replayed",
            description="Lost is lost for good. Spooled lines come back as replayed once the sink does.",
            unit=Unit.PER_SECOND,
            targets=(
                Target(
                    query=rate(catalogue.TELEMETRY_DROPPED, (SERVICE, "signal", "reason")) + " > 0",
                    legend="{{service_name}} {{signal}} lost: {{reason}}",
                ),
                Target(query=rate(catalogue.TELEMETRY_SPOOLED), legend="{{service_name}} spooled"),
                Target(query=rate(catalogue.TELEMETRY_REPLAYED), legend="{{service_name}} replayed"),
            ),
        ),
    )


def _events() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Facts",
            description="Recorded with their state change, published on the bus, and handled by consumers.",
            unit=Unit.PER_SECOND,
            targets=(
                Target(query=rate(catalogue.EVENTS_RECORDED), legend="{{service_name}} recorded"),
                Target(query=rate(catalogue.EVENTS_PUBLISHED), legend="{{service_name}} published"),
                Target(
                    query=rate(catalogue.EVENTS_CONSUMED, (SERVICE, "consumer", "outcome")),
                    legend="{{service_name}} {{consumer}} {{outcome}}",
                ),
            ),
        ),
        TimeSeries(
            title="Time to be handled",
            description="95th percentile from the fact to the start of its handling, and of the handling itself.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.95, catalogue.EVENT_LAG, (SERVICE, "consumer")), legend="{{consumer}} waits"),
                Target(
                    query=quantile(0.95, catalogue.EVENT_HANDLING_DURATION, (SERVICE, "consumer")),
                    legend="{{consumer}} handles",
                ),
            ),
            width=12,
            empty="no fact was handled",
        ),
        TimeSeries(
            title="Facts that wait",
            description="In the outbox, given up by a consumer, and the age of the oldest in the outbox (right axis).",
            unit=Unit.COUNT,
            targets=(
                Target(query=current(catalogue.OUTBOX_PENDING), legend="{{service_name}} outbox"),
                Target(
                    query=current(catalogue.DEAD_LETTERS, (SERVICE, "consumer")),
                    legend="{{service_name}} {{consumer}} dead letters",
                ),
                Target(query=current(catalogue.OUTBOX_OLDEST), legend="{{service_name}} oldest", unit=Unit.SECONDS),
            ),
            width=12,
        ),
    )


def _errors() -> Panel:
    return Logs(
        title="Errors",
        description="Error lines of the chosen services. Open a line and follow its trace_id to the trace.",
        unit=Unit.NONE,
        targets=(Target(query='{env=~"$env", service_name=~"$service", level=~"error|critical"}', legend=""),),
        width=24,
        height=9,
        empty="no error was logged",
    )
