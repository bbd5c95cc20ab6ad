"""What the desk stores. Times are whole microseconds since the Unix epoch."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, String, Table, Text

METADATA = MetaData()

# One row: what trading may do. Absent before the first change, which means ACTIVE.
TRADING_STATE = Table(
    "trading_state",
    METADATA,
    Column("name", String(16), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", String(400), nullable=False),
    Column("changed_at_us", BigInteger, nullable=False),
)

# One row: the process that trades on this database; `fence` grows with every change of holder.
TRADING_OWNER = Table(
    "trading_owner",
    METADATA,
    Column("name", String(16), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
)

# Every pull of the kill switch. One without an end is gone on with at the next start.
KILL_SWITCH = Table(
    "kill_switch",
    METADATA,
    Column("halt_id", String(64), primary_key=True),
    Column("actor", String(200), nullable=False),
    Column("reason", String(400), nullable=False),
    Column("flatten", Boolean, nullable=False),
    Column("pulled_at_us", BigInteger, nullable=False, index=True),
    Column("done_at_us", BigInteger),
)

# What the kill switch did at each venue.
KILL_SWITCH_VENUES = Table(
    "kill_switch_venues",
    METADATA,
    Column("halt_id", String(64), primary_key=True),
    Column("venue", String(200), primary_key=True),
    Column("canceled", Integer, nullable=False),
    Column("flattened", Integer, nullable=False),
    Column("flat", Boolean, nullable=False),
    Column("left_over", String(2000), nullable=False),
    Column("seconds", String(32), nullable=False),
)

# Up to when each venue's books are known to agree with ours: what a reconciliation has to look back to.
RECONCILED = Table(
    "reconciled",
    METADATA,
    Column("venue", String(200), primary_key=True),
    Column("until_us", BigInteger, nullable=False),
)

# Who holds a venue back, and why. While one row stands, nothing new is opened there.
VENUE_HOLDS = Table(
    "venue_holds",
    METADATA,
    Column("venue", String(200), primary_key=True),
    Column("actor", String(200), primary_key=True),
    Column("reason", String(400), nullable=False),
    Column("held_at_us", BigInteger, nullable=False),
)

# Each venue's circuit as it was when its state changed last; absent while it was never opened.
VENUE_CIRCUITS = Table(
    "venue_circuits",
    METADATA,
    Column("venue", String(200), primary_key=True),
    Column("circuit", Text, nullable=False),  # JSON
)
