"""Words about logging in: accounts, credentials, flows, and the facts that a login leaves behind."""

from enum import StrEnum
from typing import ClassVar, NewType

from pydantic import AwareDatetime, NonNegativeFloat, NonNegativeInt

from services.contracts.events import Event

AccountId = NewType("AccountId", str)
"""An account at a broker as the operator named it, such as "robinhood-main". Never the broker's own account number."""


class Broker(StrEnum):
    """Who the account is with."""

    ALPACA = "alpaca"
    SCHWAB = "schwab"
    IBKR = "ibkr"
    ROBINHOOD = "robinhood"


class CredentialKind(StrEnum):
    """What a stored secret is good for."""

    API_KEY = "api_key"
    PASSWORD = "password"  # noqa: S105 -- the name of a kind, not a password
    TOTP_SEED = "totp_seed"
    DEVICE_TOKEN = "device_token"  # noqa: S105 -- the name of a kind, not a token
    OAUTH_TOKENS = "oauth_tokens"
    WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 -- the name of a kind, not a secret
    CANARY = "canary"  # good for nothing: planted to be looked for where no secret may be


class LoginMethod(StrEnum):
    """How a login proves who it is."""

    KEY_PAIR = "key_pair"
    TOTP = "totp"
    SMS = "sms"
    OAUTH = "oauth"
    APPROVAL = "approval"


class Flow(StrEnum):
    """What an attempt was for."""

    LOGIN = "login"
    REFRESH = "refresh"


class MfaStage(StrEnum):
    """How far an account has moved from codes by SMS to codes computed here."""

    SMS_ONLY = "sms_only"
    TOTP_PENDING = "totp_pending"
    TOTP_VERIFIED = "totp_verified"
    SMS_REMOVED = "sms_removed"


class LoginFailure(StrEnum):
    """Why a login, or the refresh of a session, did not end in an active session."""

    PASSWORD_REFUSED = "password_refused"  # noqa: S105 -- the name of a reason
    CODE_REFUSED = "code_refused"
    CODE_MISSING = "code_missing"
    APPROVAL_DENIED = "approval_denied"
    APPROVAL_TIMED_OUT = "approval_timed_out"
    ACCOUNT_RESTRICTED = "account_restricted"
    BROKER_UNREACHABLE = "broker_unreachable"
    BROKER_ASKED_TO_WAIT = "broker_asked_to_wait"
    OUTCOME_UNKNOWN = "outcome_unknown"
    BUDGET_EXHAUSTED = "budget_exhausted"
    SESSION_LOST = "session_lost"
    REFRESH_REFUSED = "refresh_refused"


class BlockReason(StrEnum):
    """Why an account takes no further login until a person has looked."""

    PASSWORD_REFUSED = "password_refused"  # noqa: S105 -- the name of a reason
    CODES_REFUSED = "codes_refused"
    APPROVAL_DENIED = "approval_denied"
    ACCOUNT_RESTRICTED = "account_restricted"


class UnmatchedSms(StrEnum):
    """Why a text message was not taken for the code that a login waits for."""

    NO_CHALLENGE = "no_challenge"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    NO_CODE = "no_code"
    AMBIGUOUS = "ambiguous"
    DUPLICATE = "duplicate"


class _AccountFact(Event):
    """A fact about one account; the subject is its id."""

    broker: Broker


class LoginStarted(_AccountFact):
    """An attempt was written down and is about to be sent to the broker."""

    event_type: ClassVar[str] = "auth.login_started"

    method: LoginMethod
    attempt: str


class LoginSucceeded(_AccountFact):
    """The broker confirmed a session by answering a read-only call."""

    event_type: ClassVar[str] = "auth.login_succeeded"

    method: LoginMethod
    attempt: str
    duration_seconds: NonNegativeFloat
    expires_at: AwareDatetime | None


class LoginFailed(_AccountFact):
    """A login, or the refresh of a session, ended without a session."""

    event_type: ClassVar[str] = "auth.login_failed"

    flow: Flow = Flow.LOGIN
    method: LoginMethod
    attempt: str
    reason: LoginFailure
    duration_seconds: NonNegativeFloat


