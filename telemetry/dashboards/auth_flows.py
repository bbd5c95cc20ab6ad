"""Auth flows: do machine logins work, how long do sessions last, and where is a person needed?"""

from telemetry import catalogue
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.panels import Logs, Panel, Stat, Target, Threshold, TimeSeries, Unit
from telemetry.dashboards.promql import age, current, increase, quantile, remaining, share

ACCOUNT = catalogue.ACCOUNT.name
_USABLE = {"state": "active|refreshing"}
_FOR_A_PERSON = {"state": "awaiting_sms|awaiting_approval|blocked"}


def auth_flows() -> Dashboard:
    """The dashboard that every alert about logins links to."""
    return Dashboard(
        uid="auth-flows",
        title="Auth flows",
        description="Whether logins work without a person, how long sessions and secrets last, and what needs a hand.",
        panels=(*_now(), *_logins(), *_time_left(), *_readiness(), *_factors(), _log()),
    )


def _now() -> tuple[Panel, ...]:
    return (
        Stat(
            title="Sessions",
            description="Every account: whether calls can be made with its session now. Red for minutes: see its log.",
            unit=Unit.NONE,
            targets=(Target(query=current(catalogue.AUTH_SESSION_STATE, (ACCOUNT,), _USABLE), legend="{{account}}"),),
            width=12,
            height=5,
            base_color="red",
            thresholds=(Threshold(value=1, color="green"),),
            texts={0: "no session", 1: "usable"},
            empty="no account is registered",
        ),
        Stat(
            title="Trouble",
            description=(
                "Red: the vault is sealed, the audit trail is not whole, an account's last preflight failed, or its"
                " login waits for a person (a code by SMS, an approval, a block to be lifted)."
            ),
            unit=Unit.NONE,
            targets=(
                Target(query=current(catalogue.AUTH_VAULT_SEALED), legend="vault sealed"),
                Target(query=current(catalogue.AUTH_AUDIT_BROKEN), legend="audit trail broken"),
                Target(
                    query=current(catalogue.AUTH_PREFLIGHT_FAILING, (ACCOUNT,)), legend="{{account}} preflight failed"
                ),
                Target(
                    query=current(catalogue.AUTH_SESSION_STATE, (ACCOUNT,), _FOR_A_PERSON),
                    legend="{{account}} needs a person",
                ),
            ),
            width=12,
            height=5,
            thresholds=(Threshold(value=1, color="red"),),
            texts={0: "no", 1: "yes"},
            empty="auth has not been scraped yet",
        ),
    )


def _logins() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Logins and refreshes",
            description="Attempts that ended within the hour. Outcomes other than succeeded that repeat need a look.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.AUTH_ATTEMPTS, ("flow", "method", "outcome"), window="1h") + " > 0",
                    legend="{{flow}} by {{method}}: {{outcome}}",
                ),
            ),
            empty="no login ended",
        ),
        TimeSeries(
            title="Success ratio",
            description="Share of an hour's attempts that succeeded. The alert AuthFailureRatioHigh fires below 0.7.",
            unit=Unit.RATIO,
            targets=(
                Target(
                    query=share(catalogue.AUTH_ATTEMPTS, {"outcome": "succeeded"}, ("method",)), legend="{{method}}"
                ),
            ),
            empty="no login ended",
        ),
        TimeSeries(
            title="Login time",
            description="Median and 95th percentile, waits for codes included. A dot leads to the trace of a login.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.5, catalogue.AUTH_FLOW_DURATION, ("method",)), legend="{{method}} p50"),
                Target(
                    query=quantile(0.95, catalogue.AUTH_FLOW_DURATION, ("method",)),
                    legend="{{method}} p95",
                    exemplars=True,
                ),
            ),
            empty="no login ended",
        ),
    )


