"""Tables that every service's database holds, whatever else it stores."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()

OUTBOX = Table(
    "outbox",
    METADATA,
    # Assigned by the database: the order of publishing within one subject.
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", String(36), nullable=False, unique=True),
    Column("event_type", String(120), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("recorded_at", Float, nullable=False),  # Unix seconds
    Column("envelope", Text, nullable=False),  # JSON of contracts.events.Envelope
    Column("published_at", Float),  # Unix seconds; NULL while the bus has not confirmed it
    Index("outbox_unpublished", "published_at", "position"),
)

INBOX = Table(
    "inbox",
    METADATA,
    Column("consumer", String(120), primary_key=True),
    Column("event_id", String(36), primary_key=True),
    Column("handled_at", Float, nullable=False),  # Unix seconds
    Index("inbox_age", "handled_at"),
)

DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    Column("consumer", String(120), primary_key=True),
    Column("event_id", String(36), primary_key=True),
    Column("event_type", String(120), nullable=False),
    Column("envelope", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),  # class and redacted message of the last failure
    Column("died_at", Float, nullable=False),  # Unix seconds
)

SPENT_TOKENS = Table(
    "spent_tokens",
    METADATA,
    Column("token_id", String(64), primary_key=True),
    Column("expires_at", Float, nullable=False),  # Unix seconds
    Index("spent_tokens_age", "expires_at"),
)

RATE_LIMITS = Table(
    "rate_limits",
    METADATA,
    Column("key", String(250), primary_key=True),
    Column("hits", Integer, nullable=False),
    Column("expires_at", Float, nullable=False),  # Unix seconds
    Index("rate_limits_age", "expires_at"),
)
