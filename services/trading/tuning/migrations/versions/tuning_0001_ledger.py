"""The tables of `services.trading.tuning.tables` as they were first released."""

import sqlalchemy as sa
from alembic import op

revision = "tuning_0001"
down_revision = None
branch_labels = ("tuning",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tuning_studies",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("strategy", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("data", sa.String(400), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("began_at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("tuning_studies_by_data", "tuning_studies", ["strategy", "data"])
    op.create_table(
        "tuning_trials",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("study", sa.String(80), sa.ForeignKey("tuning_studies.name"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("setting", sa.Text, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("sharpe", sa.Float, nullable=False),
        sa.Column("bars", sa.Integer, nullable=False),
        sa.Column("trades", sa.Integer, nullable=False),
        sa.Column("folds", sa.Text, nullable=False),
        sa.Column("recorded_at_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("study", "number", name="tuning_trials_once"),
    )
    op.create_table(
        "tuning_hold_outs",
        sa.Column("study", sa.String(80), sa.ForeignKey("tuning_studies.name"), primary_key=True),
        sa.Column("setting", sa.Text, nullable=False),
        sa.Column("opened_at_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("tuning_hold_outs", "tuning_trials", "tuning_studies"):
        op.drop_table(table)
