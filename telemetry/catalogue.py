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

# --- trading
VENUE = Label("venue", None)
ORDER_STATUSES = (
    "denied",
    "submitting",
    "not_sent",
    "rejected",
    "open",
    "partial",
    "pending_cancel",
    "pending_replace",
    "suspended",
    "unknown",
    "filled",
    "canceled",
    "expired",
    "replaced",
    "not_found_confirmed",
)
NEWS_SOURCE = Label("source", ("submit", "stream", "reconciliation", "operator", "recovery"))
SUBMIT_OUTCOME = Label("outcome", ("accepted", "rejected", "not_sent", "unknown"))
# An edge stands at each threshold that an objective names: 4 ms, 12 ms, 50 ms, 250 ms, 1 s.
SUBMIT_BUCKETS = (0.001, 0.002, 0.004, 0.008, 0.012, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

TRADING_PLACEMENTS = Metric(
    "sightline_trading_placements_total",
    Kind.COUNTER,
    "Wishes that were told to trading, by what became of them at the last venue that was tried.",
    (Label("outcome", ("accepted", "rejected", "not_sent", "unknown", "denied")),),
    service="trading",
)
TRADING_ADDED_LATENCY = Metric(
    "sightline_trading_added_latency_seconds",
    Kind.HISTOGRAM,
    "Time from a wish to its outcome, without the time that venues took to answer.",
    (),
    (0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.025, 0.05, 0.1, 0.25, 1.0),
    service="trading",
)
TRADING_SUBMISSIONS = Metric(
    "sightline_trading_submissions_total",
    Kind.COUNTER,
    "Orders that were sent to a venue, or tried to be, by how that ended.",
    (VENUE, SUBMIT_OUTCOME),
    service="trading",
)
TRADING_SUBMIT_DURATION = Metric(
    "sightline_trading_submit_duration_seconds",
    Kind.HISTOGRAM,
    "Time of the call that submits an order to a venue.",
    (VENUE, SUBMIT_OUTCOME),
    SUBMIT_BUCKETS,
    service="trading",
)
TRADING_DENIALS = Metric(
    "sightline_trading_denials_total",
    Kind.COUNTER,
    "Wishes that the gate refused, by the rule that did.",
    (
        Label(
            "reason",
            (
                "trading_halted",
                "trading_reducing",
                "verdict_missing",
                "verdict_expired",
                "verdict_invalid",
                "not_ready",
                "no_venue",
                "not_supported",
                "unknown_symbol",
                "symbol_halted",
                "not_shortable",
                "market_closed",
                "wrong_tick",
                "wrong_lot",
                "no_reference_price",
                "price_collar",
                "order_notional",
                "symbol_notional",
                "gross_exposure",
                "net_exposure",
                "open_orders",
                "order_rate",
                "daily_loss",
                "buying_power",
                "unknown_in_symbol",
                "stale_signal",
                "held_elsewhere",
            ),
        ),
    ),
    service="trading",
)
# From, to and source in one metric would be 1,200 series, nearly all of them for ever 0.
TRADING_TRANSITIONS = Metric(
    "sightline_trading_transitions_total",
    Kind.COUNTER,
    "Changes of orders' statuses; from none is an order's first.",
    (Label("from", ("none", *ORDER_STATUSES)), Label("to", ORDER_STATUSES)),
    service="trading",
)
TRADING_TRANSITION_SOURCES = Metric(
    "sightline_trading_transition_sources_total",
    Kind.COUNTER,
    "Changes of orders' statuses, by the new status and by who told us of it.",
    (Label("to", ORDER_STATUSES), NEWS_SOURCE),
    service="trading",
)
TRADING_OPEN_ORDERS = Metric(
    "sightline_trading_open_orders", Kind.GAUGE, "Orders that have not ended.", (VENUE,), service="trading"
)
TRADING_OLDEST_ORDER_AGE = Metric(
    "sightline_trading_oldest_order_age_seconds",
    Kind.GAUGE,
    "How long the oldest order has been as it is: not ended at all, a market order without its fill, submitted"
    " without an answer, or with a cancel or replacement under way; 0 when there is none.",
    (VENUE, Label("what", ("working", "market", "submitting", "pending"))),
    service="trading",
)
TRADING_UNKNOWN_ORDERS = Metric(
    "sightline_trading_unknown_orders",
    Kind.GAUGE,
    "Orders of which nobody knows whether they are at the venue.",
    (VENUE,),
    service="trading",
)
TRADING_UNKNOWN_OLDEST_AGE = Metric(
    "sightline_trading_unknown_oldest_age_seconds",
    Kind.GAUGE,
    "How long the oldest unknown order has been unknown; 0 when there is none.",
    (VENUE,),
    service="trading",
)
TRADING_UNKNOWN_DURATION = Metric(
    "sightline_trading_unknown_duration_seconds",
    Kind.HISTOGRAM,
    "How long orders were unknown until the venue said what became of them.",
    (VENUE,),
    (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0),
    service="trading",
)
TRADING_FILLS = Metric(
    "sightline_trading_fills_total",
    Kind.COUNTER,
    "Executions booked, by who told us of them.",
    (VENUE, NEWS_SOURCE),
    service="trading",
)
TRADING_FILL_DELAY = Metric(
    "sightline_trading_fill_delay_seconds",
    Kind.HISTOGRAM,
    "Time from an execution at the venue to its booking here.",
    (VENUE,),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 120.0, 600.0),
    service="trading",
)
TRADING_SLIPPAGE = Metric(
    "sightline_trading_slippage_bps",
    Kind.HISTOGRAM,
    "How much worse fills were than the price that the order was decided at, in basis points; negative is better.",
    (VENUE,),
    (-50.0, -20.0, -10.0, -5.0, -2.0, 0.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0),
    service="trading",
)
TRADING_INCIDENTS = Metric(
    "sightline_trading_incidents_total",
    Kind.COUNTER,
    "Things that happened to orders and should not happen; what was told is kept.",
    (
        VENUE,
        Label(
            "kind",
            (
                "late_fill",
                "overfill",
                "illegal_transition",
                "unreadable_frame",
                "unknown_status",
                "terms_differ",
                "orphan",
            ),
        ),
    ),
    service="trading",
)
TRADING_RECONCILIATIONS = Metric(
    "sightline_trading_reconciliations_total",
    Kind.COUNTER,
    "Comparisons of our books with the venue's, by what caused them and how they ended.",
    (
        VENUE,
        Label("trigger", ("start", "interval", "reconnect", "unknown_order", "operator")),
        Label("outcome", ("succeeded", "failed")),
    ),
    service="trading",
)
TRADING_RECONCILE_DURATION = Metric(
    "sightline_trading_reconcile_duration_seconds",
    Kind.HISTOGRAM,
    "Time of a comparison that succeeded, the venue's answers included.",
    (VENUE,),
    REQUEST_BUCKETS,
    service="trading",
)
TRADING_RECONCILED_AT = Metric(
    "sightline_trading_reconciled_timestamp_seconds",
    Kind.GAUGE,
    "Unix time of the venue's last comparison that succeeded; 0 before the first.",
    (VENUE,),
    service="trading",
)
TRADING_DIFFERENCES = Metric(
    "sightline_trading_differences_total",
    Kind.COUNTER,
    "Differences that comparisons found, by their kind.",
    (
        VENUE,
        Label("kind", ("missed_fill", "missed_status", "missing_at_venue", "foreign_order", "position")),
    ),
    service="trading",
)
TRADING_FAILOVERS = Metric(
    "sightline_trading_failovers_total",
    Kind.COUNTER,
    "Wishes that went on to another venue, by what proved that they could.",
    (
        Label("from_venue", None),
        Label("to_venue", None),
        Label("cause", ("not_sent", "rejected", "canceled")),
    ),
    service="trading",
)
TRADING_CIRCUIT_STATE = Metric(
    "sightline_trading_circuit_state",
    Kind.GAUGE,
    "1 for the state that the venue's circuit is in, else 0; open means that the venue is not used.",
    (VENUE, Label("state", ("closed", "open", "half_open"))),
    service="trading",
)
TRADING_CIRCUIT_CHANGES = Metric(
    "sightline_trading_circuit_changes_total",
    Kind.COUNTER,
    "Changes of a venue's circuit, by its new state.",
    (VENUE, Label("to", ("closed", "open", "half_open"))),
    service="trading",
)
TRADING_VENUE_READY = Metric(
    "sightline_trading_venue_ready",
    Kind.GAUGE,
    "1 while new exposure may go to the venue, else 0.",
    (VENUE,),
    service="trading",
)
TRADING_VENUE_HELD = Metric(
    "sightline_trading_venue_held",
    Kind.GAUGE,
    "1 while somebody holds the venue back, so that nothing new is opened there, else 0.",
    (VENUE,),
    service="trading",
)
TRADING_VENUE_HEALTH = Metric(
    "sightline_trading_venue_health_ratio",
    Kind.GAUGE,
    "Score of the venue, from 0 to 1, by which orders are routed.",
    (VENUE,),
    service="trading",
)
TRADING_STREAM_CONNECTED = Metric(
    "sightline_trading_stream_connected",
    Kind.GAUGE,
    "1 while the venue's stream of order updates stands, else 0.",
    (VENUE,),
    service="trading",
)
TRADING_STREAM_AGE = Metric(
    "sightline_trading_stream_age_seconds",
    Kind.GAUGE,
    "Time since the venue's stream was last heard, keep-alives included; 0 while it is down.",
    (VENUE,),
    service="trading",
)
TRADING_STREAM_CHANGES = Metric(
    "sightline_trading_stream_changes_total",
    Kind.COUNTER,
    "Times that the venue's stream was built up and lost.",
    (VENUE, Label("change", ("connected", "lost"))),
    service="trading",
)
TRADING_RATE_LIMIT_LEFT = Metric(
    "sightline_trading_rate_limit_left_calls",
    Kind.GAUGE,
    "Calls that the venue still takes in the present minute; -1 when it has not told.",
    (VENUE,),
    service="trading",
)
TRADING_CLOCK_SKEW = Metric(
    "sightline_trading_clock_skew_seconds",
    Kind.GAUGE,
    "How far the venue's clock is ahead of ours, negative when it is behind; 0 before the first comparison.",
    (VENUE,),
    service="trading",
)
TRADING_VERDICT_REMAINING = Metric(
    "sightline_trading_verdict_remaining_seconds",
    Kind.GAUGE,
    "How long auth's verdict on the venue's account stays valid; 0 without a valid one.",
    (VENUE,),
    service="trading",
)
TRADING_STATE = Metric(
    "sightline_trading_state",
    Kind.GAUGE,
    "1 for what trading may do now, else 0.",
    (Label("state", ("active", "reducing", "halted")),),
    service="trading",
)
TRADING_MARKET_OPEN = Metric(
    "sightline_trading_market_open", Kind.GAUGE, "1 while a regular session is on, else 0.", service="trading"
)
TRADING_KILL_SWITCH_PULLS = Metric(
    "sightline_trading_kill_switch_pulls_total",
    Kind.COUNTER,
    "Times that the kill switch was pulled.",
    service="trading",
)
TRADING_KILL_SWITCH_DURATION = Metric(
    "sightline_trading_kill_switch_duration_seconds",
    Kind.HISTOGRAM,
    "Time from pulling the kill switch to its end, by whether every venue confirmed that nothing is left.",
    (Label("flat", ("true", "false")),),
    (0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0),
    service="trading",
)
TRADING_KILL_SWITCH_ACTIVE = Metric(
    "sightline_trading_kill_switch_active", Kind.GAUGE, "1 while the kill switch is at work, else 0.", service="trading"
)
TRADING_POSITIONS = Metric(
    "sightline_trading_positions", Kind.GAUGE, "Symbols that are held.", (VENUE,), service="trading"
)
TRADING_REALISED = Metric(
    "sightline_trading_realised_dollars",
    Kind.GAUGE,
    "Profit and loss of what was closed, fees taken off, since the books began.",
    (VENUE,),
    service="trading",
)
TRADING_UNREALISED = Metric(
    "sightline_trading_unrealised_dollars",
    Kind.GAUGE,
    "Profit and loss of what is held at its last known prices; a position without a price counts as 0.",
    (VENUE,),
    service="trading",
)
TRADING_EQUITY = Metric(
    "sightline_trading_equity_dollars",
    Kind.GAUGE,
    "What the account is worth as the venue told at the last comparison; 0 before the first.",
    (VENUE,),
    service="trading",
)
TRADING_DAY_RESULT = Metric(
    "sightline_trading_day_result_dollars",
    Kind.GAUGE,
    "The session's profit as the gate sees it, after fees, all venues together; negative is a loss.",
    service="trading",
)
TRADING_DAILY_LOSS_LIMIT = Metric(
    "sightline_trading_daily_loss_limit_dollars",
    Kind.GAUGE,
    "The session's loss from which on only what reduces exposure passes.",
    service="trading",
)