def _time_left() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Wait for a code",
            description=(
                "Time until an unused code was at hand. TOTP waits for a time step, at most 30 s for one caller; longer"
                " means many callers. SMS waits for the carrier."
            ),
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.5, catalogue.AUTH_CODE_WAIT, ("method",)), legend="{{method}} p50"),
                Target(
                    query=quantile(0.95, catalogue.AUTH_CODE_WAIT, ("method",)), legend="{{method}} p95", exemplars=True
                ),
            ),
            empty="no code was asked for",
        ),
        TimeSeries(
            title="Time to session end",
            description="A saw: it falls until a refresh lifts it at two thirds. A line that only falls ends at 0.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=remaining(catalogue.AUTH_SESSION_EXPIRY, (ACCOUNT,)) + " > -60", legend="{{account}}"),
                Target(query=remaining(catalogue.AUTH_LOGIN_DUE, (ACCOUNT,)) + " > -60", legend="{{account}} login"),
            ),
            empty="no session that ends by itself",
        ),
        TimeSeries(
            title="Attempt budget and lockouts",
            description=(
                "Logins that may still be sent now, of 3 in 30 minutes and 6 a day; at 0 none is sent. Right axis:"
                " accounts closed until a person has looked."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(query=current(catalogue.AUTH_ATTEMPT_BUDGET_LEFT, (ACCOUNT,), how="min"), legend="{{account}}"),
                Target(
                    query=increase(catalogue.AUTH_LOCKOUTS, ("reason",), window="1h") + " > 0",
                    legend="closed: {{reason}}",
                    unit=Unit.NONE,
                ),
            ),
            empty="no account is registered",
        ),
    )


def _readiness() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Preflight checks",
            description="Checks that warned or failed within the hour; 95th percentile of a preflight (right axis).",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(
                        catalogue.AUTH_PREFLIGHT_CHECKS, ("check", "outcome"), {"outcome": "warn|fail"}, window="1h"
                    )
                    + " > 0",
                    legend="{{check}} {{outcome}}",
                ),
                Target(
                    query=quantile(0.95, catalogue.AUTH_PREFLIGHT_DURATION),
                    legend="{{service_name}} preflight p95",
                    unit=Unit.SECONDS,
                ),
            ),
            empty="no preflight was made, or every check passed",
        ),
        Stat(
            title="Clock offset",
            description="How far this clock is off, either way. Beyond 2 s codes are corrected, beyond 15 s refused.",
            unit=Unit.SECONDS,
            targets=(Target(query=f"abs({current(catalogue.AUTH_CLOCK_OFFSET)})", legend="{{service_name}}"),),
            thresholds=(Threshold(value=2, color="yellow"), Threshold(value=15, color="red")),
            empty="auth has not been scraped yet",
        ),
        Stat(
            title="Second factors",
            description="How far each account has moved from SMS to TOTP. Accounts with a key pair have no stage.",
            unit=Unit.NONE,
            targets=(
                Target(
                    query=current(catalogue.AUTH_MFA_STAGE, (ACCOUNT, "stage")) + " > 0",
                    legend="{{account}}: {{stage}}",
                ),
            ),
            base_color="text",
            texts={1: "now"},
            empty="no account uses codes",
        ),
    )


def _factors() -> tuple[Panel, ...]:
    return (
        Stat(
            title="Age of secrets",
            description="Since each stored secret was last written. From 180 days on, have the broker give a new one.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=age(catalogue.AUTH_CREDENTIAL_WRITTEN, (ACCOUNT, "kind")), legend="{{account}}: {{kind}}"),
            ),
            width=12,
            thresholds=(Threshold(value=180 * 86_400, color="yellow"),),
            empty="the vault holds nothing",
        ),
        TimeSeries(
            title="Text messages",
            description=(
                "Messages that arrived within the hour, by whether a login could use them, and refused webhook calls:"
                " somebody tries, or the webhook's public address is set wrongly."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(query=increase(catalogue.AUTH_SMS, ("outcome",), window="1h") + " > 0", legend="{{outcome}}"),
                Target(
                    query=increase(catalogue.AUTH_SMS_REFUSED, ("reason",), window="1h") + " > 0",
                    legend="refused: {{reason}}",
                ),
            ),
            width=12,
            empty="no message arrived",
        ),
    )


def _log() -> Panel:
    return Logs(
        title="Auth log",
        description="What happened, as the service tells it. Open a line and follow its trace_id to the trace.",
        unit=Unit.NONE,
        targets=(
            Target(
                query='{env=~"$env", service_name=~"$service", logger=~"facts[.]auth|services[.]auth.*|audit.*"}',
                legend="",
            ),
        ),
        width=24,
        height=9,
        empty="nothing was logged",
    )
