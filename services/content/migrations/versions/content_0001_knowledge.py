"""The tables of `services.content.knowledge.tables` as they were first released."""

import sqlalchemy as sa
from alembic import op

revision = "content_0001"
down_revision = None
branch_labels = ("content",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "knowledge_gaps",
        sa.Column("gap_id", sa.String(16), primary_key=True),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("example", sa.Text, nullable=False),
        sa.Column("venue", sa.String(64), nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("code", sa.String(100), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("service_name", sa.String(100), nullable=False),
        sa.Column("sightings", sa.BigInteger, nullable=False),
        sa.Column("first_seen_at_us", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("knowledge_gaps_by_sightings", "knowledge_gaps", ["sightings"])
    op.create_table(
        "knowledge_followed",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("until_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("knowledge_followed")
    op.drop_table("knowledge_gaps")
