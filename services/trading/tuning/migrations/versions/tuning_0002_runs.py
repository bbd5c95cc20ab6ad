"""How many trials a study wants, and what it came to: for whoever follows studies from outside."""

import sqlalchemy as sa
from alembic import op

revision = "tuning_0002"
down_revision = "tuning_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tuning_runs",
        sa.Column("study", sa.String(80), sa.ForeignKey("tuning_studies.name"), primary_key=True),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("began_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tuning_verdicts",
        sa.Column("study", sa.String(80), sa.ForeignKey("tuning_studies.name"), primary_key=True),
        sa.Column("judged_at_us", sa.BigInteger, primary_key=True),
        sa.Column("trials", sa.Integer, nullable=False),
        sa.Column("recommended", sa.Boolean, nullable=False),
        sa.Column("failed", sa.Text, nullable=False),
        sa.Column("deflated_sharpe", sa.Float),
    )


def downgrade() -> None:
    for table in ("tuning_verdicts", "tuning_runs"):
        op.drop_table(table)