# --- strategies and their bars
# Both are named in the trading file, so they are few; a start declares them.
STRATEGY = Label("strategy", None)
SYMBOL = Label("symbol", None)

TRADING_BARS = Metric(
    "sightline_trading_bars_total",
    Kind.COUNTER,
    "Bars that strategies were given, by whether the stream brought them or the source's past.",
    (SYMBOL, Label("origin", ("stream", "history"))),
    service="trading",
)
TRADING_DATA_AGE = Metric(
    "sightline_trading_market_data_age_seconds",
    Kind.GAUGE,
    "Time since the end of the symbol's newest bar, while its market is open; 0 while it is closed.",
    (SYMBOL,),
    service="trading",
)
TRADING_DATA_STALE = Metric(
    "sightline_trading_market_data_stale",
    Kind.GAUGE,
    "1 while the symbol's bars do not come though they should, else 0.",
    (SYMBOL,),
    service="trading",
)
TRADING_DATA_OUTAGE = Metric(
    "sightline_trading_market_data_outage_seconds",
    Kind.HISTOGRAM,
    "How long a symbol's bars did not come, once they come again.",
    (),
    (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0),
    service="trading",
)
TRADING_GAP_BARS = Metric(
    "sightline_trading_gap_bars_total",
    Kind.COUNTER,
    "Bars that the calendar expects and that did not come, and those of them that the source's past had.",
    (SYMBOL, Label("change", ("found", "filled"))),
    service="trading",
)
TRADING_BAR_GAPS = Metric(
    "sightline_trading_bar_gaps_total",
    Kind.COUNTER,
    "Runs of missing bars that were found, and that were dealt with.",
    (SYMBOL, Label("change", ("found", "filled"))),
    service="trading",
)
TRADING_SIGNALS = Metric(
    "sightline_trading_signals_total",
    Kind.COUNTER,
    "Signals that were told to the gate, those of them that were denied, and those that were too old to be told.",
    (STRATEGY, Label("outcome", ("emitted", "expired", "denied"))),
    service="trading",
)
TRADING_SIGNAL_DELAY = Metric(
    "sightline_trading_signal_delay_seconds",
    Kind.HISTOGRAM,
    "Time from the end of a bar to the signal decided at it.",
    (),
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
    service="trading",
)
TRADING_STRATEGY_STATE = Metric(
    "sightline_trading_strategy_state",
    Kind.GAUGE,
    "1 for what the strategy does at present, else 0.",
    (STRATEGY, Label("state", ("warming_up", "running", "paused", "stopped"))),
    service="trading",
)
TRADING_STRATEGY_STOPS = Metric(
    "sightline_trading_strategy_stops_total",
    Kind.COUNTER,
    "Times that a strategy was stopped, by why.",
    (STRATEGY, Label("cause", ("error", "operator", "configuration", "shutdown"))),
    service="trading",
)
TRADING_STRATEGY_BUDGET = Metric(
    "sightline_trading_strategy_budget_used_ratio",
    Kind.GAUGE,
    "Share of the strategy's budget that is held or works; 0 without a budget.",
    (STRATEGY,),
    service="trading",
)
TRADING_STRATEGY_BUDGET_EXHAUSTED = Metric(
    "sightline_trading_strategy_budget_exhausted_total",
    Kind.COUNTER,
    "Times that a strategy wanted more than its budget.",
    (STRATEGY,),
    service="trading",
)
TRADING_PARITY_DIVERGENCES = Metric(
    "sightline_trading_parity_divergences_total",
    Kind.COUNTER,
    "Differences between what a strategy did and what the reference backtest does over the same bars.",
    (STRATEGY,),
    service="trading",
)

