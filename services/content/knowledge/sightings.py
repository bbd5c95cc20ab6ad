"""An error that was met, and the fact that it becomes."""

from dataclasses import dataclass

from services.content.knowledge.matching import Candidate
from services.content.knowledge.normalising import Signature
from services.contracts.knowledge import KnowledgeMatched, KnowledgeMissed


@dataclass(frozen=True, slots=True)
class Sighting:
    """An error that was met.

    Attributes:
        source: Who met it: an event type, a logger or an alert's name.
        sightings: How often it was met.
        cause_id: The event or alert that it was met in, "" for none in particular.
    """

    signature: Signature
    source: str
    service_name: str
    sightings: int
    cause_id: str

    def matched(self, candidate: Candidate) -> KnowledgeMatched:
        """The fact that an entry answers it."""
        return KnowledgeMatched(
            subject=candidate.entry.front.id,
            entry_id=candidate.entry.front.id,
            how=candidate.how,
            confidence=candidate.confidence,
            signature=self.signature.template,
            venue=self.signature.venue,
            source=self.source,
            service_name=self.service_name,
            sightings=self.sightings,
            cause_id=self.cause_id,
        )

    def missed(self, *, first: bool) -> KnowledgeMissed:
        """The fact that no entry does."""
        return KnowledgeMissed(
            subject=self.signature.id,
            gap_id=self.signature.id,
            signature=self.signature.template,
            venue=self.signature.venue,
            http_status=self.signature.http_status,
            code=self.signature.code,
            source=self.source,
            service_name=self.service_name,
            sightings=self.sightings,
            first=first,
            cause_id=self.cause_id,
        )
