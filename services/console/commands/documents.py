"""`sightline documents`: what wrote itself about incidents and periods."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

import typer
from rich.markdown import Markdown

from services.console.commands.calling import call
from services.console.commands.context import operator_of
from services.console.commands.render import Cell, clock_time, columns, header
from services.contracts.documents import DocumentKind, DocumentList, DocumentStatus, DocumentView

_SERVICE = "content"
_WRITE_SECONDS = 60.0
_REPORT_SECONDS = 300.0
_SETTLED_SECONDS = 15.0
_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_DAYS = {DocumentKind.DIGEST: 1, DocumentKind.WEEKLY_REVIEW: 7, DocumentKind.AUDIT_REPORT: 30}
_Id = Annotated[str, typer.Argument(help="The document.", metavar="ID")]


def make_app() -> typer.Typer:
    """The commands under `sightline documents`."""
    app = typer.Typer(no_args_is_help=True, help="Postmortems, digests and reviews that write themselves.")
    app.command("list")(listing)
    for command in (show, write, report, review):
        app.command()(command)
    return app


def listing(
    context: typer.Context,
    *,
    kind: Annotated[DocumentKind | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 20,
) -> None:
    """List documents, the newest first."""
    operator = operator_of(context)
    query = {"limit": str(limit)} | ({"kind": kind.value} if kind else {})
    answer = call(operator, _SERVICE, "GET", f"/documents?{urlencode(query)}")
    found = DocumentList.model_validate_json(answer.content).documents
    if not found:
        operator.progress.note("nothing is written yet; a postmortem follows an incident within half a minute")
        return
    rows: list[list[Cell]] = [
        [clock_time(each.written_at), each.kind.value, each.status.value, each.id, each.title] for each in found
    ]
    operator.out.print(columns([header("written", "kind", "status", "document", "title"), *rows]), soft_wrap=True)


def show(
    context: typer.Context,
    document_id: _Id,
    *,
    html: Annotated[Path | None, typer.Option(help="Write it to this file as one page.", metavar="FILE")] = None,
) -> None:
    """Show a document, or write it to a file as a page that loads nothing."""
    operator = operator_of(context)
    target = f"/documents/{quote(document_id, safe='')}"
    if html is None:
        view = DocumentView.model_validate_json(call(operator, _SERVICE, "GET", target).content)
        operator.out.print(Markdown(view.markdown, hyperlinks=False))
        return
    page = call(operator, _SERVICE, "GET", f"{target}?format=html")
    html.write_bytes(page.content)
    operator.progress.note(f"{html} is the document")


def write(context: typer.Context, incident: Annotated[str, typer.Argument(help="An incident that is over.")]) -> None:
    """Write the postmortem of an incident now; where there is one it stays."""
    operator = operator_of(context)
    body = {"kind": DocumentKind.POSTMORTEM.value, "incident_id": incident}
    answer = call(operator, _SERVICE, "POST", "/documents", body=body, timeout_seconds=_WRITE_SECONDS)
    view = DocumentView.model_validate_json(answer.content)
    operator.progress.note(f"`sightline documents show {view.id}` shows it")


def report(
    context: typer.Context,
    kind: Annotated[DocumentKind, typer.Argument(help="digest, weekly_review or audit_report.", metavar="KIND")],
    *,
    days: Annotated[int | None, typer.Option(min=1, max=366, help="How long; 1, 7 or 30 by the kind.")] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Its end, in UTC; the last full minute when left out.", formats=_MOMENTS)
    ] = None,
) -> None:
    """Write about a period: a digest, a weekly review or an audit report; asked again it is the same text."""
    operator = operator_of(context)
    if kind not in _DAYS:
        raise typer.BadParameter("a postmortem is about an incident: `sightline documents write INCIDENT`")
    settled = operator.clock.now() - timedelta(seconds=_SETTLED_SECONDS)
    end = settled.replace(second=0, microsecond=0) if until is None else until.replace(tzinfo=UTC)
    start = end - timedelta(days=days or _DAYS[kind])
    body = {"kind": kind.value, "period_start": start.isoformat(), "period_end": end.isoformat()}
    operator.progress.note(f"reading what was recorded from {start:%Y-%m-%d %H:%M} until {end:%Y-%m-%d %H:%M} UTC")
    answer = call(operator, _SERVICE, "POST", "/documents", body=body, timeout_seconds=_REPORT_SECONDS)
    view = DocumentView.model_validate_json(answer.content)
    operator.progress.note(f"`sightline documents show {view.id}` shows it, with `--html FILE` as one page")


def review(
    context: typer.Context,
    document_id: _Id,
    status: Annotated[DocumentStatus, typer.Argument(help="How far it is now.", metavar="STATUS")],
) -> None:
    """Move a document on: draft, in_review, published."""
    operator = operator_of(context)
    target = f"/documents/{quote(document_id, safe='')}/review"
    answer = call(operator, _SERVICE, "POST", target, body={"status": status.value})
    view = DocumentView.model_validate_json(answer.content)
    operator.progress.note(f"{view.id} is {view.status.value}")
