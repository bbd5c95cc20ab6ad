"""The registry of accounts."""

import sqlalchemy as sa
from alembic import op

revision = "auth_0002"
down_revision = "auth_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("broker", sa.String(32), nullable=False),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("mfa", sa.String(32), nullable=False),
        sa.Column("base_url", sa.String(200), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("accounts")
