"""The instruments of one service, built from the catalogue into a registry of its own."""

import itertools
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import generate_latest as classic_text
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics

from telemetry import catalogue
from telemetry.catalogue import Kind, Metric
from telemetry.emit.clock import Clock
from telemetry.emit.metric_children import Counter, Gauge, Histogram
from telemetry.records import Sample

OTHER = "other"
ChildT = TypeVar("ChildT")
_MAX_VALUES_PER_LABEL = 200
# A UUID, a number of four or more digits, a span id, a trace id: none of them is a kind of thing, each is one thing.
_IDENTIFIER = re.compile(
    r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9]{4,}|[0-9a-f]{16}|[0-9a-f]{32}", re.IGNORECASE
)

_log = logging.getLogger("telemetry.metrics")


@dataclass(slots=True)
class _Instrument:
    metric: Metric
    parent: Counter | Gauge | Histogram
    # Admitted values by label, in the catalogue's order; None until the service declares them.
    admitted: dict[str, frozenset[str] | None]


class _Instruments:
    """What the registry collects: our families, without the `_created` twin of each counter and histogram.

    Those double the series of a target, and Prometheus reads a reset off the value itself.
    """

    def __init__(self, parents: Sequence[Counter | Gauge | Histogram]) -> None:
        self._parents = parents

    def collect(self) -> Iterable[Family]:
        for parent in self._parents:
            for family in parent.collect():
                family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
                yield family


class Metrics:
    """Every instrument of the catalogue, for one service.

    `counter`, `gauge` and `histogram` cost one dictionary look-up once a child was asked for; callers on a hot path
    keep the child. Label values are admitted, never free: the catalogue lists them or the service declares them at
    start. Anything else is recorded under "other" and counted, so an id cannot become a series.
    """

    def __init__(self, clock: Clock, metrics: Sequence[Metric] = catalogue.METRICS) -> None:
        self._clock = clock
        self._counters: dict[tuple[object, ...], Counter] = {}
        self._gauges: dict[tuple[object, ...], Gauge] = {}
        self._histograms: dict[tuple[object, ...], Histogram] = {}
        self._before_collecting: list[Callable[[], None]] = []
        self._warned: set[tuple[str, str]] = set()
        self._declaring = threading.Lock()
        self._instruments = {metric.name: _instrument(metric) for metric in metrics}
        self._registry = CollectorRegistry()
        self._registry.register(_Instruments([instrument.parent for instrument in self._instruments.values()]))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        for instrument in self._instruments.values():
            _create_children(instrument)

    def counter(self, metric: Metric, **labels: str) -> Counter:
        """The counter child of `metric` with these label values.

        Raises:
            ValueError: The metric or a label name is not in the catalogue.
            TypeError: The metric is of another kind.
        """
        key = (metric.name, *labels.items())
        found = self._counters.get(key)
        if found is None:
            child, may_be_kept = self._child(metric, labels)
            found = _of_kind(metric, child, Counter)
            if may_be_kept:
                self._counters[key] = found
        return found

    def gauge(self, metric: Metric, **labels: str) -> Gauge:
        """The gauge child of `metric` with these label values; raises as `counter` does."""
        key = (metric.name, *labels.items())
        found = self._gauges.get(key)
        if found is None:
            child, may_be_kept = self._child(metric, labels)
            found = _of_kind(metric, child, Gauge)
            if may_be_kept:
                self._gauges[key] = found
        return found

    def histogram(self, metric: Metric, **labels: str) -> Histogram:
        """The histogram child of `metric` with these label values; raises as `counter` does."""
        key = (metric.name, *labels.items())
        found = self._histograms.get(key)
        if found is None:
            child, may_be_kept = self._child(metric, labels)
            found = _of_kind(metric, child, Histogram)
            if may_be_kept:
                self._histograms[key] = found
        return found

    def declare(self, metric: Metric, label: str, values: Iterable[str], *, create: bool = True) -> None:
        """Admit `values` for a label whose values the catalogue leaves open. Adds to what was declared before.

        Args:
            metric: A metric of the catalogue.
            label: The name of one of its open labels.
            values: Kinds of things (routes, dependencies, consumers), never ids of things.
            create: Create every child that the admitted values span, so that each series exists at 0.

        Raises:
            ValueError: The label is unknown or closed, a value looks like an id, or there would be over 200 values.
        """
        instrument = self._known(metric)
        declared = {entry.name: entry.values for entry in metric.labels}
        if label not in declared or declared[label] is not None:
            raise ValueError(f"{metric.name} has no open label {label!r}: see telemetry/catalogue.py")
        with self._declaring:
            admitted = (instrument.admitted[label] or frozenset()) | frozenset(values)
            _refuse_identifiers(metric, label, admitted)
            instrument.admitted[label] = admitted
        if create:
            _create_children(instrument)

    def before_collecting(self, refresh: Callable[[], None]) -> None:
        """Have `refresh` called before each rendering, for gauges that are read off something else."""
        self._before_collecting.append(refresh)

    def exposition(self, accept_header: str) -> tuple[bytes, str]:
        """The page for a scraper and its content type: OpenMetrics with exemplars if asked for, else classic text.

        Takes about 3 ms for 1,000 lines, so it does not belong on an event loop.
        """
        self._refresh()
        if "application/openmetrics-text" in accept_header:
            # Our names need no escaping; saying so skips a loop over each character of each name (ten times faster).
            page: bytes = openmetrics.generate_latest(  # type: ignore[no-untyped-call]  # the vendor left it untyped
                self._registry, escaping=openmetrics.ALLOWUTF8
            )
            return page, openmetrics.CONTENT_TYPE_LATEST
        page = classic_text(self._registry, escaping=openmetrics.ALLOWUTF8)
        return page, CONTENT_TYPE_PLAIN_0_0_4

    def samples(self) -> list[Sample]:
        """Every sample under the name a scraper would see, all with the time of this call."""
        self._refresh()
        time_ns = self._clock.time_ns()
        return [
            Sample(sample.name, tuple(sorted(sample.labels.items())), sample.value, time_ns)
            for family in self._registry.collect()
            for sample in family.samples
        ]

    def _refresh(self) -> None:
        for refresh in self._before_collecting:
            try:
                refresh()
            except Exception:  # noqa: BLE001 -- one gauge that cannot be read must not take every other series with it
                _log.exception("a gauge could not be refreshed before collecting")

    def _known(self, metric: Metric) -> _Instrument:
        instrument = self._instruments.get(metric.name)
        if instrument is None:
            raise ValueError(f"{metric.name} is not in the catalogue: add it to telemetry/catalogue.py")
        return instrument

    def _child(self, metric: Metric, labels: Mapping[str, str]) -> tuple[Counter | Gauge | Histogram, bool]:
        """The child, and whether it may be cached: a key with an undeclared value may not, or the cache would grow."""
        instrument = self._known(metric)
        if labels.keys() != instrument.admitted.keys():
            raise ValueError(f"{metric.name} takes the labels {list(instrument.admitted)}, not {list(labels)}")
        values = []
        for label, admitted in instrument.admitted.items():
            value = str(labels[label])
            if value != OTHER and (admitted is None or value not in admitted):
                self._undeclared(metric, label)
                value = OTHER
            values.append(value)
        child = instrument.parent.labels(*values) if values else instrument.parent
        return child, values == [labels[label] for label in instrument.admitted]

    def _undeclared(self, metric: Metric, label: str) -> None:
        if catalogue.METRIC_UNDECLARED.name in self._instruments:
            self.counter(catalogue.METRIC_UNDECLARED).inc()
        if (metric.name, label) not in self._warned:
            self._warned.add((metric.name, label))
            # Without the value: it may be the very thing that has no business in telemetry.
            _log.warning("undeclared value for label %s of %s recorded as other; declare it", label, metric.name)


