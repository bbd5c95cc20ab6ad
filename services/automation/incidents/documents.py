"""Hears that a postmortem was written, and notes it with its incident."""

from services.automation.incidents.desk import IncidentDesk
from services.contracts.documents import DocumentWritten
from services.contracts.events import Envelope
from services.kit.bus import Consumer
from services.kit.envelopes import opened
from services.kit.facts import Transaction


def written_consumer(desk: IncidentDesk) -> Consumer:
    """Notes postmortems; other documents are about no incident."""

    def note(tx: Transaction, envelope: Envelope) -> None:
        written = opened(envelope, DocumentWritten)
        if written.incident_id is not None:
            desk.note_written_up(tx, written.incident_id, written.document_id)

    return Consumer(name="note_postmortems", event_types=(DocumentWritten.event_type,), handler=note)
