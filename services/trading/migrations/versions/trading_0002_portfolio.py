"""Positions, what each session began with, and splits."""

import sqlalchemy as sa
from alembic import op

revision = "trading_0002"
down_revision = "trading_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "positions",
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("symbol", sa.String(16), primary_key=True),
        sa.Column("quantity", sa.String(64), nullable=False),
        sa.Column("cost", sa.String(96), nullable=False),
        sa.Column("realised", sa.String(96), nullable=False),
        sa.Column("fees", sa.String(96), nullable=False),
        sa.Column("adopted", sa.String(96), nullable=False),
    )
    op.create_table(
        "session_lines",
        sa.Column("session", sa.Date, primary_key=True),
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("symbol", sa.String(16), primary_key=True),
        sa.Column("opening_quantity", sa.String(64), nullable=False),
        sa.Column("opening_price", sa.String(64), nullable=False),
        sa.Column("flow", sa.String(96), nullable=False),
        sa.Column("realised", sa.String(96), nullable=False),
        sa.Column("fees", sa.String(96), nullable=False),
        sa.Column("day_trades", sa.Integer, nullable=False),
        sa.Column("opened_last", sa.Boolean, nullable=False),
    )
    op.create_index("session_lines_by_position", "session_lines", ["venue", "symbol", "session"])
    op.create_table(
        "splits",
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("symbol", sa.String(16), primary_key=True),
        sa.Column("session", sa.Date, primary_key=True),
        sa.Column("ratio", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("splits")
    op.drop_table("session_lines")
    op.drop_table("positions")
