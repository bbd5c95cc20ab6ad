"""A dashboard: panels in reading order, the variables env and service, alerts and restarts as annotations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from telemetry.dashboards import foreign
from telemetry.dashboards.panels import COLUMNS, PROMETHEUS, Panel
from telemetry.dashboards.promql import selector

# Grafana 11's; later versions migrate it by themselves, and none of the panels we use changed since.
SCHEMA_VERSION = 41


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One dashboard.

    Attributes:
        uid: Stands in the address and in alert links; never changed. Also the file's name.
        title: As listed in Grafana.
        description: Which question it answers.
        panels: In reading order; they fill rows of 24 columns from the left.
    """

    uid: str
    title: str
    description: str
    panels: Sequence[Panel]

    def to_json(self) -> dict[str, Any]:
        """Classic dashboard JSON, free of anything that changes from one run to the next."""
        return {
            "annotations": {"list": _annotations()},
            "description": self.description,
            "editable": False,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "id": None,
            "links": _links(),
            "panels": _place(self.panels),
            "refresh": "15s",
            "schemaVersion": SCHEMA_VERSION,
            "tags": ["sightline"],
            "templating": {"list": [_variable("env", "up"), _variable("service", 'up{env=~"$env"}', "service_name")]},
            "time": {"from": "now-1h", "to": "now"},
            "timepicker": {},
            "timezone": "utc",
            "title": self.title,
            "uid": self.uid,
            "version": 1,
        }


def _place(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    placed: list[dict[str, Any]] = []
    x = y = row_height = 0
    for panel_id, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        placed.append(panel.to_json(panel_id, x, y))
        x, row_height = x + panel.width, max(row_height, panel.height)
    return placed


def _variable(name: str, series: str, label: str = "") -> dict[str, Any]:
    query = f"label_values({series}, {label or name})"
    return {
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": PROMETHEUS,
        "definition": query,
        "hide": 0,
        "includeAll": True,
        "label": name.capitalize(),
        "multi": True,
        "name": name,
        "options": [],
        "query": {"qryType": 1, "query": query, "refId": "variable"},
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def _annotations() -> list[dict[str, Any]]:
    firing = selector(foreign.ALERTS, {"alertstate": "firing", "severity": "critical|warning"})
    restarts = f"changes({selector(foreign.PROCESS_START_TIME)}[1m]) > 0"
    return [
        _annotation("Alerts", "red", firing, "{{alertname}}", "{{service_name}}"),
        _annotation("Restarts", "blue", restarts, "Restart", "{{service_name}}"),
    ]


def _annotation(name: str, color: str, expression: str, title: str, text: str) -> dict[str, Any]:
    return {
        "datasource": PROMETHEUS,
        "enable": True,
        "expr": expression,
        "hide": False,
        "iconColor": color,
        "name": name,
        "step": "30s",
        "textFormat": text,
        "titleFormat": title,
        "useValueForTime": False,
    }


def _links() -> list[dict[str, Any]]:
    others = {"asDropdown": True, "includeVars": True, "keepTime": True, "tags": ["sightline"], "title": "Dashboards"}
    alerts = {
        "title": "Firing alerts",
        "tooltip": "Alertmanager's view",
        "url": "/alerting/groups?alertmanager=Alertmanager",
    }
    common = {"icon": "external link", "targetBlank": False}
    return [common | {"type": "dashboards"} | others, common | {"type": "link"} | alerts]
