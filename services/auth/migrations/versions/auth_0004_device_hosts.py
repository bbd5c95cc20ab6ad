"""Where a device token was first seen."""

import sqlalchemy as sa
from alembic import op

revision = "auth_0004"
down_revision = "auth_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device_hosts",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("device_hosts")
