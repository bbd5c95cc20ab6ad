"""PromQL written from the catalogue: a metric or a label that does not exist cannot be named.

Every selector is narrowed to the dashboard's variables env and service.
"""

from collections.abc import Mapping, Sequence

from telemetry.catalogue import Kind, Metric

SERVICE = "service_name"
ENV = "env"

# What a target carries through its scrape configuration, whatever the metric.
_TARGET_LABELS = frozenset({SERVICE, ENV, "instance", "job"})
_VARIABLES = {ENV: "$env", SERVICE: "$service"}


def selector(metric: Metric, where: Mapping[str, str] | None = None, *, suffix: str = "") -> str:
    """A series selector.

    Args:
        metric: The family to select from.
        where: Further matchers, label to regular expression.
        suffix: `_bucket`, `_count` or `_sum` of a histogram.

    Raises:
        ValueError: The metric has no such label, or no such series.
    """
    if suffix and metric.kind is not Kind.HISTOGRAM:
        raise ValueError(f"{metric.name} is a {metric.kind}, it has no {suffix} series")
    _require_labels(metric, where or {})
    matchers = _VARIABLES | dict(where or {})
    inner = ", ".join(f'{label}=~"{pattern}"' for label, pattern in sorted(matchers.items()))
    return f"{metric.name}{suffix}{{{inner}}}"


def rate(metric: Metric, by: Sequence[str] = (SERVICE,), where: Mapping[str, str] | None = None) -> str:
    """Increments per second of a counter, or observations per second of a histogram."""
    return _over_time("rate", metric, by, where, "$__rate_interval")


def increase(
    metric: Metric, by: Sequence[str] = (SERVICE,), where: Mapping[str, str] | None = None, window: str = "$__range"
) -> str:
    """Increments of a counter, or observations of a histogram, within a window."""
    return _over_time("increase", metric, by, where, window)


def current(
    metric: Metric, by: Sequence[str] = (SERVICE,), where: Mapping[str, str] | None = None, *, how: str = "max"
) -> str:
    """A gauge now, aggregated by `how` (max, min, sum, count)."""
    _require_kind(metric, Kind.GAUGE)
    _require_labels(metric, by)
    return f"{how} by ({', '.join(by)}) ({selector(metric, where)})"


def age(metric: Metric, by: Sequence[str] = (SERVICE,)) -> str:
    """Seconds since the moment that a gauge holds as Unix time; nothing while it is 0."""
    return f"time() - ({current(metric, by)} > 0)"


def remaining(metric: Metric, by: Sequence[str] = (SERVICE,)) -> str:
    """Seconds until the moment that a gauge holds as Unix time, negative once it is past; nothing while it is 0."""
    return f"({current(metric, by)} > 0) - time()"


def share(metric: Metric, part: Mapping[str, str], by: Sequence[str] = (SERVICE,), window: str = "1h") -> str:
    """Which part of a counter's increments within a window matched `part`, 0 to 1; nothing without increments."""
    # 0 / 0 is NaN, which a panel would draw as a value; no comparison holds for NaN.
    return f"{increase(metric, by, part, window)} / {increase(metric, by, window=window)} >= 0"


def quantile(fraction: float, metric: Metric, by: Sequence[str] = (SERVICE,), *, signed: bool = False) -> str:
    """A quantile of a histogram over the panel's rate interval, in the unit of its buckets; nothing without data.

    Args:
        fraction: From 0 to 1.
        metric: The histogram.
        by: Labels to tell apart.
        signed: Observations may be negative.
    """
    _require_kind(metric, Kind.HISTOGRAM)
    _require_labels(metric, by)
    buckets = selector(metric, suffix="_bucket")
    # Without observations the quantile is NaN, which a panel would draw as a value; no comparison holds for NaN.
    floor = "> -Inf" if signed else ">= 0"
    inner = f"sum by ({', '.join(('le', *by))}) (rate({buckets}[$__rate_interval]))"
    return f"histogram_quantile({fraction}, {inner}) {floor}"


def _over_time(function: str, metric: Metric, by: Sequence[str], where: Mapping[str, str] | None, window: str) -> str:
    if metric.kind is Kind.GAUGE:
        raise ValueError(f"{metric.name} is a gauge: it has a value, not a {function}")
    _require_labels(metric, by)
    series = selector(metric, where, suffix="_count" if metric.kind is Kind.HISTOGRAM else "")
    return f"sum by ({', '.join(by)}) ({function}({series}[{window}]))"


def _require_kind(metric: Metric, kind: Kind) -> None:
    if metric.kind is not kind:
        raise ValueError(f"{metric.name} is a {metric.kind}, not a {kind}")


def _require_labels(metric: Metric, names: Sequence[str] | Mapping[str, str]) -> None:
    known = _TARGET_LABELS | {label.name for label in metric.labels}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ValueError(f"{metric.name} has no label {', '.join(unknown)}; it has {', '.join(sorted(known))}")
