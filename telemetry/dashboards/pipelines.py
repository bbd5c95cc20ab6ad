"""Pipelines: what does the platform do by itself, does it end well, and what waits for a person?"""

from telemetry import catalogue
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.panels import Logs, Panel, Stat, Target, Threshold, TimeSeries, Unit
from telemetry.dashboards.promql import age, current, increase, quantile, rate

PIPELINE = catalogue.PIPELINE.name
_NOT_YET = "automation has not been scraped yet"


def pipelines() -> Dashboard:
    """The dashboard that every alert about pipelines and incidents links to."""
    return Dashboard(
        uid="pipelines",
        title="Pipelines",
        description="What the platform does by itself, whether it ends well, and what waits for a person.",
        panels=(*_now(), *_runs(), *_incidents(), *_people(), _log()),
    )


def _now() -> tuple[Panel, ...]:
    return (
        Stat(
            title="Open incidents",
            description="Incidents that are not over, by how they stand; the last tile is the age of the oldest.",
            unit=Unit.COUNT,
            targets=(
                Target(query=current(catalogue.INCIDENTS, ("status",), how="sum"), legend="{{status}}"),
                Target(query=current(catalogue.INCIDENT_OLDEST), legend="oldest", unit=Unit.SECONDS),
            ),
            width=12,
            height=5,
            thresholds=(Threshold(value=1, color="orange"),),
            empty=_NOT_YET,
        ),
        Stat(
            title="Waiting for a person",
            description="Questions that nobody has answered, and how long the oldest has waited. Red: answer it.",
            unit=Unit.COUNT,
            targets=(
                Target(query=current(catalogue.APPROVALS_PENDING), legend="approvals"),
                Target(query=current(catalogue.APPROVALS_OLDEST), legend="oldest", unit=Unit.SECONDS),
            ),
            width=12,
            height=5,
            thresholds=(Threshold(value=1, color="red"),),
            empty=_NOT_YET,
        ),
    )


def _runs() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Runs",
            description="Runs that ended within the hour, by pipeline and how. Failed ones want a look.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.PIPELINE_RUNS, (PIPELINE, "outcome"), window="1h") + " > 0",
                    legend="{{pipeline}} {{outcome}}",
                ),
            ),
            empty="no run ended within the hour",
        ),
        TimeSeries(
            title="Causes",
            description="Runs that began within the hour, by what caused them. Commands are what a person still does.",
            unit=Unit.COUNT,
            targets=(
                Target(query=increase(catalogue.PIPELINE_RUNS_STARTED, ("cause",), window="1h"), legend="{{cause}}"),
            ),
        ),
        TimeSeries(
            title="Run time",
            description="Median and 99th percentile from a cause to its run's end. A dot leads to a run's trace.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.5, catalogue.PIPELINE_DURATION, (PIPELINE,)), legend="{{pipeline}} p50"),
                Target(
                    query=quantile(0.99, catalogue.PIPELINE_DURATION, (PIPELINE,)),
                    legend="{{pipeline}} p99",
                    exemplars=True,
                ),
            ),
            empty="no run ended in this time",
        ),
        TimeSeries(
            title="Open runs",
            description="Runs that have not ended, by how they stand; age of the oldest that asks nobody (right axis).",
            unit=Unit.COUNT,
            targets=(
                Target(query=current(catalogue.PIPELINE_OPEN, ("status",), how="sum"), legend="{{status}}"),
                Target(query=current(catalogue.PIPELINE_OLDEST), legend="oldest", unit=Unit.SECONDS),
            ),
        ),
        TimeSeries(
            title="Failed steps",
            description=(
                "Tries that were followed by another, and steps that failed for good, within five minutes; runs that"
                " lost their target to another within the hour."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.PIPELINE_STEP_RETRIES, ("failure_class",), window="5m") + " > 0",
                    legend="tried again: {{failure_class}}",
                ),
                Target(
                    query=increase(catalogue.PIPELINE_STEP_FAILURES, ("failure_class",), window="5m") + " > 0",
                    legend="failed: {{failure_class}}",
                ),
                Target(
                    query=increase(catalogue.PIPELINE_LEASES_LOST, (PIPELINE,), window="1h") + " > 0",
                    legend="{{pipeline}} lost its lease",
                ),
            ),
            empty="no step failed",
        ),
        TimeSeries(
            title="Last success",
            description=(
                "Time since each pipeline last ended well. Right axis: how late the latest scheduled run began, how"
                " long one has been due, and runs that went on after a crash within the hour."
            ),
            unit=Unit.SECONDS,
            targets=(
                Target(query=age(catalogue.PIPELINE_LAST_SUCCESS, (PIPELINE,)), legend="{{pipeline}}"),
                Target(
                    query=current(catalogue.PIPELINE_SCHEDULE_LAG, (PIPELINE,)) + " > 0",
                    legend="{{pipeline}} late",
                    unit=Unit.SECONDS,
                ),
                Target(
                    query=current(catalogue.PIPELINE_OVERDUE, (PIPELINE,)) + " > 0",
                    legend="{{pipeline}} due",
                    unit=Unit.SECONDS,
                ),
                Target(
                    query=increase(catalogue.PIPELINE_RECOVERIES, (PIPELINE,), window="1h") + " > 0",
                    legend="{{pipeline}} recovered",
                    unit=Unit.COUNT,
                ),
            ),
            empty="nothing has run yet",
        ),
    )


