"""How facts about knowledge read in the log and which metrics they move."""

from services.contracts.knowledge import KnowledgeMatched, KnowledgeMissed, KnowledgeRefreshed
from services.kit.instruments import Instrument, Measure
from telemetry.catalogue import KNOWLEDGE_HITS, KNOWLEDGE_MISSES, KNOWLEDGE_REFUSED, KNOWLEDGE_STALE

KNOWLEDGE = (
    Instrument(
        event=KnowledgeMatched,
        level="info",
        message="{source} is known: {entry_id} ({how}, {sightings} times): {signature}",
        fields=("entry_id", "how", "source", "service_name", "venue", "cause_id"),
        counters=(Measure(metric=KNOWLEDGE_HITS, labels={"how": "how"}, value="sightings"),),
    ),
    Instrument(
        event=KnowledgeMissed,
        level="warning",
        message="{source} met an error that no entry answers ({sightings} times): {signature}",
        fields=("gap_id", "source", "service_name", "venue", "code", "cause_id"),
        counters=(Measure(metric=KNOWLEDGE_MISSES, value="sightings"),),
    ),
    Instrument(
        event=KnowledgeRefreshed,
        level="info",
        message="knowledge is indexed: {entries} entries, {stale} stale, {refused} files refused",
        gauges=(
            Measure(metric=KNOWLEDGE_STALE, value="stale"),
            Measure(metric=KNOWLEDGE_REFUSED, value="refused"),
        ),
    ),
)
