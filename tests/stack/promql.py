"""What an expression reads, for the tests of rules and dashboards."""

from collections.abc import Iterator

import promql_parser

from telemetry import catalogue
from telemetry.catalogue import Kind


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """Every selector of a PromQL expression; raises when the expression is not valid."""
    return _walk(promql_parser.parse(expression))


def series_names() -> set[str]:
    """Names of all series that the catalogue's metrics have."""
    names = set()
    for metric in catalogue.METRICS:
        suffixes = ("_bucket", "_count", "_sum") if metric.kind is Kind.HISTOGRAM else ("",)
        names |= {metric.name + suffix for suffix in suffixes}
    return names


def metric_of(series: str) -> str:
    """The catalogue's name of the metric that a series belongs to; the series itself when there is none."""
    for metric in catalogue.METRICS:
        if series == metric.name or (metric.kind is Kind.HISTOGRAM and series.rpartition("_")[0] == metric.name):
            return metric.name
    return series


def _walk(node: object) -> Iterator[promql_parser.VectorSelector]:
    if node is None:
        return
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
    else:
        for name in ("expr", "lhs", "rhs", "param"):
            yield from _walk(getattr(node, name, None))
        for argument in getattr(node, "args", None) or ():
            yield from _walk(argument)
