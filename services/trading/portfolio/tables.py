"""What the portfolio stores. Numbers are decimals as text, exact."""

from sqlalchemy import Boolean, Column, Date, Index, Integer, MetaData, String, Table

METADATA = MetaData()

# Also what is closed: its profit and its fees still count.
POSITIONS = Table(
    "positions",
    METADATA,
    Column("venue", String(64), primary_key=True),
    Column("symbol", String(16), primary_key=True),
    Column("quantity", String(64), nullable=False),
    Column("cost", String(96), nullable=False),
    Column("realised", String(96), nullable=False),
    Column("fees", String(96), nullable=False),
    Column("adopted", String(96), nullable=False),
)

# What a session began with and what was traded in it.
SESSION_LINES = Table(
    "session_lines",
    METADATA,
    Column("session", Date, primary_key=True),  # the date in New York
    Column("venue", String(64), primary_key=True),
    Column("symbol", String(16), primary_key=True),
    Column("opening_quantity", String(64), nullable=False),
    Column("opening_price", String(64), nullable=False),
    Column("flow", String(96), nullable=False),
    Column("realised", String(96), nullable=False),
    Column("fees", String(96), nullable=False),
    Column("day_trades", Integer, nullable=False),
    Column("opened_last", Boolean, nullable=False),
    Index("session_lines_by_position", "venue", "symbol", "session"),
)

# Splits that were booked: each counts once, however often it is told.
SPLITS = Table(
    "splits",
    METADATA,
    Column("venue", String(64), primary_key=True),
    Column("symbol", String(16), primary_key=True),
    Column("session", Date, primary_key=True),
    Column("ratio", String(64), nullable=False),
)
