"""What each text about a period counts and lists: facts, by service and type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from services.contracts.documents import DocumentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One section: facts of one service.

    Attributes:
        counted: What to call the facts of each type; in this order.
        listed: Types whose facts stand one by one.
        by: Types that are counted by the value of a field as well.
    """

    title: str
    service: str
    counted: Mapping[str, str]
    listed: frozenset[str] = frozenset()
    by: Mapping[str, str] = field(default_factory=dict)


# Facts that say how an order stands, in the order of its life.
ORDERS: Final = Part(
    title="Orders",
    service="trading",
    counted=MappingProxyType(
        {
            "trading.order_denied": "orders denied by our own rules",
            "trading.order_submitting": "orders submitted",
            "trading.order_not_sent": "orders that never left",
            "trading.order_accepted": "orders accepted by a venue",
            "trading.order_rejected": "orders rejected by a venue",
            "trading.order_unknown": "orders unknown",
            "trading.order_resolved": "unknown orders resolved",
            "trading.order_filled": "orders filled",
            "trading.order_ended": "orders ended otherwise",
            "trading.fill_booked": "fills",
        }
    ),
    by={"trading.order_denied": "reason", "trading.order_rejected": "venue"},
)
_LOGINS: Final = Part(
    title="Logins and sessions",
    service="auth",
    counted=MappingProxyType(
        {
            "auth.login_started": "logins begun",
            "auth.login_succeeded": "logins that succeeded",
            "auth.login_failed": "logins that failed",
            "auth.login_blocked": "accounts blocked",
            "auth.login_unblocked": "accounts unblocked by a person",
            "auth.session_refreshed": "sessions refreshed",
            "auth.session_ended": "sessions ended",
            "auth.code_issued": "codes issued",
            "auth.sms_received": "SMS received",
            "auth.sms_unmatched": "SMS that nothing waited for",
        }
    ),
    listed=frozenset({"auth.login_blocked", "auth.login_unblocked"}),
    by={"auth.login_failed": "reason"},
)
_SECRETS: Final = Part(
    title="Secrets",
    service="auth",
    counted=MappingProxyType(
        {
            "auth.vault_unsealed": "times the vault was unsealed",
            "auth.secret_stored": "secrets stored",
            "auth.secret_removed": "secrets removed",
            "auth.secret_opened": "times a secret was opened",
            "auth.wrapping_key_rotated": "wrapping keys rotated",
        }
    ),
    listed=frozenset({"auth.vault_unsealed", "auth.secret_stored", "auth.secret_removed", "auth.wrapping_key_rotated"}),
    by={"auth.secret_opened": "purpose"},
)
_PREFLIGHT: Final = Part(
    title="Preflight",
    service="auth",
    counted=MappingProxyType(
        {
            "auth.preflight_passed": "verdicts that let trading run",
            "auth.preflight_failed": "verdicts that did not",
            "auth.verdicts_revoked": "times verdicts were revoked",
        }
    ),
    listed=frozenset({"auth.verdicts_revoked"}),
)
_RECONCILIATIONS: Final = Part(
    title="Reconciliations",
    service="trading",
    counted=MappingProxyType(
        {
            "trading.reconciled": "comparisons with a venue told",
            "trading.reconciliation_failed": "comparisons that failed",
            "trading.drift_found": "differences found",
            "trading.split_booked": "splits booked",
            "trading.order_incident": "frames that no order explains",
        }
    ),
    listed=frozenset({"trading.drift_found", "trading.split_booked", "trading.order_incident"}),
)
_APPROVALS: Final = Part(
    title="Approvals and interventions",
    service="automation",
    counted=MappingProxyType(
        {
            "pipelines.approval_requested": "approvals asked for",
            "pipelines.approval_granted": "approvals granted",
            "pipelines.approval_refused": "approvals refused",
            "pipelines.approval_expired": "approvals expired",
            "pipelines.manual_intervention": "times a person had to act",
        }
    ),
    listed=frozenset(
        {
            "pipelines.approval_requested",
            "pipelines.approval_granted",
            "pipelines.approval_refused",
            "pipelines.approval_expired",
            "pipelines.manual_intervention",
        }
    ),
)
_CHANGES: Final = Part(
    title="Changes of what trades and how",
    service="trading",
    counted=MappingProxyType(
        {
            "trading.state_changed": "changes of the trading state",
            "trading.kill_switch_pulled": "times the kill switch was pulled",
            "trading.venue_held": "times a venue was held back",
            "trading.venue_restored": "times a venue was restored",
            "trading.failed_over": "times orders went to another venue",
            "trading.strategy_started": "strategies started",
            "trading.strategy_stopped": "strategies stopped",
            "trading.strategy_paused": "strategies paused",
            "trading.strategy_resumed": "strategies resumed",
            "trading.study_finished": "studies of parameters finished",
        }
    ),
    listed=frozenset(
        {
            "trading.state_changed",
            "trading.kill_switch_pulled",
            "trading.venue_held",
            "trading.venue_restored",
            "trading.strategy_started",
            "trading.strategy_stopped",
            "trading.strategy_paused",
            "trading.strategy_resumed",
            "trading.study_finished",
        }
    ),
)
_SIGNALS: Final = Part(
    title="Signals",
    service="trading",
    counted=MappingProxyType(
        {
            "trading.signal_emitted": "signals",
            "trading.signal_denied": "signals denied",
            "trading.signal_expired": "signals that came too late",
            "trading.strategy_budget_exhausted": "times a budget was used up",
            "trading.market_data_stale": "times market data was stale",
            "trading.bar_gap_found": "gaps in bars",
        }
    ),
    by={"trading.signal_emitted": "strategy"},
)
_ALERTS: Final = Part(
    title="Alerts",
    service="automation",
    counted=MappingProxyType({"alerting.alert_fired": "alerts fired", "alerting.alert_resolved": "alerts resolved"}),
    by={"alerting.alert_fired": "alert_name"},
)
_PIPELINES: Final = Part(
    title="Pipelines",
    service="automation",
    counted=MappingProxyType(
        {
            "pipelines.pipeline_started": "runs started",
            "pipelines.pipeline_ended": "runs ended",
            "pipelines.pipeline_step_failed": "steps that failed",
            "pipelines.pipeline_recovered": "runs resumed after a restart",
        }
    ),
    by={"pipelines.pipeline_ended": "pipeline"},
)
PARTS: Final[Mapping[DocumentKind, tuple[Part, ...]]] = MappingProxyType(
    {
        DocumentKind.DIGEST: (ORDERS, _CHANGES, _APPROVALS, _ALERTS, _PIPELINES),
        DocumentKind.WEEKLY_REVIEW: (ORDERS, _SIGNALS, _RECONCILIATIONS, _CHANGES, _ALERTS),
        DocumentKind.AUDIT_REPORT: (
            _LOGINS,
            _SECRETS,
            _PREFLIGHT,
            ORDERS,
            _RECONCILIATIONS,
            _CHANGES,
            _APPROVALS,
            _ALERTS,
        ),
    }
)
