"""What the auth service stores. Times are whole microseconds since the Unix epoch."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

METADATA = MetaData()

# Secrets, each sealed under its own data key, which the key `kek_id` wraps.
VAULT_RECORDS = Table(
    "vault_records",
    METADATA,
    Column("record_id", String(64), primary_key=True),
    Column("account", String(200), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("generation", BigInteger, nullable=False),  # counts the writes; the record is bound to it
    Column("kek_id", String(64), nullable=False),  # repeats the record's own, so that rotation can look for it
    Column("record", Text, nullable=False),
    Column("short_seed", Boolean, nullable=False),
    Column("written_at_us", BigInteger, nullable=False),
    UniqueConstraint("account", "kind", name="vault_records_one_of_a_kind"),
    Index("vault_records_by_key", "kek_id", "record_id"),
)

# Wrapping keys: never the key, only how to get at it and how to tell that it is the right one.
VAULT_KEYS = Table(
    "vault_keys",
    METADATA,
    Column("kek_id", String(64), primary_key=True),
    Column("provider", String(32), nullable=False),
    Column("parameters", Text, nullable=False),  # JSON: salt and cost, path, key name
    Column("state", String(16), nullable=False),  # active, retiring, retired
    Column("proof", Text, nullable=False),  # a known text sealed under this key
    Column("created_at_us", BigInteger, nullable=False),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("occurred_at_us", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(64), nullable=False),
    Column("account", String(200), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("detail", String(400), nullable=False),
    Column("mac", String(64), nullable=False),  # HMAC-SHA-256 over this row and the mac before it
)

# One row: how long the audit trail is and how it ends.
AUDIT_HEAD = Table(
    "audit_head",
    METADATA,
    Column("name", String(16), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("mac", String(64), nullable=False),
)

# Secrets that are only ever compared: Argon2id with a pepper that the vault holds.
COMPARED_SECRETS = Table(
    "compared_secrets",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("phc", Text, nullable=False),
    Column("set_at_us", BigInteger, nullable=False),
)

# The last time step whose code was handed out. A code of that step or an earlier one is spent.
TOTP_CLAIMS = Table(
    "totp_claims",
    METADATA,
    Column("account", String(200), primary_key=True),
    Column("period_seconds", Integer, primary_key=True),
    Column("last_step", BigInteger, nullable=False),
    Column("claimed_at_us", BigInteger, nullable=False),
)

# Who may log an account in now; `fence` grows with every change of holder.
LOGIN_LEASES = Table(
    "login_leases",
    METADATA,
    Column("account", String(200), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
)

# Every login that was sent to a broker, written before it was sent.
LOGIN_ATTEMPTS = Table(
    "login_attempts",
    METADATA,
    Column("attempt_id", String(64), primary_key=True),
    Column("account", String(200), nullable=False),
    Column("method", String(32), nullable=False),
    Column("submitted_at_us", BigInteger, nullable=False),
    Column("outcome", String(32)),  # NULL: sent, and never heard of again
    Index("login_attempts_by_account", "account", "submitted_at_us"),
)

LOGIN_SESSIONS = Table(
    "login_sessions",
    METADATA,
    Column("account", String(200), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("state", String(32), nullable=False),
    Column("refused_codes", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("changed_at_us", BigInteger, nullable=False),
    Column("resume_at_us", BigInteger),
    Column("started_at_us", BigInteger),
    Column("expires_at_us", BigInteger),
    Column("block_reason", String(32)),
)

MFA_STAGES = Table(
    "mfa_stages",
    METADATA,
    Column("account", String(200), primary_key=True),
    Column("stage", String(32), nullable=False),
    Column("reached_at_us", BigInteger, nullable=False),
)

# Who auth logs in. Nothing secret: that is in the vault, by the same name.
ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("account", String(200), primary_key=True),
    Column("broker", String(32), nullable=False),
    Column("environment", String(16), nullable=False),
    Column("mfa", String(32), nullable=False),
    Column("base_url", String(200), nullable=False),
    Column("data", Text, nullable=False),  # JSON: texts by name
    Column("changed_at_us", BigInteger, nullable=False),
)

# Verdicts about the account that were signed up to this moment are void.
VERDICT_REVOCATIONS = Table(
    "verdict_revocations",
    METADATA,
    Column("account", String(200), primary_key=True),
    Column("revoked_at_us", BigInteger, nullable=False),
    Column("reason", String(200), nullable=False),
)

# On which host a device token was first seen, so that one that was carried to another host is noticed.
DEVICE_HOSTS = Table(
    "device_hosts",
    METADATA,
    Column("account", String(200), primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("host", String(64), nullable=False),  # SHA-256 of what names the host
)

# Text messages that were handed in, by the carrier's id and the way they came. Nothing else of them is kept.
SMS_SEEN = Table(
    "sms_seen",
    METADATA,
    Column("message_id", String(40), primary_key=True),
    Column("channel", String(16), primary_key=True),
)
