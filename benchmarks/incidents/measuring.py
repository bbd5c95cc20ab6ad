"""Runs one case and measures what the platform makes of it."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from benchmarks.incidents.cases import Case, calm
from benchmarks.incidents.house import CallFailedError, House
from services.agents.analyst.causes import load_causes

LOOK_SECONDS: Final = 2.0
LONGEST_SECONDS: Final = 180.0
EVIDENCE_SECONDS: Final = 45.0  # from detection to the diagnosis that counts
MITIGATION_SECONDS: Final = 120.0
CALM_SECONDS: Final = 240.0
_INCIDENT_WORDS: Final = ("resolved", "written_up")


@dataclass
class Outcome:
    """What became of one case.

    Attributes:
        detected_seconds: From the injection to the first anomaly or alert; None if nothing was noticed.
        detected_by: Its name.
        causes: The analyst's, best first.
        threshold_causes: What the first alert alone would have pointed to.
        mitigated_seconds: From the injection until the state check held, or an incident of the platform was resolved.
        escalated: A person was told by an incident that the platform gave up.
        document: A postmortem was written.
        findings: Anomalies and alerts that began in it: for controls, the false ones.
    """

    case: Case
    seed: int
    detected_seconds: float | None = None
    detected_by: str = ""
    causes: tuple[str, ...] = ()
    confidence: float = 0.0
    threshold_causes: tuple[str, ...] = ()
    mitigated_seconds: float | None = None
    escalated: bool = False
    document: bool = False
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run_case(running: House, case: Case, seed: int) -> Outcome:
    """Bring a case about, watch, take it back, and wait until all is calm. Raises `TimeoutError` if it never is."""
    if case.inject is None:
        raise ValueError(f"{case.name} cannot be brought about: {case.missing}")
    outcome = Outcome(case, seed)
    random = np.random.default_rng(seed)
    began, known = datetime.now(UTC), _seen(running, datetime.now(UTC) - timedelta(hours=1))
    started = time.monotonic()
    with case.inject(running, random):
        injected_at = began if case.name != "strategy_decay" else datetime.now(UTC)
        started = time.monotonic() if case.name == "strategy_decay" else started
        _detect(running, outcome, started, set(known))
        if outcome.detected_seconds is not None or not case.causes:
            _diagnose(running, outcome, injected_at)
            _mitigate(running, outcome, started)
    outcome.seconds = time.monotonic() - started
    outcome.findings = sorted(set(_seen(running, began)) - set(known))
    _wait_calm(running)
    return outcome


def _detect(running: House, outcome: Outcome, started: float, known: set[str]) -> None:
    limit = LONGEST_SECONDS if outcome.case.causes else LONGEST_SECONDS / 2
    while time.monotonic() - started < limit:
        new = [
            name for name in _seen(running, datetime.now(UTC) - timedelta(seconds=LONGEST_SECONDS)) if name not in known
        ]
        if new and outcome.detected_seconds is None:
            outcome.detected_seconds, outcome.detected_by = time.monotonic() - started, new[0]
            if outcome.case.causes:
                return
        time.sleep(LOOK_SECONDS)


def _diagnose(running: House, outcome: Outcome, injected_at: datetime) -> None:
    if outcome.case.causes:
        time.sleep(EVIDENCE_SECONDS)
    seen_at = injected_at + timedelta(seconds=outcome.detected_seconds or 0.0)
    request = {
        "incident_id": f"bench-{outcome.case.name}-{outcome.seed}",
        "started_at": seen_at.isoformat(),
        "window_seconds": max(60.0, (seen_at - injected_at).total_seconds() + 30.0),
    }
    found = running.call("agents", "POST", "/diagnoses", request)["hypotheses"]
    outcome.causes = tuple(each["cause"] for each in found)
    outcome.confidence = found[0]["confidence"] if found else 0.0
    outcome.threshold_causes = _by_alert(running, injected_at)


def _mitigate(running: House, outcome: Outcome, started: float) -> None:
    if not outcome.case.causes:
        return
    deadline = time.monotonic() + MITIGATION_SECONDS
    while time.monotonic() < deadline:
        incidents = _incidents(running, started)
        outcome.escalated = any(each.get("status") == "escalated" for each in incidents)
        outcome.document = outcome.document or any(each.get("document_id") for each in incidents)
        resolved = any(each.get("status") in _INCIDENT_WORDS for each in incidents)
        try:
            handled = outcome.case.handled(running)
        except CallFailedError:
            handled = False
        if outcome.mitigated_seconds is None and (resolved or handled):
            outcome.mitigated_seconds = time.monotonic() - started
        if outcome.mitigated_seconds is not None or outcome.escalated:
            return
        time.sleep(LOOK_SECONDS)


def _seen(running: House, since: datetime) -> list[str]:
    """Anomalies and alerts that began after a moment, the earliest first."""
    found: list[tuple[str, str]] = []
    with suppress(CallFailedError):
        told = running.call("agents", "GET", "/anomalies?limit=1000")["anomalies"]
        found = [(each["found_at"], f"{each['signal']}#{each['anomaly_id'][-6:]}") for each in told]
    found += [(each["starts_at"], f"{each['name']}#{each['starts_at'][11:19]}") for each in _alerts(running)]
    return [name for at, name in sorted(found) if datetime.fromisoformat(at) >= since]


def _alerts(running: House) -> list[dict[str, Any]]:
    try:
        told: list[dict[str, Any]] = running.call("automation", "GET", "/alerts?limit=1000")["alerts"]
    except CallFailedError:
        return []
    return told


def _by_alert(running: House, since: datetime) -> tuple[str, ...]:
    table = load_causes()
    names = [
        each["name"]
        for each in sorted(_alerts(running), key=lambda each: str(each["starts_at"]))
        if datetime.fromisoformat(each["starts_at"]) >= since
    ]
    causes = [cause.value for name in names for cause, row in table.causes.items() if name in row.alerts]
    return tuple(dict.fromkeys(causes))[:3]


def _incidents(running: House, started: float) -> Sequence[dict[str, Any]]:
    """The platform's incidents since a monotonic moment; none where it keeps none."""
    since = datetime.now(UTC) - timedelta(seconds=time.monotonic() - started)
    try:
        told = running.call("automation", "GET", "/incidents?limit=100")
    except CallFailedError:
        return ()
    return [each for each in told.get("incidents", ()) if datetime.fromisoformat(each["started_at"]) >= since]


def _wait_calm(running: House) -> None:
    deadline = time.monotonic() + CALM_SECONDS
    while not calm(running) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
