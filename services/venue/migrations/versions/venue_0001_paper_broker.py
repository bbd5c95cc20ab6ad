"""The tables of `services.venue.broker.tables` as they were first released."""

import sqlalchemy as sa
from alembic import op

revision = "venue_0001"
down_revision = None
branch_labels = ("venue",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "paper_accounts",
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("account_id", sa.String(36), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "paper_orders",
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("order_id", sa.String(36), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("client_order_id", sa.String(128), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("paper_orders_by_name", "paper_orders", ["venue", "account_id", "client_order_id"], unique=True)
    op.create_table(
        "paper_executions",
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("execution_id", sa.String(36), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "paper_markets",
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("symbol", sa.String(12), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in ("paper_markets", "paper_executions", "paper_orders", "paper_accounts"):
        op.drop_table(table)
