"""What auth refuses. No message ever holds a value that a caller sent, nor anything the vault holds."""

import math
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus

from services.kit.errors import SightlineError


class AuthError(SightlineError):
    """Root of auth's errors."""

    code = "auth_error"
    title = "Auth refused"


class SealedError(AuthError):
    """The vault is sealed: until it is unsealed nothing can be opened or stored."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    code = "vault_sealed"
    title = "The vault is sealed"

    def __init__(self, detail: str = "Unseal it with `sightline auth unseal`.") -> None:
        super().__init__(detail)


class WrongKeyError(AuthError):
    """A key provider gave a key, and it is not the one that wrapped the records."""

    status_code = HTTPStatus.FORBIDDEN
    code = "wrong_key"
    title = "This key does not open the vault"


class KeyMissingError(AuthError):
    """No key provider could give a wrapping key that is in use."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    code = "key_missing"
    title = "A wrapping key is missing"


class KeyProviderUnavailableError(AuthError):
    """What holds the wrapping key does not answer, or is not installed."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    code = "key_provider_unavailable"
    title = "The key provider is away"


class KeyFileUnfitError(KeyProviderUnavailableError):
    """The key file is open to others, is not a plain file of ours, or holds no key."""

    code = "key_file_unfit"
    title = "The key file cannot be used"


class WeakPassphraseError(AuthError):
    """The passphrase is too short to keep anybody out."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "weak_passphrase"
    title = "The passphrase is too weak"


class VaultInitialisedError(AuthError):
    """The vault has a wrapping key already."""

    status_code = HTTPStatus.CONFLICT
    code = "vault_initialised"
    title = "The vault is initialised already"

    def __init__(self) -> None:
        super().__init__("Unseal it with the key it has; `sightline auth rotate` changes that key.")


class VaultUninitialisedError(AuthError):
    """The vault has no wrapping key yet."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    code = "vault_uninitialised"
    title = "The vault is not initialised"

    def __init__(self) -> None:
        super().__init__("Give it its first wrapping key with `sightline auth unseal --first-time`.")


class RecordDoesNotOpenError(AuthError):
    """A stored record was altered, moved to another row, or belongs to another generation."""

    status_code = HTTPStatus.CONFLICT
    code = "record_does_not_open"
    title = "A stored secret does not open"

    def __init__(self) -> None:
        super().__init__(
            "The record was altered or moved, or its key is another. Restore the database or store the secret anew."
        )


class NoSuchCredentialError(AuthError):
    """Nothing of this kind is stored for the account."""

    status_code = HTTPStatus.NOT_FOUND
    code = "no_such_credential"
    title = "There is no such credential"

    def __init__(self) -> None:
        super().__init__("Nothing of this kind is stored for this account; `sightline auth add` stores it.")


class SecretChangedError(AuthError):
    """The secret was stored anew while the old one was being opened."""

    status_code = HTTPStatus.CONFLICT
    code = "secret_changed"
    title = "The secret was changed meanwhile"

    def __init__(self) -> None:
        super().__init__("It was stored anew while it was being opened. Try again to get the new one.")


class AuditBrokenError(AuthError):
    """The audit trail has been edited or cut, so nothing may be opened until a person has looked."""

    status_code = HTTPStatus.CONFLICT
    code = "audit_broken"
    title = "The audit trail is broken"


class SecretSpentError(AuthError):
    """A one-time code was asked for its value a second time."""

    status_code = HTTPStatus.CONFLICT
    code = "code_spent"
    title = "The code has been handed out"

    def __init__(self) -> None:
        super().__init__("A one-time code is revealed once. Ask for a new one.")


class CodeUnavailableError(AuthError):
    """No unused time step comes up soon enough."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    code = "code_unavailable"
    title = "No unused code comes up in time"


class ClockUnfitError(AuthError):
    """The machine's clock is too far off, or unknown, for codes to be right."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    code = "clock_unfit"
    title = "The clock is not fit for one-time codes"


class EnrolmentFault(StrEnum):
    """What is wrong with an import, without repeating any of it."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    NO_SEED = "no_seed"
    NOT_OTPAUTH = "not_otpauth"
    NOT_TIME_BASED = "not_time_based"
    BAD_SEED = "bad_seed"
    SEED_TOO_SHORT = "seed_too_short"
    BAD_PARAMETER = "bad_parameter"
    BAD_PAYLOAD = "bad_payload"
    CODE_DIFFERS = "code_differs"
    NO_QR_READER = "no_qr_reader"
    NO_QR_CODE = "no_qr_code"


