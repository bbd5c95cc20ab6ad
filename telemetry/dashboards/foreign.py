"""Metrics on our dashboards that others emit: Prometheus itself, its recording rules, and the client library."""

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

# Kept by prometheus/rules/objectives.yml.
PLACEMENT_ERRORS = {
    window: Metric(
        f"sightline:trading_placement_errors:ratio_rate{window}",
        Kind.GAUGE,
        f"Share of submits that got no definite answer, over {window}.",
    )
    for window in ("1h", "6h", "3d")
}
ADDED_LATENCY_HIGH = {
    window: Metric(
        f"sightline:trading_added_latency_over_12ms:ratio_rate{window}",
        Kind.GAUGE,
        f"Share of submits to which we added more than 12 ms, over {window}.",
    )
    for window in ("5m", "1h")
}
RECORDED = (*PLACEMENT_ERRORS.values(), *ADDED_LATENCY_HIGH.values())
