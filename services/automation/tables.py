"""What the automation service stores."""

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table, Text

METADATA = MetaData()

# Times are whole microseconds since the Unix epoch: exact, ordered and the same on SQLite and Postgres.
ALERTS = Table(
    "alerts",
    METADATA,
    Column("fingerprint", String(64), primary_key=True),
    Column("starts_at_us", BigInteger, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("service_name", String(100), nullable=False),
    Column("summary", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("runbook_url", Text, nullable=False),
    Column("ends_at_us", BigInteger),
    # Since when Alertmanager no longer lists an alert whose resolution never arrived; NULL while it does.
    Column("missing_since_us", BigInteger),
    Index("alerts_by_status", "status", "starts_at_us"),
)

# One row: when the alerting pipeline was last heard, and since when it has been known to be silent.
HEARTBEAT = Table(
    "heartbeat",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("heard_at_us", BigInteger, nullable=False),
    Column("silent_since_us", BigInteger),
)
