"""Until when an account's verdicts are void."""

import sqlalchemy as sa
from alembic import op

revision = "auth_0003"
down_revision = "auth_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "verdict_revocations",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("revoked_at_us", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("verdict_revocations")
