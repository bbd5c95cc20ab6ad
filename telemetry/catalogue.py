"""Every metric, label, bucket and span attribute that Sightline emits: plain data, imports nothing of ours.

Services, dashboards, alert rules and docs all read names from here, so they cannot drift apart.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The Prometheus type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and every value it may take.

    `values` is None for a label whose values are known only when a service starts (route templates, names of
    dependencies); the service declares them then, and an undeclared value is recorded as "other".
    """

    name: str
    values: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family. The name ends in its unit; histogram buckets are in that unit.

    `service` names the one service that has it; None means that every service does.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    service: str | None = None


METHOD = Label("method", ("GET", "POST", "PUT", "PATCH", "DELETE", "other"))
ROUTE = Label("route", None)
STATUS_CLASS = Label("status_class", ("1xx", "2xx", "3xx", "4xx", "5xx"))
SIGNAL = Label("signal", ("logs", "spans"))
DROP_REASON = Label("reason", ("queue_full", "rejected", "spool_full", "unserialisable", "shutdown"))
DEPENDENCY = Label("dependency", None)
EVENT_TYPE = Label("event_type", None)
CONSUMER = Label("consumer", None)
LIMIT = Label("limit", None)

# An edge stands at each threshold that a service level objective names: 5 ms, 50 ms, 250 ms, 1 s.
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# --- process and service
BUILD_INFO = Metric("sightline_build_info", Kind.GAUGE, "Always 1; the version in a label.", (Label("version", None),))

# --- requests served
HTTP_REQUEST_DURATION = Metric(
    "sightline_http_request_duration_seconds",
    Kind.HISTOGRAM,
    "Time from the first byte in to the last byte out, by route template.",
    (METHOD, ROUTE, STATUS_CLASS),
    REQUEST_BUCKETS,
)
HTTP_REQUESTS_IN_FLIGHT = Metric("sightline_http_requests_in_flight", Kind.GAUGE, "Requests being served now.")

# --- requests made
HTTP_CLIENT_DURATION = Metric(
    "sightline_http_client_duration_seconds",
    Kind.HISTOGRAM,
    "Time of an outgoing call by the dependency called and how it ended.",
    (
        DEPENDENCY,
        Label("outcome", ("2xx", "3xx", "4xx", "5xx", "timeout", "connect_error", "error")),
    ),
    REQUEST_BUCKETS,
)

# --- refusals
REQUEST_REFUSALS = Metric(
    "sightline_request_refusals_total",
    Kind.COUNTER,
    "Requests turned away before a handler ran.",
    (
        Label(
            "reason",
            (
                "token_missing",
                "token_malformed",
                "token_unknown_caller",
                "token_bad_signature",
                "token_expired",
                "token_not_yet_valid",
                "token_wrong_request",
                "token_replayed",
                "scope_missing",
                "body_too_large",
                "invalid_request",
                "rate_limited",
                "unhandled_error",
            ),
        ),
    ),
)
RATE_LIMIT_HITS = Metric(
    "sightline_rate_limit_hits_total",
    Kind.COUNTER,
    "Calls counted by a limit.",
    (LIMIT, Label("outcome", ("allowed", "limited"))),
)

# --- readiness
DEPENDENCY_READY = Metric(
    "sightline_dependency_ready",
    Kind.GAUGE,
    "1 when the last readiness check of the dependency passed, else 0.",
    (DEPENDENCY,),
)

