"""The state of trading, its owner, the kill switch, and how far each venue is reconciled."""

import sqlalchemy as sa
from alembic import op

revision = "trading_0003"
down_revision = "trading_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trading_state",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "trading_owner",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "kill_switch",
        sa.Column("halt_id", sa.String(64), primary_key=True),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("flatten", sa.Boolean, nullable=False),
        sa.Column("pulled_at_us", sa.BigInteger, nullable=False),
        sa.Column("done_at_us", sa.BigInteger),
    )
    op.create_index("ix_kill_switch_pulled_at_us", "kill_switch", ["pulled_at_us"])
    op.create_table(
        "kill_switch_venues",
        sa.Column("halt_id", sa.String(64), primary_key=True),
        sa.Column("venue", sa.String(200), primary_key=True),
        sa.Column("canceled", sa.Integer, nullable=False),
        sa.Column("flattened", sa.Integer, nullable=False),
        sa.Column("flat", sa.Boolean, nullable=False),
        sa.Column("left_over", sa.String(2000), nullable=False),
        sa.Column("seconds", sa.String(32), nullable=False),
    )
    op.create_table(
        "reconciled",
        sa.Column("venue", sa.String(200), primary_key=True),
        sa.Column("until_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("reconciled", "kill_switch_venues", "kill_switch", "trading_owner", "trading_state"):
        op.drop_table(table)
