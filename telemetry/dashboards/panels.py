"""Panels in the words of an author, and what Grafana calls them (classic dashboard JSON)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

PROMETHEUS: Final = {"type": "prometheus", "uid": "prometheus"}
LOKI: Final = {"type": "loki", "uid": "loki"}
TEMPO: Final = {"type": "tempo", "uid": "tempo"}

COLUMNS = 24


class Unit(StrEnum):
    """Grafana's ids of the units we use."""

    SECONDS = "s"
    BYTES = "bytes"
    RATIO = "percentunit"
    PER_SECOND = "cps"
    REQUESTS_PER_SECOND = "reqps"
    DOLLARS = "currencyUSD"
    BASIS_POINTS = "suffix: bp"
    COUNT = "short"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One query of a panel.

    Attributes:
        query: PromQL (see `promql`), or LogQL in a `Logs` panel.
        legend: Grafana's legend template, `{{label}}` for a label's value.
        unit: Where it differs from its panel's; the query then gets the axis on the right.
        exemplars: Show exemplars: each leads to its trace.
    """

    query: str
    legend: str
    unit: Unit | None = None
    exemplars: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """From this value on, in the panel's unit, a value is drawn in the colour."""

    value: float
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel(ABC):
    """What every panel has.

    Attributes:
        title: A noun phrase, unique on its dashboard.
        description: What it shows and what a bad picture means; shown at the panel's "i".
        unit: Of its values.
        targets: Its queries, at most 26.
        width: Columns of 24.
        height: Grid rows of about 30 pixels.
        empty: What stands there when the query returns nothing, and why that is all right.
    """

    title: str
    description: str
    unit: Unit
    targets: Sequence[Target]
    width: int = 8
    height: int = 8
    empty: str = "nothing in this time range"

    @abstractmethod
    def body(self) -> dict[str, Any]:
        """The part of the JSON that depends on the kind of panel."""

    def to_json(self, panel_id: int, x: int, y: int) -> dict[str, Any]:
        """The panel at a place of the grid."""
        return {
            "id": panel_id,
            "title": self.title,
            "description": self.description,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "links": [],
            "transparent": False,
        } | self.body()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeries(Panel):
    """Lines over time.

    Attributes:
        signed: Values fall below zero; otherwise every axis begins there.
    """

    signed: bool = False

    def body(self) -> dict[str, Any]:
        defaults = {
            "color": {"mode": "palette-classic"},
            "custom": {
                "drawStyle": "line",
                "fillOpacity": 8,
                "lineWidth": 1,
                "showPoints": "never",
                "spanNulls": False,
            },
            **({} if self.signed else {"min": 0}),
            "noValue": self.empty,
            "unit": self.unit,
        }
        overrides = [
            _override(ref_id, {"unit": target.unit, "custom.axisPlacement": "right"})
            for ref_id, target in _with_ids(self.targets)
            if target.unit is not None
        ]
        return {
            "type": "timeseries",
            "datasource": PROMETHEUS,
            "fieldConfig": {"defaults": defaults, "overrides": overrides},
            "options": {
                "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            },
            "targets": [
                _prometheus_target(ref_id, target, instant=False) for ref_id, target in _with_ids(self.targets)
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat(Panel):
    """The value now, one tile per series, coloured by thresholds.

    Attributes:
        base_color: Colour below the first threshold.
        thresholds: In rising order.
        texts: Words for single values, such as 1 -> up.
    """

    base_color: str = "green"
    thresholds: Sequence[Threshold] = ()
    texts: Mapping[int, str] | None = None

    def body(self) -> dict[str, Any]:
        steps = [{"color": self.base_color, "value": None}] + [
            {"color": threshold.color, "value": threshold.value} for threshold in self.thresholds
        ]
        mappings = [
            {"type": "value", "options": {str(value): {"index": index, "text": text}}}
            for index, (value, text) in enumerate((self.texts or {}).items())
        ]
        defaults = {
            "color": {"mode": "thresholds"},
            "mappings": mappings,
            "noValue": self.empty,
            "thresholds": {"mode": "absolute", "steps": steps},
            "unit": self.unit,
        }
        overrides = [
            _override(ref_id, {"unit": target.unit})
            for ref_id, target in _with_ids(self.targets)
            if target.unit is not None
        ]
        return {
            "type": "stat",
            "datasource": PROMETHEUS,
            "fieldConfig": {"defaults": defaults, "overrides": overrides},
            "options": {
                "colorMode": "background",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "textMode": "value_and_name",
            },
            "targets": [_prometheus_target(ref_id, target, instant=True) for ref_id, target in _with_ids(self.targets)],
        }


class Logs(Panel):
    """Log lines, newest first; a line's trace_id leads to its trace."""

    __slots__ = ()

    def body(self) -> dict[str, Any]:
        return {
            "type": "logs",
            "datasource": LOKI,
            "fieldConfig": {"defaults": {"noValue": self.empty}, "overrides": []},
            "options": {
                "dedupStrategy": "none",
                "enableLogDetails": True,
                "prettifyLogMessage": False,
                "showCommonLabels": False,
                "showLabels": False,
                "showTime": True,
                "sortOrder": "Descending",
                "wrapLogMessage": True,
            },
            "targets": [
                {
                    "datasource": LOKI,
                    "editorMode": "code",
                    "expr": target.query,
                    "maxLines": 200,
                    "queryType": "range",
                    "refId": ref_id,
                }
                for ref_id, target in _with_ids(self.targets)
            ],
        }


class ServiceMap(Panel):
    """Which service calls which, drawn from the service graph that Tempo derives from traces; it asks no query."""

    __slots__ = ()

    def body(self) -> dict[str, Any]:
        return {
            "type": "nodeGraph",
            "datasource": TEMPO,
            "fieldConfig": {"defaults": {"noValue": self.empty, "unit": self.unit}, "overrides": []},
            "options": {"nodes": {}, "edges": {}},
            "targets": [{"datasource": TEMPO, "queryType": "serviceMap", "refId": "A"}],
        }


def _with_ids(targets: Sequence[Target]) -> list[tuple[str, Target]]:
    return [(chr(ord("A") + index), target) for index, target in enumerate(targets)]


def _prometheus_target(ref_id: str, target: Target, *, instant: bool) -> dict[str, Any]:
    return {
        "datasource": PROMETHEUS,
        "editorMode": "code",
        "exemplar": target.exemplars,
        "expr": target.query,
        "instant": instant,
        "legendFormat": target.legend,
        "range": not instant,
        "refId": ref_id,
    }


def _override(ref_id: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "matcher": {"id": "byFrameRefID", "options": ref_id},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }
