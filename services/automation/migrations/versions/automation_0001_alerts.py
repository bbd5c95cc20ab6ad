"""The tables of `services.automation.tables` as they were first released."""

import sqlalchemy as sa
from alembic import op

revision = "automation_0001"
down_revision = None
branch_labels = ("automation",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("starts_at_us", sa.BigInteger, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("service_name", sa.String(100), nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("runbook_url", sa.Text, nullable=False),
        sa.Column("ends_at_us", sa.BigInteger),
        sa.Column("missing_since_us", sa.BigInteger),
    )
    op.create_index("alerts_by_status", "alerts", ["status", "starts_at_us"])
    op.create_table(
        "heartbeat",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("heard_at_us", sa.BigInteger, nullable=False),
        sa.Column("silent_since_us", sa.BigInteger),
    )


def downgrade() -> None:
    op.drop_table("heartbeat")
    op.drop_table("alerts")
