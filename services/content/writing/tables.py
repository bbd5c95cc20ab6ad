"""What is stored about documents. Times are whole microseconds since the Unix epoch."""

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()

# What was told of incidents, as it came.
INCIDENT_FACTS = Table(
    "document_incident_facts",
    METADATA,
    Column("event_id", String(64), primary_key=True),
    Column("incident_id", String(200), nullable=False),
    Column("event_type", String(100), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("trace_id", String(32), nullable=False),
    Column("payload", Text, nullable=False),
    Index("document_incident_facts_by_incident", "incident_id", "at_us"),
    Index("document_incident_facts_by_time", "at_us"),
)

# Incidents that are over and whose postmortem is not written yet.
DUE = Table(
    "document_due",
    METADATA,
    Column("incident_id", String(200), primary_key=True),
    Column("due_at_us", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
)

DOCUMENTS = Table(
    "documents",
    METADATA,
    Column("document_id", String(250), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("incident_id", String(200)),
    Column("period_start_us", BigInteger, nullable=False),
    Column("period_end_us", BigInteger, nullable=False),
    Column("written_at_us", BigInteger, nullable=False),
    Column("reviewer", String(100), nullable=False),
    Column("inputs", Text, nullable=False),
    Column("markdown", Text, nullable=False),
    Column("html", Text, nullable=False),
    Index("documents_by_time", "written_at_us"),
)
