"""The one table from event type to log line and metrics."""

import logging
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Literal

from services.contracts.events import Event
from services.kit.errors import StartError
from telemetry.catalogue import EVENTS_PUBLISHED, EVENTS_RECORDED, Kind, Metric
from telemetry.emit.metrics import Metrics

Level = Literal["debug", "info", "warning", "error", "critical"]
_LEVELS: Mapping[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


class InstrumentError(StartError):
    """The table of instruments contradicts the events or the catalogue, or lacks a row."""

    code = "instruments_invalid"
    title = "The table of instruments is not right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How an event changes one metric.

    Attributes:
        metric: Of the catalogue.
        labels: From the metric's label to the event's field that holds its value; "none" stands for an empty one.
        fixed: Values of the labels that are the same for every event of this type.
        value: A number, or the event's field that holds it (numbers; times count as Unix seconds, durations as
            seconds, in the metric's unit). Added to a counter, set on a gauge, observed by a histogram. Where the
            field is None there is nothing to measure.
    """

    metric: Metric
    labels: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    value: float | str = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """Texts of a log line for an event of which there are two kinds.

    Attributes:
        field: The event's field that is true for one kind and false for the other.
        true, false: The text for each.
    """

    field: str
    true: str
    false: str

    def of(self, event: Event) -> str:
        """The text for an event."""
        return self.true if getattr(event, self.field) else self.false


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What is logged and measured when an event was committed.

    Attributes:
        event: The event's class.
        level: Level of the log line.
        message: Text of the log line; `{name}` stands for the event's field of that name. One for both cases, or
            `Either` for two.
        fields: The event's fields that go along as searchable fields of the log line.
        counters: Counters to raise.
        gauges: Gauges to set.
        histograms: Histograms that observe.
    """

    event: type[Event]
    level: Level
    message: str | Either
    fields: tuple[str, ...] = ()
    counters: tuple[Measure, ...] = ()
    gauges: tuple[Measure, ...] = ()
    histograms: tuple[Measure, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """One change of one metric, computed and not yet applied."""

    metric: Metric
    labels: Mapping[str, str]
    value: float

    def apply(self, metrics: Metrics, exemplar: dict[str, str] | None = None) -> None:
        match self.metric.kind:
            case Kind.COUNTER:
                metrics.counter(self.metric, **self.labels).inc(self.value, exemplar)
            case Kind.GAUGE:
                metrics.gauge(self.metric, **self.labels).set(self.value)
            case Kind.HISTOGRAM:
                metrics.histogram(self.metric, **self.labels).observe(self.value, exemplar)


@dataclass(frozen=True, slots=True)
class Statement:
    """What telemetry will say of an event once it is committed."""

    level: int
    message: str
    fields: Mapping[str, str]
    observations: tuple[Observation, ...]


class Instruments:
    """The table, checked when it is made.

    Args:
        table: One row for each event type.
        stated: Every event type that the service states; one without a row is refused here, at start.

    Raises:
        InstrumentError: A row is missing, double, or names a field, label or kind that does not exist.
    """

    def __init__(self, table: Sequence[Instrument], *, stated: Iterable[type[Event]] = ()) -> None:
        self._rows: dict[str, Instrument] = {}
        self._named: dict[str, tuple[str, ...]] = {}  # the fields that a row's line and labels are made of
        for row in table:
            if row.event.event_type in self._rows:
                raise InstrumentError(f"{row.event.event_type} has two rows in the table of instruments. Keep one.")
            _check(row)
            self._rows[row.event.event_type] = row
            self._named[row.event.event_type] = tuple(sorted(_in_words(row)))
        self.require(stated)

    @property
    def event_types(self) -> tuple[str, ...]:
        """Every event type that has a row."""
        return tuple(self._rows)

    def require(self, events: Iterable[type[Event]]) -> None:
        """Make sure that each of `events` has a row.

        Raises:
            InstrumentError: One has none.
        """
        missing = sorted(event.event_type for event in events if event.event_type not in self._rows)
        if missing:
            raise _no_rows(missing)

    def declare(self, metrics: Metrics) -> None:
        """Make the event types known to the metrics that carry them as a label."""
        for metric in (EVENTS_RECORDED, EVENTS_PUBLISHED):
            metrics.declare(metric, "event_type", self._rows)

    def statement(self, event: Event) -> Statement:
        """Work out what to log and to measure.

        Raises:
            InstrumentError: The event's type has no row.
        """
        row = self._rows.get(event.event_type)
        if row is None:
            raise _no_rows([event.event_type])
        values = {name: _as_text(getattr(event, name)) for name in self._named[event.event_type]}
        measures = (*row.counters, *row.gauges, *row.histograms)
        return Statement(
            level=_LEVELS[row.level],
            message=(row.message if isinstance(row.message, str) else row.message.of(event)).format_map(values),
            fields={"subject": event.subject, **{name: values[name] for name in row.fields}},
            observations=(
                Observation(EVENTS_RECORDED, {"event_type": event.event_type}, 1.0),
                *(_observation(measure, event, values) for measure in measures if _has_value(measure, event)),
            ),
        )


def _no_rows(event_types: Sequence[str]) -> InstrumentError:
    return InstrumentError(f"No row in the table of instruments for {', '.join(event_types)}. Add one for each.")


def _has_value(measure: Measure, event: Event) -> bool:
    return not isinstance(measure.value, str) or getattr(event, measure.value) is not None


def _observation(measure: Measure, event: Event, values: Mapping[str, str]) -> Observation:
    # Prometheus takes an empty label for one that is absent.
    labels = {label: values[name] or "none" for label, name in measure.labels.items()} | dict(measure.fixed)
    value = _as_number(getattr(event, measure.value)) if isinstance(measure.value, str) else measure.value
    return Observation(measure.metric, labels, value)


def _as_text(value: object) -> str:
    if type(value) is str:  # as most are
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # A measurement: more digits are noise, and who reads the log has to skip them. Nothing is below 0 and yet 0.
        return f"{value + 0.0:.6g}"
    if isinstance(value, tuple):
        return ", ".join(_as_text(item) for item in value)
    return "" if value is None else str(value.value if isinstance(value, Enum) else value)


def _as_number(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, int | float | Decimal):
        return float(value)
    if hasattr(value, "total_seconds"):
        return float(value.total_seconds())
    raise InstrumentError(f"{type(value).__name__} is no number, time or duration, so no metric can take it.")


def _in_words(row: Instrument) -> set[str]:
    """The event's fields that are told as text."""
    told = set(_named_in(row.message))
    labels = {name for each in (*row.counters, *row.gauges, *row.histograms) for name in each.labels.values()}
    return told | set(row.fields) | labels


def _named_in(message: str | Either) -> Iterator[str]:
    if isinstance(message, Either):
        yield message.field
        yield from (*_named_in(message.true), *_named_in(message.false))
    else:
        yield from (name for _, name, _, _ in string.Formatter().parse(message) if name is not None)


def _check(row: Instrument) -> None:
    known = set(row.event.model_fields)
    wanted = _in_words(row)
    for kind, measures in ((Kind.COUNTER, row.counters), (Kind.GAUGE, row.gauges), (Kind.HISTOGRAM, row.histograms)):
        for measure in measures:
            _check_measure(row, measure, kind)
            if isinstance(measure.value, str):
                wanted.add(measure.value)
    unknown = sorted(wanted - known)
    if unknown:
        raise InstrumentError(
            f"The row of {row.event.event_type} names {', '.join(map(repr, unknown))}, which the event does not have."
            f" It has {', '.join(sorted(known))}."
        )


def _check_measure(row: Instrument, measure: Measure, kind: Kind) -> None:
    metric = measure.metric
    if metric.kind is not kind:
        raise InstrumentError(
            f"The row of {row.event.event_type} lists {metric.name} as a {kind}; it is a {metric.kind}."
        )
    expected = sorted(label.name for label in metric.labels)
    given = sorted([*measure.labels, *measure.fixed])
    if given != expected:
        raise InstrumentError(
            f"The row of {row.event.event_type} must set the labels {expected} of {metric.name}, not {given}."
        )
    for label in metric.labels:
        value = measure.fixed.get(label.name)
        if value is not None and label.values is not None and value not in label.values:
            raise InstrumentError(
                f"The row of {row.event.event_type} fixes {label.name} of {metric.name} to {value!r}, which the"
                f" catalogue does not list. It lists {', '.join(label.values)}."
            )
