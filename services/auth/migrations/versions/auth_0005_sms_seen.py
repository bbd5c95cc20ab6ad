"""Which text messages were handed in."""

import sqlalchemy as sa
from alembic import op

revision = "auth_0005"
down_revision = "auth_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sms_seen",
        sa.Column("message_id", sa.String(40), primary_key=True),
        sa.Column("channel", sa.String(16), primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("sms_seen")