# --- studies, as their ledger tells
# A strategy's name in the registry, of which there may be several in the trading file under other names.
TUNED = Label("kind", None)
TRADING_STUDY_TRIALS = Metric(
    "sightline_trading_study_trials_total",
    Kind.COUNTER,
    "Settings that studies of this kind of strategy have tried, all studies together.",
    (TUNED,),
    service="trading",
)
TRADING_STUDY_PROGRESS = Metric(
    "sightline_trading_study_progress_ratio",
    Kind.GAUGE,
    "How much of what it wants to try the latest study of this kind of strategy has tried; 0 before the first.",
    (TUNED,),
    service="trading",
)
TRADING_STUDIES_FINISHED = Metric(
    "sightline_trading_studies_finished_total",
    Kind.COUNTER,
    "Studies that were judged: their candidate passed every test, or there is no edge.",
    (TUNED, Label("verdict", ("recommended", "no_edge"))),
    service="trading",
)

# --- the paper venue
PAPER = Label("paper", None)
VENUE_REQUESTS = Metric(
    "sightline_venue_requests_total",
    Kind.COUNTER,
    "Calls of a paper broker, by what was asked for and the class of the answer.",
    (
        PAPER,
        Label(
            "kind",
            (
                "account",
                "activities",
                "assets",
                "asset",
                "positions",
                "position",
                "close",
                "close_all",
                "submit",
                "orders",
                "order",
                "find",
                "replace",
                "cancel",
                "cancel_all",
                "clock",
                "calendar",
                "bars",
                "latest",
                "stream",
            ),
        ),
        STATUS_CLASS,
    ),
    service="venue",
)
VENUE_FAULTS = Metric(
    "sightline_venue_faults_total",
    Kind.COUNTER,
    "Faults of a paper broker that happened because they were planned.",
    (
        PAPER,
        Label(
            "kind",
            (
                "latency",
                "forbidden",
                "throttled",
                "server_error",
                "gateway_timeout",
                "drop",
                "hang",
                "garbage",
                "unknown_status",
                "expired_key",
                "partial_fills",
                "slow_cancel",
                "fill_before_cancel",
                "fill_after_cancel",
                "slow_replace",
                "fill_before_replace",
                "duplicate_frame",
                "reorder_frames",
                "drop_frame",
                "delay_frame",
                "mute",
                "frame_status",
                "garbage_frame",
                "disconnect",
                "halt",
                "resume",
                "split",
                "clock_offset",
            ),
        ),
    ),
    service="venue",
)
VENUE_STREAM_CLIENTS = Metric(
    "sightline_venue_stream_clients",
    Kind.GAUGE,
    "Clients that listen to a paper broker's stream.",
    (PAPER,),
    service="venue",
)
VENUE_FILLS = Metric(
    "sightline_venue_fills_total", Kind.COUNTER, "Executions that a paper broker matched.", (PAPER,), service="venue"
)

