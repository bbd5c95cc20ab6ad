"""The server that an assistant talks to: questions about what is known, what happened and what was measured."""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import AwareDatetime, Field

from services.console.assistant.asking import Platform
from services.console.assistant.fitting import UNTRUSTED_NOTE, Fitter, line_of
from services.kit.clock import Clock

LONGEST_WINDOW: Final = timedelta(days=7)

_INSTRUCTIONS: Final = (
    "Sightline runs a trader's logins, orders and pipelines. These tools look, and change nothing: to act, tell the"
    " person which `sightline` command to run. Begin with an incident or the knowledge base. Quote ids of entries, of"
    f" traces and of incidents, so that what you say can be checked. {UNTRUSTED_NOTE}"
)
_LOOKS: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

_EntryId = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,99}$", description="An entry's id, such as alpaca-wash-trade.")
]
_IncidentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description="An incident's id.")]
_TraceId = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$", description="32 hexadecimal digits.")]
_Service = Annotated[str, Field(max_length=64, description="One service, such as trading; empty for all.")]
_Minutes = Annotated[float, Field(gt=0, le=LONGEST_WINDOW / timedelta(minutes=1), description="How many minutes back.")]
_Until = Annotated[AwareDatetime | None, Field(description="Up to this moment, with its time zone; now when left out.")]
_Level = Literal["debug", "info", "warning", "error", "critical"]


def make_server(platform: Platform, clock: Clock) -> MCPServer[Any]:
    """A server over a platform, not yet connected to anybody."""
    server: MCPServer[Any] = MCPServer("sightline", title="Sightline", instructions=_INSTRUCTIONS, log_level="WARNING")
    _add_knowledge(server, platform)
    _add_incidents(server, platform)
    _add_telemetry(server, platform, _Windows(clock))
    return server


class _Windows:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def query(self, minutes: float, until: AwareDatetime | None) -> dict[str, str | list[str]]:
        end = until or self._clock.now()
        return {"start": (end - timedelta(minutes=minutes)).isoformat(), "end": end.isoformat()}


def _add_knowledge(server: MCPServer[Any], platform: Platform) -> None:
    fit = Fitter().fit

    @server.tool(annotations=_LOOKS)
    def kb_search(
        words: Annotated[str, Field(min_length=1, max_length=500, description="Words to look for.")],
        limit: Annotated[int, Field(ge=1, le=20)] = 5,
    ) -> dict[str, Any]:
        """Search what is known of venues, brokers, errors and the platform itself; the best first."""
        return fit(platform.ask("content", "knowledge", "search", query={"q": words, "limit": str(limit)}))

    @server.tool(annotations=_LOOKS)
    def kb_get(entry_id: _EntryId) -> dict[str, Any]:
        """One entry of the knowledge base in full: what it means, what the platform does, what helps, its source."""
        return fit(platform.ask("content", "knowledge", entry_id))

    @server.tool(annotations=_LOOKS)
    def kb_gaps(limit: Annotated[int, Field(ge=1, le=50)] = 20) -> dict[str, Any]:
        """Errors that were met and that no entry answers, the most frequent first."""
        found = platform.ask("content", "knowledge", "gaps", query={"limit": str(limit)})
        return fit({"note": UNTRUSTED_NOTE, "untrusted_gaps": found["gaps"]})


