"""What the automation service stores."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

METADATA = MetaData()

# Times are whole microseconds since the Unix epoch: exact, ordered and the same on SQLite and Postgres.
ALERTS = Table(
    "alerts",
    METADATA,
    Column("fingerprint", String(64), primary_key=True),
    Column("starts_at_us", BigInteger, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("service_name", String(100), nullable=False),
    Column("summary", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("runbook_url", Text, nullable=False),
    Column("ends_at_us", BigInteger),
    # Since when Alertmanager no longer lists an alert whose resolution never arrived; NULL while it does.
    Column("missing_since_us", BigInteger),
    Index("alerts_by_status", "status", "starts_at_us"),
)

# One row: when the alerting pipeline was last heard, and since when it has been known to be silent.
HEARTBEAT = Table(
    "heartbeat",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("heard_at_us", BigInteger, nullable=False),
    Column("silent_since_us", BigInteger),
)

# What each run was started by and how it ended. Its steps are DBOS's.
RUNS = Table(
    "pipeline_runs",
    METADATA,
    Column("run_id", String(300), primary_key=True),
    Column("pipeline", String(100), nullable=False),
    Column("cause_kind", String(16), nullable=False),
    Column("cause_id", String(200), nullable=False),
    Column("cause", Text, nullable=False),
    Column("target", String(200)),
    Column("status", String(32), nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),
    Column("detail", Text, nullable=False),
    Column("trace_id", String(32), nullable=False),
    Index("pipeline_runs_by_status", "status", "started_at_us"),
    Index("pipeline_runs_by_pipeline", "pipeline", "status", "started_at_us"),
    Index("pipeline_runs_by_start", "started_at_us"),
)

# Which run works on a target: who is not named has lost it.
LEASES = Table(
    "pipeline_leases",
    METADATA,
    Column("name", String(200), primary_key=True),
    Column("run_id", String(300), nullable=False),
    Column("taken_at_us", BigInteger, nullable=False),
)

# What a person was asked. One row for each question of a run, however often the run is taken through it.
APPROVALS = Table(
    "approvals",
    METADATA,
    Column("approval_id", String(64), primary_key=True),
    Column("run_id", String(300), nullable=False),
    Column("number", Integer, nullable=False),
    Column("pipeline", String(100), nullable=False),
    Column("action", String(100), nullable=False),
    Column("parameters", Text, nullable=False),
    Column("parameters_digest", String(64), nullable=False),
    Column("target", String(200)),
    Column("reason", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("requested_at_us", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
    Column("decided_at_us", BigInteger),
    Column("decided_by", String(100)),
    Column("used_at_us", BigInteger),
    UniqueConstraint("run_id", "number", name="approvals_once"),
    Index("approvals_by_status", "status", "expires_at_us"),
)

# What went wrong. One incident takes in everything about its target that is told while it is under way.
INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("incident_id", String(64), primary_key=True),
    Column("title", Text, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("cause_kind", String(16), nullable=False),
    Column("cause_id", String(200), nullable=False),
    Column("alert_name", String(200), nullable=False),
    Column("target", String(200), nullable=False),
    Column("service_name", String(100), nullable=False),
    Column("trace_id", String(32), nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("detected_at_us", BigInteger, nullable=False),
    Column("mitigated_at_us", BigInteger),
    Column("ended_at_us", BigInteger),
    Column("causes", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("knowledge_ids", Text, nullable=False),
    Column("actions", Text, nullable=False),
    Column("document_id", String(64)),
    UniqueConstraint("cause_id", name="incidents_once"),
    Index("incidents_by_target", "target", "status", "detected_at_us"),
    Index("incidents_by_time", "detected_at_us"),
)

INCIDENT_CHANGES = Table(
    "incident_changes",
    METADATA,
    Column("incident_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("detail", Text, nullable=False),
)

# Which causes an incident took in, and which runs take care of it.
INCIDENT_CAUSES = Table(
    "incident_causes",
    METADATA,
    Column("cause_id", String(200), primary_key=True),
    Column("incident_id", String(64), nullable=False, index=True),
    Column("run_id", String(300), nullable=False),
)

# What a person is to be told, once for each channel. A row stays, so that an event told again is not told twice.
NOTIFICATIONS = Table(
    "notifications",
    METADATA,
    Column("message_id", String(64), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("queued_at_us", BigInteger, nullable=False),
    Column("due_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),
    Index("notifications_by_status", "channel", "status", "queued_at_us"),
)
