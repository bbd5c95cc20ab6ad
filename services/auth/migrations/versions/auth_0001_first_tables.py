"""The tables of `services.auth.tables` as they were first released."""

import sqlalchemy as sa
from alembic import op

revision = "auth_0001"
down_revision = None
branch_labels = ("auth",)
depends_on = None


def upgrade() -> None:
    _create_vault_tables()
    _create_audit_tables()
    _create_login_tables()
    _create_account_tables()


def downgrade() -> None:
    for table in ("mfa_stages", "login_sessions", "login_attempts", "login_leases", "totp_claims"):
        op.drop_table(table)
    for table in ("audit_head", "audit", "compared_secrets", "vault_keys", "vault_records"):
        op.drop_table(table)


def _create_vault_tables() -> None:
    op.create_table(
        "vault_records",
        sa.Column("record_id", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("kek_id", sa.String(64), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("short_seed", sa.Boolean, nullable=False),
        sa.Column("written_at_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("account", "kind", name="vault_records_one_of_a_kind"),
    )
    op.create_index("vault_records_by_key", "vault_records", ["kek_id", "record_id"])
    op.create_table(
        "vault_keys",
        sa.Column("kek_id", sa.String(64), primary_key=True),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("proof", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "compared_secrets",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("phc", sa.Text, nullable=False),
        sa.Column("set_at_us", sa.BigInteger, nullable=False),
    )


def _create_audit_tables() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("occurred_at_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.String(400), nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
    )
    op.create_table(
        "audit_head",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
    )


def _create_login_tables() -> None:
    op.create_table(
        "login_leases",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "login_attempts",
        sa.Column("attempt_id", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("method", sa.String(32), nullable=False),
        sa.Column("submitted_at_us", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(32)),
    )
    op.create_index("login_attempts_by_account", "login_attempts", ["account", "submitted_at_us"])
    op.create_table(
        "login_sessions",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("refused_codes", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
        sa.Column("resume_at_us", sa.BigInteger),
        sa.Column("started_at_us", sa.BigInteger),
        sa.Column("expires_at_us", sa.BigInteger),
        sa.Column("block_reason", sa.String(32)),
    )


def _create_account_tables() -> None:
    op.create_table(
        "totp_claims",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("period_seconds", sa.Integer, primary_key=True),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("claimed_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "mfa_stages",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("reached_at_us", sa.BigInteger, nullable=False),
    )
