"""What the book of orders stores. Numbers are decimals as text, exact; times are whole microseconds since the epoch."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text, text

METADATA = MetaData()

_COUNTER: Final = BigInteger().with_variant(Integer, "sqlite")

# What was wanted and let pass, written before anything is sent.
INTENTS = Table(
    "intents",
    METADATA,
    Column("intent_id", String(64), primary_key=True),
    Column("intent", Text, nullable=False),  # JSON of contracts.orders.OrderIntent
    Column("created_at_us", BigInteger, nullable=False),
)

ORDERS = Table(
    "orders",
    METADATA,
    Column("client_order_id", String(128), primary_key=True),
    Column("intent_id", String(64), nullable=False),
    Column("route", Integer, nullable=False),
    Column("venue", String(64), nullable=False),
    Column("venue_order_id", String(128)),
    Column("strategy", String(64), nullable=False),
    Column("symbol", String(16), nullable=False),
    Column("ticket", Text, nullable=False),  # JSON of contracts.orders.OrderTicket
    Column("quantity", String(64), nullable=False),
    Column("status", String(32), nullable=False),  # repeats what follows from the rest, so that it can be looked for
    Column("standing", String(32), nullable=False),
    Column("pending", String(32)),
    Column("pending_since_us", BigInteger),
    Column("pending_told", Boolean, nullable=False),
    Column("announced", String(64), nullable=False),
    Column("executions", Integer, nullable=False),  # rows in fills: none need not be looked for
    Column("substatus", String(64), nullable=False),
    Column("reason", String(400), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("submitted_at_us", BigInteger, nullable=False),
    Column("changed_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),  # NULL while it works
    Column("told_at_us", BigInteger),
    Column("unknown_since_us", BigInteger),
    Column("not_found", Integer, nullable=False),
    Column("not_found_since_us", BigInteger),
    Column("replaces", String(128)),
    Column("replaced_by", String(128)),
    Column("parent", String(128)),
    Column("reference_price", String(64)),
    Column("traceparent", String(64), nullable=False),
    # Small however many orders have ended: what a start reads.
    Index(
        "orders_working",
        "venue",
        "client_order_id",
        sqlite_where=text("ended_at_us IS NULL"),
        postgresql_where=text("ended_at_us IS NULL"),
    ),
    Index("orders_by_intent", "intent_id"),
    Index("orders_by_venue_order", "venue_order_id"),
    Index("orders_by_time", "submitted_at_us"),
)

ORDER_TRANSITIONS = Table(
    "order_transitions",
    METADATA,
    Column("client_order_id", String(128), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("was", String(32)),
    Column("now", String(32), nullable=False),
    Column("substatus", String(64), nullable=False),
    Column("reason", String(400), nullable=False),
    Column("source", String(32), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("traceparent", String(64), nullable=False),
)

# Every execution that was heard of. One that told nothing new has the quantity 0 and covers nothing.
FILLS = Table(
    "fills",
    METADATA,
    Column("client_order_id", String(128), primary_key=True),
    Column("execution_id", String(255), primary_key=True),
    Column("position", Integer, nullable=False),  # counts an order's executions in the order of their booking
    Column("spans", Text, nullable=False),  # JSON: what it covers, as [start, end] in shares of the order
    Column("quantity", String(64), nullable=False),
    Column("price", String(64), nullable=False),
    Column("fill", Text, nullable=False),  # JSON of contracts.orders.Fill
    Column("booked_at_us", BigInteger, nullable=False),
)

ORDER_INCIDENTS = Table(
    "order_incidents",
    METADATA,
    Column("subject", String(128), primary_key=True),  # the client order id, or the venue
    Column("kind", String(32), primary_key=True),
    Column("digest", String(32), primary_key=True),  # of the detail: what is told again is no further incident
    Column("venue", String(64), nullable=False),
    Column("detail", String(400), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("order_incidents_by_time", "at_us"),
)

DENIALS = Table(
    "denials",
    METADATA,
    Column("denial_id", _COUNTER, primary_key=True, autoincrement=True),
    Column("intent_id", String(64), nullable=False),
    Column("intent", Text, nullable=False),  # JSON of contracts.orders.OrderIntent
    Column("reason", String(32), nullable=False),
    Column("detail", String(400), nullable=False),
    Column("denied_at_us", BigInteger, nullable=False),
    Index("denials_by_intent", "intent_id", "denial_id"),
    Index("denials_by_time", "denied_at_us"),
)

# What the venues sent, as they sent it.
RAW_FRAMES = Table(
    "raw_frames",
    METADATA,
    Column("frame_id", _COUNTER, primary_key=True, autoincrement=True),
    Column("venue", String(64), nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("raw", Text, nullable=False),
    Column("client_order_id", String(128)),  # of the order that it tells of, once that is known
    Column("problem", String(400), nullable=False),  # why it could not be handled; "" when it was
    Column("quarantined", Boolean, nullable=False),
    Index(
        "raw_frames_by_order",
        "client_order_id",
        sqlite_where=text("client_order_id IS NOT NULL"),
        postgresql_where=text("client_order_id IS NOT NULL"),
    ),
    Index("raw_frames_by_age", "quarantined", "received_at_us"),
)

RECONCILIATIONS = Table(
    "reconciliations",
    METADATA,
    Column("reconciliation_id", _COUNTER, primary_key=True, autoincrement=True),
    Column("venue", String(64), nullable=False),
    # Not `trigger`, which SQL keeps for itself.
    Column("caused_by", String(32), nullable=False),
    Column("asked_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger, nullable=False),
    Column("orders", Integer, nullable=False),
    Column("differences", Integer, nullable=False),
    Column("failure", String(400), nullable=False),  # "" when it succeeded
    Index("reconciliations_by_time", "ended_at_us"),
)
