"""Content and knowledge: is what goes wrong known, is what is known still true, and what was written?"""

from telemetry import catalogue
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.panels import Logs, Panel, Stat, Target, Threshold, TimeSeries, Unit
from telemetry.dashboards.promql import age, current, increase, quantile


def content_knowledge() -> Dashboard:
    """The dashboard that every alert about knowledge and documents links to."""
    return Dashboard(
        uid="content-knowledge",
        title="Content and knowledge",
        description="Whether errors that happen are known, whether what is known is still true, and what was written.",
        panels=(*_now(), *_over_time(), *_documents(), _log()),
    )


def _now() -> tuple[Panel, ...]:
    return (
        Stat(
            title="Entries",
            description="Entries of the knowledge base by kind, runbooks of alerts among them.",
            unit=Unit.NONE,
            targets=(Target(query=current(catalogue.KNOWLEDGE_ENTRIES, ("kind",)), legend="{{kind}}"),),
            width=12,
            height=5,
            base_color="blue",
            empty="content has not been scraped yet",
        ),
        Stat(
            title="To do",
            description=(
                "Errors that no entry answers, entries that were not verified for long, and files that are no entries:"
                " `sightline kb gaps` and `sightline kb check` name them."
            ),
            unit=Unit.NONE,
            targets=(
                Target(query=current(catalogue.KNOWLEDGE_GAPS, ()), legend="gaps"),
                Target(query=current(catalogue.KNOWLEDGE_STALE, ()), legend="stale entries"),
                Target(query=current(catalogue.KNOWLEDGE_REFUSED, ()), legend="refused files"),
            ),
            width=12,
            height=5,
            thresholds=(Threshold(value=1, color="yellow"), Threshold(value=20, color="red")),
            empty="content has not been scraped yet",
        ),
    )


def _over_time() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Errors met",
            description=(
                "Errors and alerts within an hour that an entry answered, by how it was found, and those that none"
                " did. Where the latter lead, something new goes wrong."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(query=increase(catalogue.KNOWLEDGE_HITS, ("how",), window="1h"), legend="known: {{how}}"),
                Target(query=increase(catalogue.KNOWLEDGE_MISSES, (), window="1h"), legend="not known"),
            ),
            empty="no error was met",
        ),
        TimeSeries(
            title="Gaps",
            description="Kinds of errors that no entry answers, and entries unverified for long. Writing lowers both.",
            unit=Unit.COUNT,
            targets=(
                Target(query=current(catalogue.KNOWLEDGE_GAPS, ()), legend="gaps"),
                Target(query=current(catalogue.KNOWLEDGE_STALE, ()), legend="stale entries"),
            ),
            empty="content has not been scraped yet",
        ),
        TimeSeries(
            title="Questions",
            description="Searches and matches within an hour: by people, by incidents, for what bus and log bring.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.KNOWLEDGE_QUERY_DURATION, ("operation",), window="1h"),
                    legend="{{operation}}",
                ),
            ),
            empty="nobody asked",
        ),
        TimeSeries(
            title="Time of a question",
            description="95th percentile of a search and of a match. The alert KnowledgeSearchSlow fires above 50 ms.",
            unit=Unit.SECONDS,
            targets=(
                Target(
                    query=quantile(0.95, catalogue.KNOWLEDGE_QUERY_DURATION, ("operation",)),
                    legend="{{operation}} p95",
                    exemplars=True,
                ),
            ),
            empty="nobody asked",
        ),
        TimeSeries(
            title="Error lines looked at",
            description="Seconds up to which error lines of the log were matched. It saws below half a minute.",
            unit=Unit.SECONDS,
            targets=(Target(query=age(catalogue.KNOWLEDGE_FOLLOWED_UNTIL, ()), legend="behind"),),
            empty="the log has not been looked at yet",
        ),
    )


def _documents() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Documents",
            description="Attempts to write a document within an hour, by kind and outcome. A failed one comes again.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.DOCUMENTS, ("kind", "outcome"), window="1h"),
                    legend="{{kind}} {{outcome}}",
                ),
            ),
            empty="nothing was written",
        ),
        TimeSeries(
            title="Time to write",
            description="95th percentile of gathering and writing a document, by kind.",
            unit=Unit.SECONDS,
            targets=(
                Target(
                    query=quantile(0.95, catalogue.DOCUMENT_DURATION, ("kind",)), legend="{{kind}} p95", exemplars=True
                ),
            ),
            empty="nothing was written",
        ),
    )


def _log() -> Panel:
    return Logs(
        title="Content log",
        description="Matches, gaps and documents as the service tells them. A line's trace_id leads to its trace.",
        unit=Unit.NONE,
        targets=(
            Target(
                query='{env=~"$env", service_name=~"$service", logger=~"facts[.]content|services[.]content.*"}',
                legend="",
            ),
        ),
        width=24,
        height=9,
        empty="nothing was logged",
    )
