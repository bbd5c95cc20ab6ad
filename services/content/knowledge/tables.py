"""What is stored about knowledge. Entries are files; times are whole microseconds since the Unix epoch."""

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()

# Error signatures that no entry answers. A row goes when an entry does.
GAPS = Table(
    "knowledge_gaps",
    METADATA,
    Column("gap_id", String(16), primary_key=True),
    Column("signature", Text, nullable=False),
    Column("example", Text, nullable=False),
    Column("venue", String(64), nullable=False),
    Column("http_status", Integer),
    Column("code", String(100), nullable=False),
    Column("source", String(200), nullable=False),
    Column("service_name", String(100), nullable=False),
    Column("sightings", BigInteger, nullable=False),
    Column("first_seen_at_us", BigInteger, nullable=False),
    Column("last_seen_at_us", BigInteger, nullable=False),
    Index("knowledge_gaps_by_sightings", "sightings"),
)

# One row: up to when the log's error lines were looked at.
FOLLOWED = Table(
    "knowledge_followed",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("until_us", BigInteger, nullable=False),
)
