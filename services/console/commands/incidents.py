"""`sightline incidents`: what went wrong, and what was done about it."""

from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from services.console.commands.calling import call
from services.console.commands.context import Operator, operator_of
from services.console.commands.render import LEVEL_STYLES, Cell, clock_time, columns, header
from services.contracts.incidents import IncidentList, IncidentStatus, IncidentView

_STYLES = {IncidentStatus.ESCALATED: "red", IncidentStatus.RESOLVED: "green", IncidentStatus.WRITTEN_UP: "green"}


def incidents(
    context: typer.Context,
    incident: Annotated[str, typer.Argument(help="Show one incident with its history.")] = "",
    *,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 20,
) -> None:
    """Show incidents, the newest first, or one with its history. Exit code 1 when one is not over."""
    operator = operator_of(context)
    if incident:
        answer = call(operator, "automation", "GET", f"/incidents/{quote(incident, safe='')}")
        _show(operator, IncidentView.model_validate_json(answer.content))
        return
    query = urlencode({"open": "true" if open_only else "false", "limit": limit})
    answer = call(operator, "automation", "GET", f"/incidents?{query}")
    listed = IncidentList.model_validate_json(answer.content).incidents
    if not listed:
        operator.progress.note("no incident" if not open_only else "no incident is open")
        return
    rows: list[list[Cell]] = [
        [
            clock_time(each.detected_at),
            (each.severity.value, LEVEL_STYLES.get(each.severity.value, "")),
            (each.status.value, _STYLES.get(each.status, "cyan")),
            each.incident_id,
            each.title,
            each.causes[0] if each.causes else "",
        ]
        for each in listed
    ]
    names = header("detected", "severity", "status", "incident", "what", "probable cause")
    operator.out.print(columns([names, *rows]), soft_wrap=True)
    if any(not each.status.over for each in listed):
        raise typer.Exit(1)


def _show(operator: Operator, incident: IncidentView) -> None:
    lines = [f"{incident.incident_id}: {incident.title} ({incident.severity.value}, {incident.status.value})"]
    if incident.causes:
        lines.append(f"probable causes: {', '.join(incident.causes)} (the first at {incident.confidence:.0%})")
    if incident.knowledge_ids:
        lines.append(f"known: {', '.join(incident.knowledge_ids)}; `sightline kb show {incident.knowledge_ids[0]}`")
    for line in lines:
        operator.out.print(line, soft_wrap=True)
    rows: list[list[Cell]] = [[clock_time(each.at), each.status.value, each.detail] for each in incident.changes]
    operator.out.print(columns([header("at", "status", ""), *rows]), soft_wrap=True)
    for run_id in incident.run_ids:
        operator.progress.note(f"`sightline runs {run_id}` shows the steps")
    if incident.trace_id:
        operator.progress.note(f"`sightline trace {incident.trace_id}` shows where it was seen first")
    if incident.document_id:
        operator.progress.note(f"`sightline documents show {incident.document_id}` is its postmortem")