# --- telemetry about telemetry
TELEMETRY_ACCEPTED = Metric(
    "sightline_telemetry_accepted_total", Kind.COUNTER, "Items put into the emitting queue.", (SIGNAL,)
)
TELEMETRY_DELIVERED = Metric(
    "sightline_telemetry_delivered_total",
    Kind.COUNTER,
    "Items a sink confirmed.",
    (SIGNAL, Label("sink", ("loki", "otlp", "embedded"))),
)
TELEMETRY_DROPPED = Metric(
    "sightline_telemetry_dropped_total",
    Kind.COUNTER,
    "Items lost for good, by reason.",
    (SIGNAL, DROP_REASON),
)
TELEMETRY_SPOOLED = Metric(
    "sightline_telemetry_spooled_total", Kind.COUNTER, "Items written to disk because a sink was away.", (SIGNAL,)
)
TELEMETRY_REPLAYED = Metric(
    "sightline_telemetry_replayed_total", Kind.COUNTER, "Spooled items a sink took later.", (SIGNAL,)
)
TELEMETRY_QUEUE_LENGTH = Metric(
    "sightline_telemetry_queue_length_items", Kind.GAUGE, "Items waiting in memory.", (SIGNAL,)
)
TELEMETRY_SPOOL_SIZE = Metric("sightline_telemetry_spool_size_bytes", Kind.GAUGE, "Bytes on disk waiting for a sink.")
TELEMETRY_SPOOL_OLDEST = Metric(
    "sightline_telemetry_spool_oldest_age_seconds", Kind.GAUGE, "Age of the oldest spooled batch; 0 when there is none."
)
TELEMETRY_REDACTIONS = Metric(
    "sightline_telemetry_redactions_total",
    Kind.COUNTER,
    "Secrets blanked out of log lines before they were queued, by the pattern that matched.",
    (
        Label(
            "pattern",
            ("field", "otpauth", "jwt", "pem", "bearer", "key_value", "url_userinfo", "base32", "broker_key", "code"),
        ),
    ),
)
METRIC_UNDECLARED = Metric(
    "sightline_metric_undeclared_labels_total",
    Kind.COUNTER,
    "Observations whose label value was not declared at start and was recorded as other.",
)

# --- events
EVENTS_RECORDED = Metric(
    "sightline_events_recorded_total",
    Kind.COUNTER,
    "Facts committed together with the state they report.",
    (EVENT_TYPE,),
)
EVENTS_PUBLISHED = Metric("sightline_events_published_total", Kind.COUNTER, "Facts the bus confirmed.", (EVENT_TYPE,))
EVENTS_CONSUMED = Metric(
    "sightline_events_consumed_total",
    Kind.COUNTER,
    "Facts delivered to a consumer, by how handling ended.",
    (CONSUMER, Label("outcome", ("handled", "duplicate", "retried", "dead_lettered"))),
)
EVENT_HANDLING_DURATION = Metric(
    "sightline_event_handling_duration_seconds",
    Kind.HISTOGRAM,
    "Time a consumer's handler took.",
    (CONSUMER,),
    REQUEST_BUCKETS,
)
EVENT_LAG = Metric(
    "sightline_event_lag_seconds",
    Kind.HISTOGRAM,
    "Time from the fact to the start of its handling.",
    (CONSUMER,),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0),
)
OUTBOX_PENDING = Metric("sightline_outbox_pending_events", Kind.GAUGE, "Committed facts the bus has not confirmed.")
OUTBOX_OLDEST = Metric(
    "sightline_outbox_oldest_age_seconds", Kind.GAUGE, "Age of the oldest unpublished fact; 0 when there is none."
)
DEAD_LETTERS = Metric(
    "sightline_dead_letters_events", Kind.GAUGE, "Facts kept aside after the last attempt failed.", (CONSUMER,)
)
BUS_CONNECTED = Metric("sightline_bus_connected", Kind.GAUGE, "1 while the connection to the event bus is up.")

