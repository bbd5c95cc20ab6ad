"""What is out of the ordinary, and why something is out of order, from the command line."""

from datetime import datetime, timedelta
from typing import Annotated, Final
from urllib.parse import quote, urlencode

import typer
from pydantic import ValidationError
from rich.text import Text

from services.console.commands.calling import call
from services.console.commands.context import Operator, operator_of
from services.console.commands.reading import span_of_time
from services.console.commands.render import LEVEL_STYLES, Cell, clock_time, columns, header
from services.console.stack.errors import StackError
from services.contracts.anomalies import (
    AnomalyList,
    AnomalyView,
    DetectorList,
    DetectorState,
    Diagnosis,
    DiagnosisRequest,
    Hypothesis,
)
from services.contracts.incidents import IncidentView

_SECONDS: Final = 60.0
_STATES: Final = {DetectorState.FOUND: "bold red", DetectorState.BLIND: "red", DetectorState.WARMING_UP: "cyan"}
_EVIDENCE_LETTERS: Final = 160


def anomalies(
    context: typer.Context,
    *,
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    signal: Annotated[str, typer.Option(help="Of this signal alone.")] = "",
    detectors: Annotated[bool, typer.Option(help="What is watched, and what each detector has seen.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
) -> None:
    """Show what is out of the ordinary now. Exit code 1 when something is."""
    operator = operator_of(context)
    if detectors:
        _show_detectors(operator, signal)
        return
    query = urlencode({"open": "false" if every else "true", "limit": limit})
    answer = call(operator, "agents", "GET", f"/anomalies?{query}", timeout_seconds=_SECONDS)
    found = [each for each in AnomalyList.model_validate_json(answer.content).anomalies if signal in {"", each.signal}]
    if not found:
        operator.progress.note("nothing is out of the ordinary")
        return
    names = header("severity", "signal", "where", "since", "ended", "score", "what")
    operator.out.print(columns([names, *map(_anomaly_row, found)]), soft_wrap=True)
    if any(each.ended_at is None for each in found):
        raise typer.Exit(1)


def diagnose(  # noqa: PLR0913 -- what narrows a diagnosis down
    context: typer.Context,
    incident: Annotated[
        str, typer.Argument(help="The incident's id; without one, the last minutes are looked at.")
    ] = "",
    *,
    since: Annotated[str, typer.Option(help="When it was first seen, as how far back: 90s, 15m, 2h.")] = "5m",
    alert: Annotated[str, typer.Option(help="The alert that told of it.")] = "",
    target: Annotated[str, typer.Option(help="The venue, account, strategy or symbol that it is about.")] = "",
    service: Annotated[str, typer.Option(help="The service that it showed in.")] = "",
) -> None:
    """Look for the cause of an incident in telemetry. Exit code 1 when none is found."""
    operator = operator_of(context)
    request = _of_incident(operator, incident) if incident else _of_now(operator.clock.now(), span_of_time(since))
    given = {"alert_name": alert, "target": target, "service_name": service}
    request = request.model_copy(update={name: value for name, value in given.items() if value})
    body = request.model_dump(mode="json")
    answer = call(operator, "agents", "POST", "/diagnoses", body=body, timeout_seconds=_SECONDS)
    diagnosis = Diagnosis.model_validate_json(answer.content)
    _show(operator, diagnosis)
    if not diagnosis.hypotheses:
        raise typer.Exit(1)


def _of_incident(operator: Operator, incident: str) -> DiagnosisRequest:
    answer = call(operator, "automation", "GET", f"/incidents/{quote(incident, safe='')}")
    try:
        known = IncidentView.model_validate_json(answer.content)
    except ValidationError as error:
        raise StackError(
            "the automation's answer cannot be read",
            remedy="it runs another version: `sightline down && sightline up`",
        ) from error
    return DiagnosisRequest(
        incident_id=known.incident_id,
        alert_name=known.alert_name,
        target=known.target,
        service_name=known.service_name,
        started_at=known.started_at,
        until=known.ended_at,
    )


def _of_now(now: datetime, back: timedelta) -> DiagnosisRequest:
    return DiagnosisRequest(incident_id=f"asked-{now:%Y%m%dT%H%M%S}", started_at=now - back)


def _anomaly_row(each: AnomalyView) -> list[Cell]:
    return [
        (each.severity.value, LEVEL_STYLES.get(each.severity.value, "")),
        each.signal,
        each.series,
        clock_time(each.since),
        "" if each.ended_at is None else clock_time(each.ended_at),
        f"{each.peak_score:.1f}",
        each.detail,
    ]


def _show_detectors(operator: Operator, signal: str) -> None:
    answer = call(operator, "agents", "GET", "/detectors", timeout_seconds=_SECONDS)
    watched = [
        each for each in DetectorList.model_validate_json(answer.content).detectors if signal in {"", each.signal}
    ]
    rows: list[list[Cell]] = [
        [
            each.signal,
            each.series,
            each.detector.value,
            (each.state.value.replace("_", " "), _STATES.get(each.state, "green")),
            str(each.observations),
            f"{each.value:.4g}",
            f"{each.expected:.4g}",
            each.unit,
            each.reason,
        ]
        for each in watched
    ]
    names = header("signal", "where", "detector", "state", "seen", "value", "usual", "unit", "why")
    operator.out.print(columns([names, *rows]), soft_wrap=True)


def _show(operator: Operator, diagnosis: Diagnosis) -> None:
    out = operator.out
    span = f"{clock_time(diagnosis.window_start)} to {clock_time(diagnosis.window_end)}"
    if not diagnosis.hypotheses:
        operator.progress.note(f"no finding: nothing between {span} points to a cause")
    for rank, each in enumerate(diagnosis.hypotheses, 1):
        out.print(Text(f"{rank}. {each.cause.value}  {each.confidence:.0%}  {each.summary}", style="bold"))
        for line in _reasons(each, diagnosis):
            out.print(line, soft_wrap=True)
    if diagnosis.prose:
        out.print(Text(diagnosis.prose), soft_wrap=True)
    for missing in diagnosis.missing:
        operator.progress.note(f"could not be looked at: {missing}")


def _reasons(each: Hypothesis, diagnosis: Diagnosis) -> list[Text]:
    known = {evidence.id: evidence for evidence in diagnosis.evidence}
    lines = [
        Text(f"   {sign} {name}  {clock_time(known[name].at)}  {known[name].detail[:_EVIDENCE_LETTERS]}")
        for sign, names in (("+", each.evidence_ids), ("-", each.against_ids))
        for name in names
    ]
    lines.append(Text(f"   may be done: {', '.join(each.allowed_actions)}"))
    if each.knowledge_ids:
        lines.append(Text(f"   known: {', '.join(each.knowledge_ids)} (`sightline kb show ID`)"))
    return lines
