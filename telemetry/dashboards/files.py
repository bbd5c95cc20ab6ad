"""Dashboards as files: written by the generator, compared by the check."""

import difflib
import json
from pathlib import Path

from telemetry.dashboards.anomalies_decisions import anomalies_decisions
from telemetry.dashboards.auth_flows import auth_flows
from telemetry.dashboards.brokers_failover import brokers_failover
from telemetry.dashboards.content_knowledge import content_knowledge
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.order_state import order_state
from telemetry.dashboards.overview import overview
from telemetry.dashboards.pipelines import pipelines
from telemetry.dashboards.strategies import strategies
from telemetry.dashboards.telemetry_health import telemetry_health

_DIFF_LINES = 40


def dashboards() -> tuple[Dashboard, ...]:
    """Every dashboard of the platform."""
    return (
        anomalies_decisions(),
        auth_flows(),
        brokers_failover(),
        content_knowledge(),
        order_state(),
        overview(),
        pipelines(),
        strategies(),
        telemetry_health(),
    )


def rendered() -> dict[str, str]:
    """Text of every dashboard file by file name; the same bytes at every call."""
    texts = {
        f"{dashboard.uid}.json": json.dumps(dashboard.to_json(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for dashboard in dashboards()
    }
    if len(texts) != len(dashboards()):
        raise ValueError("two dashboards share a uid; every uid names one file and one address")
    return texts


def write(directory: Path) -> list[Path]:
    """Write what differs. Returns the files written."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in rendered().items():
        path = directory / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


def differences(directory: Path) -> list[str]:
    """What `write` would change, and files that no dashboard stands behind; empty when all is as generated."""
    texts = rendered()
    found = [
        f"{path}: no dashboard of this name is generated; delete it or define it in telemetry/dashboards"
        for path in sorted(directory.glob("*.json"))
        if path.name not in texts
    ]
    for name, text in texts.items():
        path = directory / name
        if not path.is_file():
            found.append(f"{path}: missing")
        elif (actual := path.read_text(encoding="utf-8")) != text:
            found.append(_difference(path, actual, text))
    return found


def _difference(path: Path, actual: str, generated: str) -> str:
    lines = list(
        difflib.unified_diff(
            actual.splitlines(), generated.splitlines(), f"{path} (on disk)", f"{path} (generated)", n=2, lineterm=""
        )
    )
    rest = [f"... {len(lines) - _DIFF_LINES} more lines differ"] if len(lines) > _DIFF_LINES else []
    return "\n".join(lines[:_DIFF_LINES] + rest)
