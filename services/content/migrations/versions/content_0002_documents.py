"""The tables of `services.content.writing.tables` as they were first released."""

import sqlalchemy as sa
from alembic import op

revision = "content_0002"
down_revision = "content_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "document_incident_facts",
        sa.Column("event_id", sa.String(64), primary_key=True),
        sa.Column("incident_id", sa.String(200), nullable=False),
        sa.Column("event_type", sa.String(100), nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_index("document_incident_facts_by_incident", "document_incident_facts", ["incident_id", "at_us"])
    op.create_index("document_incident_facts_by_time", "document_incident_facts", ["at_us"])
    op.create_table(
        "document_due",
        sa.Column("incident_id", sa.String(200), primary_key=True),
        sa.Column("due_at_us", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
    )
    op.create_table(
        "documents",
        sa.Column("document_id", sa.String(250), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("incident_id", sa.String(200)),
        sa.Column("period_start_us", sa.BigInteger, nullable=False),
        sa.Column("period_end_us", sa.BigInteger, nullable=False),
        sa.Column("written_at_us", sa.BigInteger, nullable=False),
        sa.Column("reviewer", sa.String(100), nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("markdown", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
    )
    op.create_index("documents_by_time", "documents", ["written_at_us"])


def downgrade() -> None:
    op.drop_table("documents")
    op.drop_table("document_due")
    op.drop_table("document_incident_facts")