# --- what is known
KNOWLEDGE_ENTRIES = Metric(
    "sightline_knowledge_entries",
    Kind.GAUGE,
    "Entries of the knowledge base by kind.",
    (Label("kind", ("api", "behaviour", "policy", "known_issue", "error_signature", "runbook")),),
    service="content",
)
KNOWLEDGE_STALE = Metric(
    "sightline_knowledge_stale_entries",
    Kind.GAUGE,
    "Entries whose statements were not verified for longer than they are trusted.",
    service="content",
)
KNOWLEDGE_REFUSED = Metric(
    "sightline_knowledge_refused_files", Kind.GAUGE, "Files that could not be read as entries.", service="content"
)
KNOWLEDGE_HITS = Metric(
    "sightline_knowledge_hits_total",
    Kind.COUNTER,
    "Errors and alerts that an entry answered, by how it was found.",
    (Label("how", ("exact", "pattern", "text")),),
    service="content",
)
KNOWLEDGE_MISSES = Metric(
    "sightline_knowledge_misses_total", Kind.COUNTER, "Errors that no entry answered.", service="content"
)
KNOWLEDGE_GAPS = Metric(
    "sightline_knowledge_gaps", Kind.GAUGE, "Error signatures that no entry answers.", service="content"
)
KNOWLEDGE_QUERY_DURATION = Metric(
    "sightline_knowledge_query_seconds",
    Kind.HISTOGRAM,
    "Time to search the knowledge base or to match an error.",
    (Label("operation", ("search", "match")),),
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5),
    service="content",
)
KNOWLEDGE_FOLLOWED_UNTIL = Metric(
    "sightline_knowledge_followed_timestamp_seconds",
    Kind.GAUGE,
    "Unix time up to which error lines of the log were looked at; 0 before the first look.",
    service="content",
)