def _add_incidents(server: MCPServer[Any], platform: Platform) -> None:
    fit = Fitter().fit

    @server.tool(annotations=_LOOKS)
    def incidents_list(
        open_only: Annotated[bool, Field(description="Only those that are not over.")] = False,  # noqa: FBT002 -- asked by name
        limit: Annotated[int, Field(ge=1, le=50)] = 20,
    ) -> dict[str, Any]:
        """Incidents, the newest first: what was wrong, since when, and how it stands."""
        query = {"limit": str(limit), "open": "true" if open_only else "false"}
        found = platform.ask("automation", "incidents", query=query)
        return fit({"note": UNTRUSTED_NOTE, "untrusted_incidents": found["incidents"]})

    @server.tool(annotations=_LOOKS)
    def incident_get(incident_id: _IncidentId) -> dict[str, Any]:
        """One incident: its cause as ranked hypotheses, what the platform did, what it is linked to."""
        return fit({"note": UNTRUSTED_NOTE, "untrusted_incident": platform.ask("automation", "incidents", incident_id)})

    @server.tool(annotations=_LOOKS)
    def postmortem_draft(incident_id: _IncidentId) -> dict[str, Any]:
        """The postmortem of an incident as it stands, in Markdown. Nothing is written or published by reading it."""
        document_id = platform.ask("automation", "incidents", incident_id).get("document_id")
        if not document_id:
            raise ToolError("No postmortem of this incident is written yet; it follows within minutes of its end.")
        document = platform.ask("content", "documents", document_id)
        return fit(
            {
                "note": UNTRUSTED_NOTE,
                "document_id": document_id,
                "status": document.get("status"),
                "untrusted_markdown": _pages(document.get("markdown", "")),
            }
        )


def _add_telemetry(server: MCPServer[Any], platform: Platform, windows: _Windows) -> None:
    fit = Fitter().fit

    @server.tool(annotations=_LOOKS)
    def logs(  # noqa: PLR0913, PLR0917 -- each argument narrows the question down
        service: _Service = "",
        level: _Level = "warning",
        text: Annotated[str, Field(max_length=200, description="The line holds this text, letter by letter.")] = "",
        minutes: _Minutes = 60,
        until: _Until = None,
        limit: Annotated[int, Field(ge=1, le=200)] = 50,
    ) -> dict[str, Any]:
        """Log lines of this level and graver, the newest first."""
        query = windows.query(minutes, until) | {"min_level": level, "text": text, "limit": str(limit)}
        query |= {"service": [service]} if service else {}
        found = platform.ask("console", "api", "logs", query=query)
        return fit(
            {"note": UNTRUSTED_NOTE, "lines": [line_of(line) for line in found["lines"]], "more": found["truncated"]}
        )

    @server.tool(annotations=_LOOKS)
    def trace(trace_id: _TraceId) -> dict[str, Any]:
        """One trace: its spans with durations and outcomes, and the lines that were logged within them."""
        query = windows.query(LONGEST_WINDOW / timedelta(minutes=1), None)
        found = platform.ask("console", "api", "traces", trace_id, query=query)
        lines = [line_of(line) for line in found["lines"]]
        return fit({"note": UNTRUSTED_NOTE, "untrusted_spans": found["spans"], "lines": lines})

    @server.tool(annotations=_LOOKS)
    def metric_series(
        metric: Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]{0,199}$", description="As /metrics names it.")],
        labels: Annotated[dict[str, str] | None, Field(description="Exact labels.")] = None,
        minutes: _Minutes = 60,
        until: _Until = None,
    ) -> dict[str, Any]:
        """Series of one metric over a window, at most sixty points each."""
        step_seconds = max(15.0, minutes * 60 / 60)
        query = windows.query(minutes, until) | {"step_seconds": str(step_seconds)}
        query |= {"label": [f"{name}={value}" for name, value in (labels or {}).items()]}
        return fit(platform.ask("console", "api", "metrics", metric, query=query))

    @server.tool(annotations=_LOOKS)
    def timeline(
        service: _Service = "",
        minutes: _Minutes = 30,
        until: _Until = None,
        limit: Annotated[int, Field(ge=1, le=200)] = 100,
    ) -> dict[str, Any]:
        """Warnings, facts, failed spans and changes of metrics in one order, the oldest first."""
        query = windows.query(minutes, until) | {"limit": str(limit)}
        query |= {"service": [service]} if service else {}
        found = platform.ask("console", "api", "timeline", query=query)
        return fit({"note": UNTRUSTED_NOTE, "missing": found.get("missing"), "untrusted_moments": found["moments"]})


def _pages(text: str) -> list[str]:
    """A long text in parts, so that a limit on one text does not cut the whole."""
    parts: list[str] = [""]
    for line in text.splitlines(keepends=True):
        if len(parts[-1]) + len(line) > _PAGE_CHARACTERS:
            parts.append("")
        parts[-1] += line
    return parts


_PAGE_CHARACTERS: Final = 1_800
