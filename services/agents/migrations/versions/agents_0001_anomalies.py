"""The tables of `services.agents.tables` as they were first released."""

import sqlalchemy as sa
from alembic import op

revision = "agents_0001"
down_revision = None
branch_labels = ("agents",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "anomalies",
        sa.Column("anomaly_id", sa.String(36), primary_key=True),
        sa.Column("signal", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("service_name", sa.String(100), nullable=False),
        sa.Column("series", sa.String(200), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("detector", sa.String(32), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("peak_score", sa.Float, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("expected", sa.Float, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("found_at_us", sa.BigInteger, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger),
    )
    op.create_index("anomalies_by_found", "anomalies", ["found_at_us"])
    op.create_table(
        "detector_states",
        sa.Column("key", sa.String(300), primary_key=True),
        sa.Column("observed_at_us", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("until_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "order_balances",
        sa.Column("order_id", sa.String(200), primary_key=True),
        sa.Column("venue", sa.String(100), nullable=False),
        sa.Column("filled", sa.String(40), nullable=False),
        sa.Column("told", sa.String(40)),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("order_balances_by_change", "order_balances", ["changed_at_us"])
    op.create_table(
        "strategy_records",
        sa.Column("strategy", sa.String(100), primary_key=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("excess", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("strategy_records")
    op.drop_table("order_balances")
    op.drop_table("cursors")
    op.drop_table("detector_states")
    op.drop_table("anomalies")
