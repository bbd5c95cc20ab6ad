"""Metrics on our dashboards that others emit: Prometheus itself and the client library in every service."""

from telemetry.catalogue import Kind, Label, Metric

UP = Metric("up", Kind.GAUGE, "1 when the last scrape of the target worked, else 0; written by Prometheus.")
ALERTS = Metric(
    "ALERTS",
    Kind.GAUGE,
    "1 for every alert that is pending or firing; written by Prometheus.",
    (
        Label("alertname", None),
        Label("alertstate", ("pending", "firing")),
        Label("severity", ("critical", "warning", "info", "none")),
    ),
)
PROCESS_START_TIME = Metric(
    "process_start_time_seconds", Kind.GAUGE, "Unix time at which the process started; written by the client library."
)
