"""Incidents, their history and what each took in."""

import sqlalchemy as sa
from alembic import op

revision = "automation_0003"
down_revision = "automation_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.String(64), primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("cause_kind", sa.String(16), nullable=False),
        sa.Column("cause_id", sa.String(200), nullable=False),
        sa.Column("alert_name", sa.String(200), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("service_name", sa.String(100), nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("started_at_us", sa.BigInteger, nullable=False),
        sa.Column("detected_at_us", sa.BigInteger, nullable=False),
        sa.Column("mitigated_at_us", sa.BigInteger),
        sa.Column("ended_at_us", sa.BigInteger),
        sa.Column("causes", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("knowledge_ids", sa.Text, nullable=False),
        sa.Column("actions", sa.Text, nullable=False),
        sa.Column("document_id", sa.String(64)),
        sa.UniqueConstraint("cause_id", name="incidents_once"),
    )
    op.create_index("incidents_by_target", "incidents", ["target", "status", "detected_at_us"])
    op.create_index("incidents_by_time", "incidents", ["detected_at_us"])
    op.create_table(
        "incident_changes",
        sa.Column("incident_id", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "incident_causes",
        sa.Column("cause_id", sa.String(200), primary_key=True),
        sa.Column("incident_id", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(300), nullable=False),
    )
    op.create_index("ix_incident_causes_incident_id", "incident_causes", ["incident_id"])


def downgrade() -> None:
    op.drop_table("incident_causes")
    op.drop_table("incident_changes")
    op.drop_table("incidents")