def _incidents() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Incidents",
            description="Incidents opened within the hour by severity, and how they ended.",
            unit=Unit.COUNT,
            targets=(
                Target(query=increase(catalogue.INCIDENTS_OPENED, ("severity",), window="1h"), legend="{{severity}}"),
                Target(query=increase(catalogue.INCIDENTS_ENDED, ("outcome",), window="1h"), legend="{{outcome}}"),
            ),
        ),
        TimeSeries(
            title="Time to detect and repair",
            description="Median time until an incident was noticed, acted upon and over, from its beginning.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.5, catalogue.INCIDENT_DETECTION), legend="detected"),
                Target(query=quantile(0.5, catalogue.INCIDENT_MITIGATION), legend="acted upon"),
                Target(query=quantile(0.5, catalogue.INCIDENT_RESOLUTION), legend="over"),
            ),
            empty="no incident ended in this time",
        ),
        TimeSeries(
            title="Actions",
            description="What the platform did about incidents within the hour, or did not, by outcome.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.INCIDENT_ACTIONS, ("action", "outcome"), window="1h") + " > 0",
                    legend="{{action}} {{outcome}}",
                ),
            ),
            empty="nothing was done",
        ),
    )


def _people() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Approvals and messages",
            description="Questions to a person and messages to people within a day, what became of them, what waits.",
            unit=Unit.COUNT,
            targets=(
                Target(query=increase(catalogue.APPROVALS, ("outcome",), window="1d"), legend="{{outcome}}"),
                Target(
                    query=increase(catalogue.NOTIFICATIONS, ("channel", "outcome"), window="1d"),
                    legend="{{channel}} {{outcome}}",
                ),
                Target(
                    query=current(catalogue.NOTIFICATIONS_WAITING, ("channel",), how="sum"), legend="{{channel}} waits"
                ),
            ),
        ),
        TimeSeries(
            title="Work by hand",
            description="What a person did within a day because no pipeline could: meant to reach zero.",
            unit=Unit.COUNT,
            targets=(
                Target(query=increase(catalogue.MANUAL_INTERVENTIONS, ("kind",), window="1d"), legend="{{kind}}"),
                Target(query=rate(catalogue.PIPELINE_RUNS), legend="runs per second", unit=Unit.PER_SECOND),
            ),
        ),
    )


def _log() -> Panel:
    return Logs(
        title="Pipeline log",
        description="Facts about runs, incidents, approvals and messages to people. A line leads to its trace.",
        unit=Unit.NONE,
        targets=(
            Target(
                query='{env=~"$env", service_name=~"$service"} '
                '| event_type=~"(pipelines|incidents|notifications)[.].*"',
                legend="",
            ),
        ),
        width=24,
        height=9,
        empty="nothing in this time range",
    )