_ENROLMENT_REMEDIES: Mapping[EnrolmentFault, str] = {
    EnrolmentFault.UNREADABLE: "The input cannot be read as UTF-8 text from a regular file or standard input.",
    EnrolmentFault.TOO_LARGE: "The input is larger than an export can be. Give one export at a time.",
    EnrolmentFault.NO_SEED: "The input holds no seed. Export it again and give the whole line.",
    EnrolmentFault.NOT_OTPAUTH: "Give an otpauth:// or otpauth-migration:// address, one on each line.",
    EnrolmentFault.NOT_TIME_BASED: "The seed is for counter-based codes. Ask the broker for a time-based one.",
    EnrolmentFault.BAD_SEED: "The seed is not base32. Copy it again; spaces and hyphens do no harm.",
    EnrolmentFault.SEED_TOO_SHORT: "The seed has fewer than 80 bits. Ask the broker for a new one.",
    EnrolmentFault.BAD_PARAMETER: "A parameter is doubled, or not one that codes can be computed with.",
    EnrolmentFault.BAD_PAYLOAD: "The authenticator's export is damaged. Export it again.",
    EnrolmentFault.NO_QR_READER: "Install the reader of pictures with `pip install sightline[qr]`.",
    EnrolmentFault.NO_QR_CODE: "No QR code is found in the picture. Take one that shows the whole code, and sharp.",
    EnrolmentFault.CODE_DIFFERS: (
        "The confirming code is not this seed's code now. Check the clock, wait for the next code and give that one."
    ),
}


class EnrolmentError(AuthError):
    """A seed cannot be taken in. Holds the kind of fault and nothing of what was given."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "enrolment_refused"
    title = "The seed was not taken in"

    def __init__(self, fault: EnrolmentFault) -> None:
        super().__init__(_ENROLMENT_REMEDIES[fault])
        self.fault = fault


class AttemptBudgetExhaustedError(AuthError):
    """As many logins were sent to the broker as we allow ourselves; more could lock the account."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS
    code = "attempt_budget_exhausted"
    title = "No login attempt is left for now"

    def __init__(self, *, allowed_at: datetime, wait_seconds: float) -> None:
        super().__init__(f"The next login may be sent at {allowed_at.isoformat(timespec='seconds')}.")
        self.allowed_at = allowed_at
        self.wait_seconds = wait_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(max(1, math.ceil(self.wait_seconds)))}


class LeaseHeldError(AuthError):
    """Another login of the same account is under way."""

    status_code = HTTPStatus.CONFLICT
    code = "login_under_way"
    title = "A login of this account is under way"

    def __init__(self) -> None:
        super().__init__("Wait for it to end and use its session.")


class FencedOffError(AuthError):
    """The lease ran out and another took over; what its old holder does no longer counts."""

    status_code = HTTPStatus.CONFLICT
    code = "lease_lost"
    title = "The lease was taken over"

    def __init__(self) -> None:
        super().__init__("Another holder has taken this account over; stop, and use its session.")


class LoginBlockedError(AuthError):
    """The account takes no login until a person has looked."""

    status_code = HTTPStatus.CONFLICT
    code = "login_blocked"
    title = "Logins of this account are blocked"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The reason is {reason}. Mend it, then run `sightline auth unblock`.")
        self.reason = reason


class LoginNotYetError(AuthError):
    """The account waits before the next login: after failures, or because the broker asked for it."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    code = "login_not_yet"
    title = "The next login may not be sent yet"

    def __init__(self, *, allowed_at: datetime, wait_seconds: float) -> None:
        super().__init__(f"It may be sent at {allowed_at.isoformat(timespec='seconds')}.")
        self.wait_seconds = wait_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(max(1, math.ceil(self.wait_seconds)))}


class ChallengeClosedError(AuthError):
    """The challenge has had its code, was superseded, or its life is over."""

    status_code = HTTPStatus.CONFLICT
    code = "challenge_closed"
    title = "No login waits for this code"

    def __init__(self) -> None:
        super().__init__("Start the login again; it opens a new challenge.")


class SmsCodeMissingError(AuthError):
    """No fitting text message came in time."""

    status_code = HTTPStatus.GATEWAY_TIMEOUT
    code = "sms_code_missing"
    title = "The code did not arrive"

    def __init__(self) -> None:
        super().__init__("No fitting message came in time. Enter the code with `sightline auth code`, or move to TOTP.")
