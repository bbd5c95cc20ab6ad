"""What the agents service stores."""

from sqlalchemy import BigInteger, Column, Float, Index, MetaData, String, Table, Text

METADATA = MetaData()

# Times are whole microseconds since the Unix epoch: exact, ordered and the same on SQLite and Postgres.
ANOMALIES = Table(
    "anomalies",
    METADATA,
    Column("anomaly_id", String(36), primary_key=True),
    Column("signal", String(64), nullable=False),
    Column("stage", String(32), nullable=False),
    Column("service_name", String(100), nullable=False),
    Column("series", String(200), nullable=False),
    Column("target", String(100), nullable=False),
    Column("detector", String(32), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("score", Float, nullable=False),
    Column("peak_score", Float, nullable=False),
    Column("value", Float, nullable=False),
    Column("expected", Float, nullable=False),
    Column("detail", Text, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("found_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),
    Index("anomalies_by_found", "found_at_us"),
)

# What a detector has learnt of its series, in the words of `services.agents.detectors`; written again at every round.
LEARNT = Table(
    "detector_states",
    METADATA,
    Column("key", String(300), primary_key=True),
    Column("observed_at_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
)

# Up to when each source was looked at.
CURSORS = Table(
    "cursors",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("until_us", BigInteger, nullable=False),
)

# Orders whose fills do not yet add up to what they ended with; `told` is NULL before the end. Quantities are text.
ORDERS = Table(
    "order_balances",
    METADATA,
    Column("order_id", String(200), primary_key=True),
    Column("venue", String(100), nullable=False),
    Column("filled", String(40), nullable=False),
    Column("told", String(40)),
    Column("changed_at_us", BigInteger, nullable=False),
    Index("order_balances_by_change", "changed_at_us"),
)

# What each strategy's fills have come to, in the words of `services.agents.ledger.trades`.
STRATEGIES = Table(
    "strategy_records",
    METADATA,
    Column("strategy", String(100), primary_key=True),
    Column("record", Text, nullable=False),
    Column("excess", Float, nullable=False),
)
