"""What runs and whether it is well, as data."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from services.console.stack import processes
from services.console.stack.layout import HOST, Layout
from services.console.stack.ready import is_ready
from services.console.stack.record import RunRecord, Unit
from services.console.stack.supervisor_client import ProcessState, SupervisorClient

_SPAWNED = re.compile(r"spawned: '([^']+)' with pid")
_SUPERVISOR_STARTED = "supervisord started with pid"
_GRAVE = frozenset({"critical", "warning"})


class ComponentStatus(BaseModel):
    """One component.

    Attributes:
        state: running, starting, backoff, stopped, exited, fatal, or Docker's own word.
        ready: Whether it answers.
        port: The main port on the loopback interface, None when it opens none.
        uptime_seconds: Since its last start; None when it cannot be known.
        restarts: Starts after the first, None when it cannot be known.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    purpose: str = ""
    state: str
    ready: bool
    port: int | None
    uptime_seconds: int | None
    restarts: int | None
    memory_bytes: int


class FiringAlert(BaseModel):
    """An alert that Prometheus fires now."""

    model_config = ConfigDict(frozen=True)

    name: str
    severity: str
    service: str
    summary: str


class PlatformStatus(BaseModel):
    """The whole platform. `alerts` is None when nobody could be asked."""

    model_config = ConfigDict(frozen=True)

    mode: str
    components: tuple[ComponentStatus, ...]
    alerts: tuple[FiringAlert, ...] | None

    @property
    def memory_bytes(self) -> int:
        """Memory of all components."""
        return sum(component.memory_bytes for component in self.components)

    @property
    def is_well(self) -> bool:
        """Every component is ready and no alert of severity critical or warning fires."""
        return (
            bool(self.components)
            and all(component.ready for component in self.components)
            and not any(alert.severity in _GRAVE for alert in self.alerts or ())
        )


def native_status(record: RunRecord, layout: Layout, client: SupervisorClient) -> PlatformStatus:
    """Look at every component of a native run. Raises StackError when the supervisor does not answer."""
    states = client.states()
    with ThreadPoolExecutor(max_workers=len(record.units) or 1) as pool:
        answers = list(pool.map(lambda unit: is_ready(unit.ready), record.units))
    starts = _starts(layout)
    return PlatformStatus(
        mode="native",
        components=tuple(
            _component(unit, states.get(unit.name), answered=answered, starts=starts.get(unit.name, 0))
            for unit, answered in zip(record.units, answers, strict=True)
        ),
        alerts=firing_alerts(record.units),
    )


def firing_alerts(units: Sequence[Unit]) -> tuple[FiringAlert, ...] | None:
    """What Prometheus fires now, the gravest first; None when it does not run or does not answer."""
    port = next((unit.port for unit in units if unit.name == "prometheus"), None)
    return None if port is None else alerts_of(f"http://{HOST}:{port}")


def alerts_of(prometheus_url: str) -> tuple[FiringAlert, ...] | None:
    """What the Prometheus at this base URL fires now; None when it does not answer."""
    try:
        with httpx.Client(trust_env=False, timeout=2.0) as client:
            answer = client.get(f"{prometheus_url}/api/v1/alerts").raise_for_status()
        alerts = _AlertsAnswer.model_validate_json(answer.content).data.alerts
    except (httpx.HTTPError, ValidationError):
        return None
    order = {"critical": 0, "warning": 1, "info": 2}
    firing = [_firing(alert) for alert in alerts if alert.state == "firing"]
    # Severity "none" is the watchdog's: it fires always, to show that alerts get through.
    return tuple(
        sorted(
            (alert for alert in firing if alert.severity != "none"),
            key=lambda alert: (order.get(alert.severity, 9), alert.name, alert.service),
        )
    )


class _Alert(BaseModel):
    labels: dict[str, str]
    annotations: dict[str, str]
    state: str


class _Alerts(BaseModel):
    alerts: list[_Alert]


class _AlertsAnswer(BaseModel):
    data: _Alerts


def _firing(alert: _Alert) -> FiringAlert:
    return FiringAlert(
        name=alert.labels.get("alertname", ""),
        severity=alert.labels.get("severity", ""),
        service=alert.labels.get("service_name", ""),
        summary=alert.annotations.get("summary", ""),
    )


def _component(unit: Unit, state: ProcessState | None, *, answered: bool, starts: int) -> ComponentStatus:
    is_up = state is not None and state.is_up
    ready = is_up and answered
    return ComponentStatus(
        name=unit.name,
        purpose=unit.purpose,
        # For its first seconds the supervisor says "starting" of whatever has not ended.
        state="running" if ready else state.state if state else "unknown",
        ready=ready,
        port=unit.port,
        uptime_seconds=state.uptime_seconds if state and is_up else None,
        restarts=max(0, starts - 1),
        memory_bytes=processes.memory_bytes(state.pid) if state and state.pid else 0,
    )


def _starts(layout: Layout) -> dict[str, int]:
    """How often each component was started since the supervisor was; its interface does not tell, its log does."""
    counts: dict[str, int] = {}
    for backup in ("supervisord.log.1", "supervisord.log"):
        try:
            lines = (layout.log_dir / backup).read_text(errors="replace").splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            if _SUPERVISOR_STARTED in line:
                counts.clear()
            elif match := _SPAWNED.search(line):
                counts[match[1]] = counts.get(match[1], 0) + 1
    return counts