class LoginBlocked(_AccountFact):
    """No further login will be tried until a person unblocks the account."""

    event_type: ClassVar[str] = "auth.login_blocked"

    reason: BlockReason


class LoginUnblocked(_AccountFact):
    """A person allowed logins again."""

    event_type: ClassVar[str] = "auth.login_unblocked"

    actor: str


class SessionRefreshed(_AccountFact):
    """A session was renewed before it ended."""

    event_type: ClassVar[str] = "auth.session_refreshed"

    method: LoginMethod
    expires_at: AwareDatetime


class SessionExpiring(_AccountFact):
    """A session nears its end and could not be renewed, or only a person can renew it."""

    event_type: ClassVar[str] = "auth.session_expiring"

    expires_at: AwareDatetime
    remaining_seconds: NonNegativeFloat


class SessionEnded(_AccountFact):
    """A session is over: it expired, was logged out, or the broker no longer takes it."""

    event_type: ClassVar[str] = "auth.session_ended"

    reason: str


class CodeIssued(Event):
    """A one-time code left the service. The code itself is nowhere in here; its time step is."""

    event_type: ClassVar[str] = "auth.code_issued"

    step: NonNegativeInt
    period_seconds: NonNegativeInt
    waited_seconds: NonNegativeFloat
    purpose: str


class CodeWaited(Event):
    """A caller had to wait for the next time step before a code could be handed out."""

    event_type: ClassVar[str] = "auth.code_waited"

    waited_seconds: NonNegativeFloat


class MfaStageReached(Event):
    """An account moved a step on its way from SMS to TOTP."""

    event_type: ClassVar[str] = "auth.mfa_stage_reached"

    stage: MfaStage


class SmsReceived(_AccountFact):
    """A text message carried the code that a login waited for."""

    event_type: ClassVar[str] = "auth.sms_received"

    waited_seconds: NonNegativeFloat


class SmsUnmatched(Event):
    """A text message arrived that no waiting login could use. The subject is the receiving number's configured name."""

    event_type: ClassVar[str] = "auth.sms_unmatched"

    reason: UnmatchedSms


class PreflightPassed(Event):
    """Every blocking check passed and a verdict was signed."""

    event_type: ClassVar[str] = "auth.preflight_passed"

    verdict_id: str
    warnings: tuple[str, ...]


class PreflightFailed(Event):
    """A blocking check failed or could not be made; no verdict was signed."""

    event_type: ClassVar[str] = "auth.preflight_failed"

    failed_checks: tuple[str, ...]
    warnings: tuple[str, ...]


class VerdictsRevoked(Event):
    """Verdicts about the account that were signed up to this moment are void."""

    event_type: ClassVar[str] = "auth.verdicts_revoked"

    revoked_at: AwareDatetime
    reason: str


class VaultUnsealed(Event):
    """The vault can open what it holds. The subject is "vault"."""

    event_type: ClassVar[str] = "auth.vault_unsealed"

    kek_id: str


class WrappingKeyRotated(Event):
    """Every record is wrapped by the new key, and the old one is retired. The subject is "vault"."""

    event_type: ClassVar[str] = "auth.wrapping_key_rotated"

    kek_id: str
    rewrapped_records: NonNegativeInt


class SecretStored(Event):
    """A secret was written; `generation` counts the writes of this kind for this account."""

    event_type: ClassVar[str] = "auth.secret_stored"

    kind: CredentialKind
    generation: NonNegativeInt
    actor: str


class SecretOpened(Event):
    """A secret was decrypted, after the audit row that says so was written."""

    event_type: ClassVar[str] = "auth.secret_opened"

    kind: CredentialKind
    generation: NonNegativeInt
    actor: str
    purpose: str


class SecretRemoved(Event):
    """A secret was deleted."""

    event_type: ClassVar[str] = "auth.secret_removed"

    kind: CredentialKind
    actor: str
