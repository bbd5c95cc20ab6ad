"""Anomalies and decisions: what is out of the ordinary, is it watched at all, and what was made of it?"""

from telemetry import catalogue
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.panels import Logs, Panel, Stat, Target, Threshold, TimeSeries, Unit
from telemetry.dashboards.promql import current, increase, quantile


def anomalies_decisions() -> Dashboard:
    """The dashboard that every alert about anomalies and diagnoses links to."""
    return Dashboard(
        uid="anomalies-decisions",
        title="Anomalies and decisions",
        description="What is out of the ordinary, whether it would be noticed, and what incidents were traced back to.",
        panels=(*_now(), *_anomalies(), *_detectors(), *_diagnoses(), *_logs()),
    )


def _now() -> tuple[Panel, ...]:
    return (
        Stat(
            title="Out of the ordinary",
            description="Anomalies that are not over, by stage. `sightline anomalies` says what and since when.",
            unit=Unit.NONE,
            targets=(Target(query=current(catalogue.ANOMALIES_OPEN, ("stage",), how="sum"), legend="{{stage}}"),),
            width=12,
            height=5,
            thresholds=(Threshold(value=1, color="yellow"), Threshold(value=5, color="red")),
            empty="agents has not been scraped yet",
        ),
        Stat(
            title="Detectors",
            description=(
                "One for each series that is watched, by what it does. A blind one cannot read its signal; what goes"
                " wrong there is not noticed."
            ),
            unit=Unit.NONE,
            targets=(Target(query=current(catalogue.DETECTORS, ("state",)), legend="{{state}}"),),
            width=8,
            height=5,
            base_color="blue",
            empty="agents has not been scraped yet",
        ),
        Stat(
            title="Behind",
            description="Time since the newest moment that was looked at. The alert DetectorsBehind fires above 3 min.",
            unit=Unit.SECONDS,
            targets=(Target(query=current(catalogue.DETECTORS_BEHIND, ()), legend="behind"),),
            width=4,
            height=5,
            thresholds=(Threshold(value=60, color="yellow"), Threshold(value=180, color="red")),
            empty="agents has not been scraped yet",
        ),
    )


def _anomalies() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Score",
            description=(
                "How far each signal is from what is usual, at the worst of its series. Above 1 it is out of the"
                " ordinary; many that climb together have one cause."
            ),
            unit=Unit.NONE,
            targets=(Target(query=current(catalogue.ANOMALY_SCORE, ("signal",)), legend="{{signal}}"),),
            width=16,
            empty="no signal has been looked at yet",
        ),
        TimeSeries(
            title="Found",
            description="Anomalies found within an hour, by signal. One that leads for days is watched too keenly.",
            unit=Unit.COUNT,
            targets=(Target(query=increase(catalogue.ANOMALIES, ("signal",), window="1h"), legend="{{signal}}"),),
            empty="nothing was out of the ordinary",
        ),
        TimeSeries(
            title="How long they lasted",
            description="Median and 90th percentile of anomalies that are over.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.5, catalogue.ANOMALY_DURATION, ()), legend="p50"),
                Target(query=quantile(0.9, catalogue.ANOMALY_DURATION, ()), legend="p90"),
            ),
            empty="no anomaly ended",
        ),
    )


def _detectors() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Blind signals",
            description="1 while a signal cannot be read. All at once: Prometheus or the store is away.",
            unit=Unit.NONE,
            targets=(Target(query=f"{current(catalogue.DETECTOR_BLIND, ('signal',))} > 0", legend="{{signal}}"),),
            empty="every signal can be read",
        ),
        TimeSeries(
            title="Observations",
            description="Values that detectors were given within five minutes, by signal. None: nothing happens there.",
            unit=Unit.COUNT,
            targets=(
                Target(query=increase(catalogue.DETECTOR_OBSERVATIONS, ("signal",), window="5m"), legend="{{signal}}"),
            ),
            empty="nothing was observed",
        ),
        TimeSeries(
            title="Time of a round",
            description="95th percentile of reading every signal once; and the kinds of log lines that are known.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.95, catalogue.DETECTION_ROUND, ()), legend="p95"),
                Target(query=current(catalogue.LOG_TEMPLATES, ()), legend="kinds of lines", unit=Unit.COUNT),
            ),
            empty="no round was made",
        ),
    )


def _diagnoses() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Causes",
            description=(
                "Incidents within a day by the most probable cause. no_finding is a valid answer; where it leads, the"
                " table of causes lacks something."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(query=f"{increase(catalogue.DIAGNOSES, ('cause',), window='1d')} > 0", legend="{{cause}}"),
            ),
            width=12,
            empty="no incident was diagnosed",
        ),
        TimeSeries(
            title="Confidence",
            description="Median confidence in the best cause. It orders causes; it is no frequency.",
            unit=Unit.RATIO,
            targets=(Target(query=quantile(0.5, catalogue.DIAGNOSIS_CONFIDENCE, ()), legend="p50"),),
            width=6,
            empty="no incident was diagnosed",
        ),
        TimeSeries(
            title="Time of a diagnosis",
            description="95th percentile; and what became of the language model's sentences, within an hour.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.95, catalogue.DIAGNOSIS_DURATION, ()), legend="p95", exemplars=True),
                Target(
                    query=increase(catalogue.DIAGNOSIS_PROSE, ("outcome",), {"outcome": "refused|failed"}, window="1h"),
                    legend="prose {{outcome}}",
                    unit=Unit.COUNT,
                ),
            ),
            width=6,
            empty="no incident was diagnosed",
        ),
    )


def _logs() -> tuple[Panel, ...]:
    return (
        Logs(
            title="Agents' log",
            description="Anomalies and diagnoses as the service tells them. A line's trace_id leads to its trace.",
            unit=Unit.NONE,
            targets=(
                Target(
                    query='{env=~"$env", service_name=~"$service", logger=~"facts[.]agents|services[.]agents.*"}',
                    legend="",
                ),
            ),
            width=24,
            height=9,
            empty="nothing was logged",
        ),
    )