def _instrument(metric: Metric) -> _Instrument:
    names = [label.name for label in metric.labels]
    parent: Counter | Gauge | Histogram
    if metric.kind is Kind.COUNTER:
        parent = Counter(metric.name, metric.help, names, registry=None)
    elif metric.kind is Kind.GAUGE:
        parent = Gauge(metric.name, metric.help, names, registry=None)
    else:
        parent = Histogram(metric.name, metric.help, names, registry=None, buckets=metric.buckets)
    admitted = {label.name: frozenset(label.values) if label.values is not None else None for label in metric.labels}
    return _Instrument(metric, parent, admitted)


def _create_children(instrument: _Instrument) -> None:
    for values in _value_sets(instrument):
        instrument.parent.labels(*values)


def _value_sets(instrument: _Instrument) -> Iterator[tuple[str, ...]]:
    admitted = list(instrument.admitted.values())
    if not admitted or any(values is None for values in admitted):
        return
    yield from itertools.product(*(sorted(values) for values in admitted if values is not None))


def _refuse_identifiers(metric: Metric, label: str, values: frozenset[str]) -> None:
    if len(values) > _MAX_VALUES_PER_LABEL:
        raise ValueError(
            f"{metric.name}: {len(values)} values for label {label!r}, more than {_MAX_VALUES_PER_LABEL}; "
            "a label holds kinds of things, ids belong in log lines and spans"
        )
    for value in values:
        if not value or _IDENTIFIER.fullmatch(value):
            raise ValueError(f"{metric.name}: label {label!r} cannot hold {value!r}: it is empty or looks like an id")


def _of_kind(metric: Metric, child: object, kind: type[ChildT]) -> ChildT:
    if not isinstance(child, kind):
        raise TypeError(f"{metric.name} is a {metric.kind}, not a {kind.__name__.lower()}")
    return child
