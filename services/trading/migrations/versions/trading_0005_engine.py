"""Strategies at work, and every order that they wanted."""

import sqlalchemy as sa
from alembic import op

revision = "trading_0005"
down_revision = "trading_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "strategies",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("detail", sa.String(400), nullable=False),
        sa.Column("decided_us", sa.BigInteger),
        sa.Column("signal_at_us", sa.BigInteger),
        sa.Column("account", sa.Text, nullable=False),
    )
    op.create_table(
        "strategy_signals",
        sa.Column("intent_id", sa.String(64), primary_key=True),
        sa.Column("strategy", sa.String(64), nullable=False),
        sa.Column("symbol", sa.String(16), nullable=False),
        sa.Column("leg", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("bar_at_us", sa.BigInteger, nullable=False),
        sa.Column("decided_at_us", sa.BigInteger, nullable=False),
        sa.Column("ticket", sa.Text, nullable=False),
        sa.Column("last", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("detail", sa.String(400), nullable=False),
    )
    op.create_index("strategy_signals_by_bar", "strategy_signals", ["strategy", "bar_at_us"])
    op.create_index("strategy_signals_by_outcome", "strategy_signals", ["outcome", "strategy"])


def downgrade() -> None:
    for table in ("strategy_signals", "strategies"):
        op.drop_table(table)
