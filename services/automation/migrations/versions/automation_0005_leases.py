"""A lease is the run that it names: the number that grew with each taking was compared with nothing."""

import sqlalchemy as sa
from alembic import op

revision = "automation_0005"
down_revision = "automation_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("pipeline_leases", "fence")


def downgrade() -> None:
    op.add_column("pipeline_leases", sa.Column("fence", sa.BigInteger, nullable=False, server_default="1"))
