"""Intents, orders with their transitions, fills and incidents, denials, raw frames and reconciliations."""

import sqlalchemy as sa
from alembic import op

revision = "trading_0001"
down_revision = None
branch_labels = ("trading",)
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _create_order_tables()
    _create_history_tables()
    _create_other_tables()


def downgrade() -> None:
    for table in (
        "reconciliations",
        "raw_frames",
        "denials",
        "order_incidents",
        "fills",
        "order_transitions",
        "orders",
        "intents",
    ):
        op.drop_table(table)


def _create_order_tables() -> None:
    op.create_table(
        "intents",
        sa.Column("intent_id", sa.String(64), primary_key=True),
        sa.Column("intent", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("client_order_id", sa.String(128), primary_key=True),
        sa.Column("intent_id", sa.String(64), nullable=False),
        sa.Column("route", sa.Integer, nullable=False),
        sa.Column("venue", sa.String(64), nullable=False),
        sa.Column("venue_order_id", sa.String(128)),
        sa.Column("strategy", sa.String(64), nullable=False),
        sa.Column("symbol", sa.String(16), nullable=False),
        sa.Column("ticket", sa.Text, nullable=False),
        sa.Column("quantity", sa.String(64), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("standing", sa.String(32), nullable=False),
        sa.Column("pending", sa.String(32)),
        sa.Column("pending_since_us", sa.BigInteger),
        sa.Column("pending_told", sa.Boolean, nullable=False),
        sa.Column("announced", sa.String(64), nullable=False),
        sa.Column("executions", sa.Integer, nullable=False),
        sa.Column("substatus", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("submitted_at_us", sa.BigInteger, nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger),
        sa.Column("told_at_us", sa.BigInteger),
        sa.Column("unknown_since_us", sa.BigInteger),
        sa.Column("not_found", sa.Integer, nullable=False),
        sa.Column("not_found_since_us", sa.BigInteger),
        sa.Column("replaces", sa.String(128)),
        sa.Column("replaced_by", sa.String(128)),
        sa.Column("parent", sa.String(128)),
        sa.Column("reference_price", sa.String(64)),
        sa.Column("traceparent", sa.String(64), nullable=False),
    )
    op.create_index("orders_by_intent", "orders", ["intent_id"])
    op.create_index("orders_by_time", "orders", ["submitted_at_us"])
    op.create_index("orders_by_venue_order", "orders", ["venue_order_id"])
    op.create_index(
        "orders_working",
        "orders",
        ["venue", "client_order_id"],
        sqlite_where=sa.text("ended_at_us IS NULL"),
        postgresql_where=sa.text("ended_at_us IS NULL"),
    )


def _create_history_tables() -> None:
    op.create_table(
        "order_transitions",
        sa.Column("client_order_id", sa.String(128), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("was", sa.String(32)),
        sa.Column("now", sa.String(32), nullable=False),
        sa.Column("substatus", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("traceparent", sa.String(64), nullable=False),
    )
    op.create_table(
        "fills",
        sa.Column("client_order_id", sa.String(128), primary_key=True),
        sa.Column("execution_id", sa.String(255), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("spans", sa.Text, nullable=False),
        sa.Column("quantity", sa.String(64), nullable=False),
        sa.Column("price", sa.String(64), nullable=False),
        sa.Column("fill", sa.Text, nullable=False),
        sa.Column("booked_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "order_incidents",
        sa.Column("subject", sa.String(128), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(32), primary_key=True),
        sa.Column("venue", sa.String(64), nullable=False),
        sa.Column("detail", sa.String(400), nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("order_incidents_by_time", "order_incidents", ["at_us"])


def _create_other_tables() -> None:
    op.create_table(
        "denials",
        sa.Column("denial_id", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("intent_id", sa.String(64), nullable=False),
        sa.Column("intent", sa.Text, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("detail", sa.String(400), nullable=False),
        sa.Column("denied_at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("denials_by_intent", "denials", ["intent_id", "denial_id"])
    op.create_index("denials_by_time", "denials", ["denied_at_us"])
    op.create_table(
        "raw_frames",
        sa.Column("frame_id", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("venue", sa.String(64), nullable=False),
        sa.Column("received_at_us", sa.BigInteger, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("client_order_id", sa.String(128)),
        sa.Column("problem", sa.String(400), nullable=False),
        sa.Column("quarantined", sa.Boolean, nullable=False),
    )
    op.create_index("raw_frames_by_age", "raw_frames", ["quarantined", "received_at_us"])
    op.create_index(
        "raw_frames_by_order",
        "raw_frames",
        ["client_order_id"],
        sqlite_where=sa.text("client_order_id IS NOT NULL"),
        postgresql_where=sa.text("client_order_id IS NOT NULL"),
    )
    op.create_table(
        "reconciliations",
        sa.Column("reconciliation_id", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("venue", sa.String(64), nullable=False),
        sa.Column("caused_by", sa.String(32), nullable=False),
        sa.Column("asked_at_us", sa.BigInteger, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger, nullable=False),
        sa.Column("orders", sa.Integer, nullable=False),
        sa.Column("differences", sa.Integer, nullable=False),
        sa.Column("failure", sa.String(400), nullable=False),
    )
    op.create_index("reconciliations_by_time", "reconciliations", ["ended_at_us"])
