"""How this service's facts read in the log and which metrics they move.

What is read off the database instead (sessions, stages, ages of credentials) is in `gauges`.
"""

from services.contracts.auth import (
    CodeIssued,
    CodeWaited,
    LoginBlocked,
    LoginFailed,
    LoginStarted,
    LoginSucceeded,
    LoginUnblocked,
    MfaStageReached,
    PreflightFailed,
    PreflightPassed,
    SecretOpened,
    SecretRemoved,
    SecretStored,
    SessionEnded,
    SessionExpiring,
    SessionRefreshed,
    SmsReceived,
    SmsUnmatched,
    VaultUnsealed,
    VerdictsRevoked,
    WrappingKeyRotated,
)
from services.kit.instruments import Instrument, Measure
from telemetry.catalogue import (
    AUTH_ATTEMPTS,
    AUTH_CODE_WAIT,
    AUTH_FLOW_DURATION,
    AUTH_LOCKOUTS,
    AUTH_PREFLIGHT_FAILING,
    AUTH_SMS,
    AUTH_VAULT_SEALED,
)

_LOGIN = ("broker", "method", "attempt")
_BY_METHOD = {"method": "method"}
_BY_ACCOUNT = {"account": "subject"}

_LOGINS = (
    Instrument(
        event=LoginStarted,
        level="info",
        message="login of {subject} at {broker} by {method} begins",
        fields=_LOGIN,
    ),
    Instrument(
        event=LoginSucceeded,
        level="info",
        message="login of {subject} at {broker} by {method} succeeded after {duration_seconds} s",
        fields=_LOGIN,
        counters=(Measure(metric=AUTH_ATTEMPTS, labels=_BY_METHOD, fixed={"flow": "login", "outcome": "succeeded"}),),
        histograms=(
            Measure(
                metric=AUTH_FLOW_DURATION, labels=_BY_METHOD, fixed={"outcome": "succeeded"}, value="duration_seconds"
            ),
        ),
    ),
    Instrument(
        event=LoginFailed,
        level="warning",
        message="{flow} of {subject} at {broker} by {method} failed after {duration_seconds} s: {reason}",
        fields=(*_LOGIN, "flow", "reason"),
        counters=(Measure(metric=AUTH_ATTEMPTS, labels={**_BY_METHOD, "flow": "flow", "outcome": "reason"}),),
        histograms=(
            Measure(
                metric=AUTH_FLOW_DURATION, labels=_BY_METHOD, fixed={"outcome": "failed"}, value="duration_seconds"
            ),
        ),
    ),
    Instrument(
        event=LoginBlocked,
        level="critical",
        message="{subject} takes no further login until a person has looked: {reason}",
        fields=("broker", "reason"),
        counters=(Measure(metric=AUTH_LOCKOUTS, labels={"reason": "reason"}),),
    ),
    Instrument(
        event=LoginUnblocked, level="warning", message="{actor} allowed logins of {subject} again", fields=("actor",)
    ),
)

_SESSIONS = (
    Instrument(
        event=SessionRefreshed,
        level="info",
        message="the session of {subject} was renewed until {expires_at}",
        fields=("broker", "method"),
        counters=(Measure(metric=AUTH_ATTEMPTS, labels=_BY_METHOD, fixed={"flow": "refresh", "outcome": "succeeded"}),),
    ),
    Instrument(
        event=SessionExpiring,
        level="warning",
        message="the session of {subject} ends at {expires_at}, in {remaining_seconds} s",
        fields=("broker",),
    ),
    Instrument(
        event=SessionEnded, level="info", message="the session of {subject} is over: {reason}", fields=("broker",)
    ),
)

_SECOND_FACTORS = (
    Instrument(
        event=CodeIssued,
        level="info",
        message="a one-time code of {subject} was handed out for {purpose}",
        fields=("purpose", "step"),
        histograms=(Measure(metric=AUTH_CODE_WAIT, fixed={"method": "totp"}, value="waited_seconds"),),
    ),
    Instrument(
        event=CodeWaited,
        level="info",
        message="{subject} waited {waited_seconds} s for an unused time step",
    ),
    Instrument(event=MfaStageReached, level="info", message="{subject} has reached {stage}", fields=("stage",)),
    Instrument(
        event=SmsReceived,
        level="info",
        message="the text message that {subject} waited for came after {waited_seconds} s",
        fields=("broker",),
        counters=(Measure(metric=AUTH_SMS, fixed={"outcome": "matched"}),),
        histograms=(Measure(metric=AUTH_CODE_WAIT, fixed={"method": "sms"}, value="waited_seconds"),),
    ),
    Instrument(
        event=SmsUnmatched,
        level="warning",
        message="a text message to {subject} fits no login that waits: {reason}",
        fields=("reason",),
        counters=(Measure(metric=AUTH_SMS, labels={"outcome": "reason"}),),
    ),
)

_PREFLIGHT = (
    Instrument(
        event=PreflightPassed,
        level="info",
        message="{subject} may be traded: verdict {verdict_id}",
        fields=("verdict_id", "warnings"),
        gauges=(Measure(metric=AUTH_PREFLIGHT_FAILING, labels=_BY_ACCOUNT, value=0.0),),
    ),
    Instrument(
        event=PreflightFailed,
        level="warning",
        message="{subject} may not be traded, these checks failed: {failed_checks}",
        fields=("failed_checks", "warnings"),
        gauges=(Measure(metric=AUTH_PREFLIGHT_FAILING, labels=_BY_ACCOUNT, value=1.0),),
    ),
    Instrument(
        event=VerdictsRevoked,
        level="warning",
        message="verdicts about {subject} were revoked: {reason}",
        fields=("revoked_at",),
    ),
)

_SECRET = ("kind", "generation", "actor")
_VAULT = (
    Instrument(
        event=VaultUnsealed,
        level="info",
        message="the vault was unsealed under {kek_id}",
        fields=("kek_id",),
        gauges=(Measure(metric=AUTH_VAULT_SEALED, value=0.0),),
    ),
    Instrument(
        event=WrappingKeyRotated,
        level="warning",
        message="the wrapping key is {kek_id} now; {rewrapped_records} records were wrapped anew",
        fields=("kek_id",),
    ),
    Instrument(
        event=SecretStored,
        level="info",
        message="{actor} stored the {kind} of {subject}, generation {generation}",
        fields=_SECRET,
    ),
    Instrument(
        event=SecretOpened,
        level="info",
        message="{actor} opened the {kind} of {subject} for {purpose}",
        fields=(*_SECRET, "purpose"),
    ),
    Instrument(
        event=SecretRemoved,
        level="warning",
        message="{actor} removed the {kind} of {subject}",
        fields=("kind", "actor"),
    ),
)

TABLE = (*_LOGINS, *_SESSIONS, *_SECOND_FACTORS, *_PREFLIGHT, *_VAULT)