# --- what writes itself
DOCUMENT_KIND = Label("kind", ("postmortem", "digest", "weekly_review", "audit_report"))
DOCUMENTS = Metric(
    "sightline_documents_total",
    Kind.COUNTER,
    "Attempts to write a document, by how they ended.",
    (DOCUMENT_KIND, Label("outcome", ("written", "failed"))),
    service="content",
)
DOCUMENT_DURATION = Metric(
    "sightline_document_write_seconds",
    Kind.HISTOGRAM,
    "Time to gather and to write a document.",
    (DOCUMENT_KIND,),
    (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    service="content",
)

# --- what is out of the ordinary, and why
# Signals and causes stand in tables of the agents; a start declares the signals.
WATCHED = Label("signal", None)
STAGE = Label(
    "stage",
    ("login", "orders", "market_data", "strategies", "pipelines", "books", "storage", "services"),
)
ANOMALIES = Metric(
    "sightline_anomalies_total",
    Kind.COUNTER,
    "Times that a signal was found to be out of the ordinary.",
    (WATCHED, STAGE, Label("severity", ("critical", "warning", "info"))),
    service="agents",
)
ANOMALIES_OPEN = Metric(
    "sightline_anomalies_open",
    Kind.GAUGE,
    "Anomalies that are not over.",
    (STAGE, Label("severity", ("critical", "warning", "info"))),
    service="agents",
)
ANOMALY_SCORE = Metric(
    "sightline_anomaly_score_ratio",
    Kind.GAUGE,
    "How far the signal is from what is usual, at the worst of its series; 1 is the edge of the ordinary.",
    (WATCHED,),
    service="agents",
)
ANOMALY_DURATION = Metric(
    "sightline_anomaly_duration_seconds",
    Kind.HISTOGRAM,
    "How long a signal was out of the ordinary, once it is as usual again.",
    (),
    (15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0),
    service="agents",
)
DETECTORS = Metric(
    "sightline_detectors",
    Kind.GAUGE,
    "Detectors, one for each series that is watched, by what they do at present.",
    (Label("state", ("warming_up", "watching", "found", "blind")),),
    service="agents",
)
DETECTOR_BLIND = Metric(
    "sightline_detector_blind",
    Kind.GAUGE,
    "1 while the signal cannot be read, else 0.",
    (WATCHED,),
    service="agents",
)
DETECTOR_OBSERVATIONS = Metric(
    "sightline_detector_observations_total",
    Kind.COUNTER,
    "Values of the signal that detectors were given.",
    (WATCHED,),
    service="agents",
)
DETECTORS_BEHIND = Metric(
    "sightline_detectors_behind_seconds",
    Kind.GAUGE,
    "Time since the newest moment that detectors have looked at.",
    service="agents",
)
DETECTION_ROUND = Metric(
    "sightline_detection_round_seconds",
    Kind.HISTOGRAM,
    "Time to read every signal once and to give it to its detectors.",
    (),
    (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    service="agents",
)
LOG_TEMPLATES = Metric(
    "sightline_log_templates",
    Kind.GAUGE,
    "Kinds of log lines that are known.",
    service="agents",
)
DIAGNOSES = Metric(
    "sightline_diagnoses_total",
    Kind.COUNTER,
    "Diagnoses by their best cause.",
    (
        Label(
            "cause",
            (
                "no_finding",
                "expired_token",
                "rate_limited",
                "venue_slow",
                "rejected_after_accept",
                "quotes_frozen",
                "code_delayed",
                "clock_drift",
                "storage_full",
                "worker_crash_loop",
                "poison_event",
                "strategy_decay",
                "bad_configuration",
                "retry_storm",
                "duplicate_fill",
                "venue_down",
            ),
        ),
    ),
    service="agents",
)
DIAGNOSIS_DURATION = Metric(
    "sightline_diagnosis_duration_seconds",
    Kind.HISTOGRAM,
    "Time to collect the evidence about an incident and to weigh it.",
    (),
    (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    service="agents",
)
DIAGNOSIS_CONFIDENCE = Metric(
    "sightline_diagnosis_confidence_ratio",
    Kind.HISTOGRAM,
    "Confidence in a diagnosis' best cause; 0 without a finding.",
    (),
    (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
    service="agents",
)
DIAGNOSIS_PROSE = Metric(
    "sightline_diagnosis_prose_total",
    Kind.COUNTER,
    "Diagnoses by what became of the wish to have them put into sentences by a language model.",
    (Label("outcome", ("off", "written", "refused", "failed")),),
    service="agents",
)

PIPELINE = Label("pipeline", None)  # as many as there are pipelines, which are code

PIPELINE_RUNS_STARTED = Metric(
    "sightline_pipeline_runs_started_total",
    Kind.COUNTER,
    "Runs that began, by what caused them.",
    (PIPELINE, Label("cause", ("event", "alert", "schedule", "command", "http"))),
    service="automation",
)
PIPELINE_RUNS = Metric(
    "sightline_pipeline_runs_total",
    Kind.COUNTER,
    "Runs that ended, by how.",
    (PIPELINE, Label("outcome", ("succeeded", "failed", "canceled"))),
    service="automation",
)
PIPELINE_DURATION = Metric(
    "sightline_pipeline_duration_seconds",
    Kind.HISTOGRAM,
    "From a run's cause being taken in to its end.",
    (PIPELINE,),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0),
    service="automation",
)
PIPELINE_STEP_RETRIES = Metric(
    "sightline_pipeline_step_retries_total",
    Kind.COUNTER,
    "Tries of steps that failed and were followed by another.",
    (PIPELINE, Label("failure_class", ("transient", "throttled", "auth", "definitive", "unknown"))),
    service="automation",
)
PIPELINE_STEP_FAILURES = Metric(
    "sightline_pipeline_step_failures_total",
    Kind.COUNTER,
    "Steps that failed for good.",
    (PIPELINE, Label("failure_class", ("transient", "throttled", "auth", "definitive", "unknown"))),
    service="automation",
)
PIPELINE_RECOVERIES = Metric(
    "sightline_pipeline_recoveries_total",
    Kind.COUNTER,
    "Runs that went on after a crash had cut them short.",
    (PIPELINE,),
    service="automation",
)
PIPELINE_LEASES_LOST = Metric(
    "sightline_pipeline_leases_lost_total",
    Kind.COUNTER,
    "Runs that stopped before their next call because another run works on the same target.",
    (PIPELINE,),
    service="automation",
)
PIPELINE_OPEN = Metric(
    "sightline_pipeline_open_runs",
    Kind.GAUGE,
    "Runs that have not ended, by how they stand.",
    (Label("status", ("queued", "running", "waiting_approval")),),
    service="automation",
)
PIPELINE_OLDEST = Metric(
    "sightline_pipeline_oldest_run_seconds",
    Kind.GAUGE,
    "Age of the oldest run that has not ended and waits for no person; 0 when there is none.",
    service="automation",
)
PIPELINE_LAST_SUCCESS = Metric(
    "sightline_pipeline_last_success_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the pipeline last ended well; 0 before the first time.",
    (PIPELINE,),
    service="automation",
)
PIPELINE_SCHEDULE_LAG = Metric(
    "sightline_pipeline_schedule_lag_seconds",
    Kind.GAUGE,
    "How late the latest scheduled run began.",
    (PIPELINE,),
    service="automation",
)
PIPELINE_OVERDUE = Metric(
    "sightline_pipeline_schedule_overdue_seconds",
    Kind.GAUGE,
    "For how long a scheduled run has been due and not begun; 0 when none is.",
    (PIPELINE,),
    service="automation",
)
APPROVALS = Metric(
    "sightline_approvals_total",
    Kind.COUNTER,
    "Questions to a person, and what became of them.",
    (Label("outcome", ("requested", "granted", "refused", "expired")),),
    service="automation",
)
APPROVALS_PENDING = Metric(
    "sightline_approvals_pending",
    Kind.GAUGE,
    "Questions that wait for a person.",
    service="automation",
)
APPROVALS_OLDEST = Metric(
    "sightline_approvals_oldest_seconds",
    Kind.GAUGE,
    "How long the oldest question has waited for a person; 0 when none does.",
    service="automation",
)
MANUAL_INTERVENTIONS = Metric(
    "sightline_manual_interventions_total",
    Kind.COUNTER,
    "What a person did by hand because no pipeline could: meant to reach zero.",
    (Label("kind", ("approve", "refuse", "run", "cancel")),),
    service="automation",
)

_INCIDENT_BUCKETS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0)

INCIDENTS_OPENED = Metric(
    "sightline_incidents_opened_total",
    Kind.COUNTER,
    "Incidents that were opened.",
    (Label("severity", ("critical", "warning", "info")),),
    service="automation",
)
INCIDENTS_ENDED = Metric(
    "sightline_incidents_ended_total",
    Kind.COUNTER,
    "Incidents that ended: resolved by the platform, or escalated to a person.",
    (Label("outcome", ("resolved", "escalated")),),
    service="automation",
)
INCIDENTS = Metric(
    "sightline_incidents",
    Kind.GAUGE,
    "Incidents that are not over, by how they stand.",
    (Label("status", ("opened", "diagnosing", "acting", "verifying")),),
    service="automation",
)
INCIDENT_OLDEST = Metric(
    "sightline_incident_oldest_seconds",
    Kind.GAUGE,
    "Age of the oldest incident that is not over; 0 when there is none.",
    service="automation",
)
INCIDENT_DETECTION = Metric(
    "sightline_incident_detection_seconds",
    Kind.HISTOGRAM,
    "From an incident's beginning, as far as it is known, until the platform took notice.",
    (),
    _INCIDENT_BUCKETS,
    service="automation",
)
INCIDENT_MITIGATION = Metric(
    "sightline_incident_mitigation_seconds",
    Kind.HISTOGRAM,
    "From an incident's beginning to the end of the platform's last action.",
    (),
    _INCIDENT_BUCKETS,
    service="automation",
)
INCIDENT_RESOLUTION = Metric(
    "sightline_incident_resolution_seconds",
    Kind.HISTOGRAM,
    "From an incident's beginning until a check of the state said that it was over.",
    (),
    _INCIDENT_BUCKETS,
    service="automation",
)
INCIDENT_ACTIONS = Metric(
    "sightline_incident_actions_total",
    Kind.COUNTER,
    "What the platform did about incidents, or did not, by outcome.",
    (
        Label("action", None),  # the rules of automation's policy
        Label("outcome", ("done", "failed", "refused", "expired")),
    ),
    service="automation",
)

NOTIFICATION_CHANNEL = Label("channel", None)  # slack, email, and one for each further address

NOTIFICATIONS = Metric(
    "sightline_notifications_total",
    Kind.COUNTER,
    "Messages to people, by channel: taken, not taken and tried again, or given up.",
    (NOTIFICATION_CHANNEL, Label("outcome", ("sent", "failed", "undelivered"))),
    service="automation",
)
NOTIFICATIONS_WAITING = Metric(
    "sightline_notifications_waiting",
    Kind.GAUGE,
    "Messages to people that wait to be sent.",
    (NOTIFICATION_CHANNEL,),
    service="automation",
)
NOTIFICATIONS_OLDEST = Metric(
    "sightline_notifications_oldest_seconds",
    Kind.GAUGE,
    "Age of the oldest message that waits to be sent; 0 when none does.",
    (NOTIFICATION_CHANNEL,),
    service="automation",
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
        "sightline.venue",
        "sightline.intent.id",
        "sightline.order.id",
        "sightline.order.route",
    }
)
