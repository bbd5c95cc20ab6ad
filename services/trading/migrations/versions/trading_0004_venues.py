"""Who holds which venue back, each venue's circuit, and the studies that were told of."""

import sqlalchemy as sa
from alembic import op

revision = "trading_0004"
down_revision = "trading_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "venue_holds",
        sa.Column("venue", sa.String(200), primary_key=True),
        sa.Column("actor", sa.String(200), primary_key=True),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("held_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "venue_circuits",
        sa.Column("venue", sa.String(200), primary_key=True),
        sa.Column("circuit", sa.Text, nullable=False),
    )
    op.create_table(
        "told_studies",
        sa.Column("study", sa.String(80), primary_key=True),
        sa.Column("judged_at_us", sa.BigInteger, primary_key=True),
    )


def downgrade() -> None:
    for table in ("told_studies", "venue_circuits", "venue_holds"):
        op.drop_table(table)
