"""How facts about documents read in the log and which metrics they move."""

from services.contracts.documents import DocumentNotWritten, DocumentReviewed, DocumentWritten
from services.kit.instruments import Instrument, Measure
from telemetry.catalogue import DOCUMENT_DURATION, DOCUMENTS

DOCUMENT_TABLE = (
    Instrument(
        event=DocumentWritten,
        level="info",
        message="{document_id} is written after {seconds} s: {title}",
        fields=("document_id", "kind", "incident_id"),
        counters=(Measure(metric=DOCUMENTS, labels={"kind": "kind"}, fixed={"outcome": "written"}),),
        histograms=(Measure(metric=DOCUMENT_DURATION, labels={"kind": "kind"}, value="seconds"),),
    ),
    Instrument(
        event=DocumentNotWritten,
        level="warning",
        message="{document_id} could not be written, try {attempts}: {reason}",
        fields=("document_id", "kind", "incident_id", "reason"),
        counters=(Measure(metric=DOCUMENTS, labels={"kind": "kind"}, fixed={"outcome": "failed"}),),
    ),
    Instrument(
        event=DocumentReviewed,
        level="info",
        message="{reviewer} moved {document_id} to {status}",
        fields=("document_id", "status", "reviewer"),
    ),
)
