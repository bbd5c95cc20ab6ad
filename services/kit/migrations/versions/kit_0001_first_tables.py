"""The tables of `services.kit.tables` as they were first released."""

import sqlalchemy as sa
from alembic import op

revision = "kit_0001"
down_revision = None
branch_labels = ("kit",)
depends_on = None


def upgrade() -> None:
    _create_event_tables()
    _create_request_tables()


def downgrade() -> None:
    for table in ("rate_limits", "spent_tokens", "dead_letters", "inbox", "outbox"):
        op.drop_table(table)


def _create_event_tables() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(36), nullable=False, unique=True),
        sa.Column("event_type", sa.String(120), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("recorded_at", sa.Float, nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("published_at", sa.Float),
    )
    op.create_index("outbox_unpublished", "outbox", ["published_at", "position"])
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(120), primary_key=True),
        sa.Column("event_id", sa.String(36), primary_key=True),
        sa.Column("handled_at", sa.Float, nullable=False),
    )
    op.create_index("inbox_age", "inbox", ["handled_at"])
    op.create_table(
        "dead_letters",
        sa.Column("consumer", sa.String(120), primary_key=True),
        sa.Column("event_id", sa.String(36), primary_key=True),
        sa.Column("event_type", sa.String(120), nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("died_at", sa.Float, nullable=False),
    )


def _create_request_tables() -> None:
    op.create_table(
        "spent_tokens",
        sa.Column("token_id", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
    op.create_index("spent_tokens_age", "spent_tokens", ["expires_at"])
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.String(250), primary_key=True),
        sa.Column("hits", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
    op.create_index("rate_limits_age", "rate_limits", ["expires_at"])
