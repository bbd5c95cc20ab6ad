"""Runs of pipelines, their leases, and what a person was asked."""

import sqlalchemy as sa
from alembic import op

revision = "automation_0002"
down_revision = "automation_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pipeline_runs",
        sa.Column("run_id", sa.String(300), primary_key=True),
        sa.Column("pipeline", sa.String(100), nullable=False),
        sa.Column("cause_kind", sa.String(16), nullable=False),
        sa.Column("cause_id", sa.String(200), nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("target", sa.String(200)),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("started_at_us", sa.BigInteger, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=False),
    )
    op.create_index("pipeline_runs_by_status", "pipeline_runs", ["status", "started_at_us"])
    op.create_index("pipeline_runs_by_pipeline", "pipeline_runs", ["pipeline", "status", "started_at_us"])
    op.create_index("pipeline_runs_by_start", "pipeline_runs", ["started_at_us"])
    op.create_table(
        "pipeline_leases",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("run_id", sa.String(300), nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("taken_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "approvals",
        sa.Column("approval_id", sa.String(64), primary_key=True),
        sa.Column("run_id", sa.String(300), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("pipeline", sa.String(100), nullable=False),
        sa.Column("action", sa.String(100), nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("parameters_digest", sa.String(64), nullable=False),
        sa.Column("target", sa.String(200)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("requested_at_us", sa.BigInteger, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
        sa.Column("decided_at_us", sa.BigInteger),
        sa.Column("decided_by", sa.String(100)),
        sa.Column("used_at_us", sa.BigInteger),
        sa.UniqueConstraint("run_id", "number", name="approvals_once"),
    )
    op.create_index("approvals_by_status", "approvals", ["status", "expires_at_us"])


def downgrade() -> None:
    op.drop_table("approvals")
    op.drop_table("pipeline_leases")
    op.drop_table("pipeline_runs")