# --- alerts taken in
ALERTS_RECEIVED = Metric(
    "sightline_alerts_received_total",
    Kind.COUNTER,
    "Alert notifications taken in from Alertmanager.",
    (
        Label("severity", ("critical", "warning", "info", "none", "other")),
        Label("status", ("firing", "resolved")),
    ),
)
ALERTS_FIRING = Metric(
    "sightline_alerts_firing",
    Kind.GAUGE,
    "Alerts firing now as the platform knows them.",
    (Label("severity", ("critical", "warning", "info", "none", "other")),),
)
WATCHDOG_LAST_SEEN = Metric(
    "sightline_watchdog_last_seen_timestamp_seconds",
    Kind.GAUGE,
    "Unix time of the last Watchdog notification; 0 before the first.",
)
WATCHDOG_SILENT = Metric(
    "sightline_watchdog_silent", Kind.GAUGE, "1 when the alerting pipeline has not been heard for too long."
)

# --- logging in
ACCOUNT = Label("account", None)
LOGIN_METHOD = Label("method", ("key_pair", "totp", "sms", "oauth", "approval"))
PREFLIGHT_CHECKS = (
    "vault_unsealed",
    "store_permissions",
    "store_integrity",
    "audit_chain",
    "clock_offset",
    "seed_health",
    "mfa_method",
    "telemetry_flowing",
    "credential_valid",
    "account_status",
    "session_lifetime",
    "device_token",
    "attempt_budget",
    "venue_reachable",
    "endpoint_identity",
    "secret_exposure",
)
AUTH_ATTEMPTS = Metric(
    "sightline_auth_attempts_total",
    Kind.COUNTER,
    "Logins and refreshes that ended, by how.",
    (
        Label("flow", ("login", "refresh")),
        LOGIN_METHOD,
        Label(
            "outcome",
            (
                "succeeded",
                "password_refused",
                "code_refused",
                "code_missing",
                "approval_denied",
                "approval_timed_out",
                "account_restricted",
                "broker_unreachable",
                "broker_asked_to_wait",
                "outcome_unknown",
                "budget_exhausted",
                "session_lost",
                "refresh_refused",
            ),
        ),
    ),
    service="auth",
)
AUTH_FLOW_DURATION = Metric(
    "sightline_auth_flow_duration_seconds",
    Kind.HISTOGRAM,
    "Time from the attempt to the broker's last word on it, waits for codes and approvals included.",
    (LOGIN_METHOD, Label("outcome", ("succeeded", "failed"))),
    (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0),
    service="auth",
)
AUTH_CODE_WAIT = Metric(
    "sightline_auth_code_wait_seconds",
    Kind.HISTOGRAM,
    "Time that a login waited for a code: for an unused time step, or for a text message.",
    (Label("method", ("totp", "sms")),),
    (0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0),
    service="auth",
)
AUTH_SESSION_EXPIRY = Metric(
    "sightline_auth_session_expiry_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the account's session ends; 0 when there is none, or it does not end by itself.",
    (ACCOUNT,),
    service="auth",
)
AUTH_LOGIN_DUE = Metric(
    "sightline_auth_login_due_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which a person has to log the account in again; 0 for never, or not known yet.",
    (ACCOUNT,),
    service="auth",
)
AUTH_SESSION_STATE = Metric(
    "sightline_auth_session_state",
    Kind.GAUGE,
    "1 for the state that the account's session is in, else 0.",
    (
        ACCOUNT,
        Label(
            "state",
            (
                "signed_out",
                "authenticating",
                "awaiting_totp",
                "awaiting_sms",
                "awaiting_approval",
                "verifying",
                "active",
                "refreshing",
                "backing_off",
                "cooling_down",
                "blocked",
            ),
        ),
    ),
    service="auth",
)
AUTH_LOCKOUTS = Metric(
    "sightline_auth_lockouts_total",
    Kind.COUNTER,
    "Times that an account was closed to logins until a person has looked.",
    (Label("reason", ("password_refused", "codes_refused", "approval_denied", "account_restricted")),),
    service="auth",
)
AUTH_ATTEMPT_BUDGET_LEFT = Metric(
    "sightline_auth_attempt_budget_left_attempts",
    Kind.GAUGE,
    "Logins that may still be sent to the account's broker now; 3 when none was sent lately.",
    (ACCOUNT,),
    service="auth",
)
AUTH_MFA_STAGE = Metric(
    "sightline_auth_mfa_stage",
    Kind.GAUGE,
    "1 for the stage that the account has reached on its way from SMS to TOTP, else 0; all 0 without a second factor.",
    (ACCOUNT, Label("stage", ("sms_only", "totp_pending", "totp_verified", "sms_removed"))),
    service="auth",
)
AUTH_CREDENTIAL_WRITTEN = Metric(
    "sightline_auth_credential_written_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the secret was last written; 0 when the account has none of this kind.",
    (
        ACCOUNT,
        Label("kind", ("api_key", "password", "totp_seed", "device_token", "oauth_tokens", "webhook_secret")),
    ),
    service="auth",
)
AUTH_PREFLIGHT_CHECKS = Metric(
    "sightline_auth_preflight_checks_total",
    Kind.COUNTER,
    "Preflight checks made, by what each found.",
    (Label("check", PREFLIGHT_CHECKS), Label("outcome", ("pass", "warn", "fail"))),
    service="auth",
)
AUTH_PREFLIGHT_FAILING = Metric(
    "sightline_auth_preflight_failing",
    Kind.GAUGE,
    "1 when the account's last preflight failed, else 0.",
    (ACCOUNT,),
    service="auth",
)
AUTH_PREFLIGHT_DURATION = Metric(
    "sightline_auth_preflight_duration_seconds",
    Kind.HISTOGRAM,
    "Time of a whole preflight.",
    (),
    (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0),
    service="auth",
)
AUTH_CLOCK_OFFSET = Metric(
    "sightline_auth_clock_offset_seconds",
    Kind.GAUGE,
    "How far the servers' clocks are ahead of ours, as most of them agree; negative when they are behind.",
    service="auth",
)
AUTH_VAULT_SEALED = Metric(
    "sightline_auth_vault_sealed", Kind.GAUGE, "1 while the vault cannot open what it holds.", service="auth"
)
AUTH_AUDIT_BROKEN = Metric(
    "sightline_auth_audit_chain_broken",
    Kind.GAUGE,
    "1 when the last walk along the audit trail found a row edited, missing or cut off.",
    service="auth",
)
AUTH_SMS = Metric(
    "sightline_auth_sms_total",
    Kind.COUNTER,
    "Text messages that arrived, by whether a login could use them.",
    (
        Label(
            "outcome",
            ("matched", "no_challenge", "too_early", "too_late", "no_code", "ambiguous", "duplicate"),
        ),
    ),
    service="auth",
)
AUTH_SMS_REFUSED = Metric(
    "sightline_auth_sms_refused_total",
    Kind.COUNTER,
    "Calls of the SMS webhook that were answered with 403.",
    (Label("reason", ("not_a_form", "too_large", "malformed", "bad_signature", "foreign_account", "repeated")),),
    service="auth",
)

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))


def emitted_by(service: str) -> tuple[Metric, ...]:
    """The metrics that a service has: everybody's, and its own."""
    return tuple(metric for metric in METRICS if metric.service in (None, service))


# Attributes a span may carry out of the process. Whatever is not listed is dropped by the exporter wrapper, so that
# a query string or an exception text cannot leave by accident.
SPAN_ATTRIBUTES: frozenset[str] = frozenset(
    {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "server.address",
        "server.port",
        "url.scheme",
        "network.protocol.version",
        "error.type",
        "exception.type",
        "db.system.name",
        "db.operation.name",
        "messaging.system",
        "messaging.operation.name",
        "messaging.destination.name",
        "messaging.message.id",
        "sightline.caller",
        "sightline.consumer",
        "sightline.event.id",
        "sightline.event.type",
        "sightline.attempt",
        "sightline.outcome",
        "sightline.dependency",
        "sightline.alert.name",
    }
)
