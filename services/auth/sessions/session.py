"""What an account's session is. Pure: no clock, no I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.contracts.auth import BlockReason

MOST_REFUSED_CODES: Final = 3


class State(StrEnum):
    """Where a session stands."""

    SIGNED_OUT = "signed_out"
    AUTHENTICATING = "authenticating"
    AWAITING_TOTP = "awaiting_totp"
    AWAITING_SMS = "awaiting_sms"
    AWAITING_APPROVAL = "awaiting_approval"
    VERIFYING = "verifying"
    ACTIVE = "active"
    REFRESHING = "refreshing"
    BACKING_OFF = "backing_off"
    COOLING_DOWN = "cooling_down"
    BLOCKED = "blocked"


AWAITING_CODE: Final = frozenset({State.AWAITING_TOTP, State.AWAITING_SMS})
CHALLENGED: Final = AWAITING_CODE | {State.AWAITING_APPROVAL}
LOGGING_IN: Final = CHALLENGED | {State.AUTHENTICATING, State.VERIFYING}
USABLE: Final = frozenset({State.ACTIVE, State.REFRESHING})
WAITING: Final = frozenset({State.BACKING_OFF, State.COOLING_DOWN})


@dataclass(frozen=True, slots=True)
class Session:
    """An account's session. Times are aware UTC datetimes.

    Attributes:
        refused_codes: Codes refused since the broker last confirmed a session.
        failures: Failures in a row that a later try may mend: the measure of the back-off.
        changed_at: When this state was entered.
        resume_at: Backing off or cooling down: not before then. Active: not refreshed before then.
        started_at: When the broker last confirmed the session; only while it is usable.
        expires_at: When it ends; None also for one that does not end by itself.
        block_reason: Why nothing is tried any more; only when blocked.
    """

    state: State
    changed_at: datetime
    refused_codes: int = 0
    failures: int = 0
    resume_at: datetime | None = None
    started_at: datetime | None = None
    expires_at: datetime | None = None
    block_reason: BlockReason | None = None


def new_session(at: datetime) -> Session:
    """A session that has never logged in."""
    return Session(State.SIGNED_OUT, at)


def may_begin(session: Session, now: datetime) -> bool:
    """Whether a login may begin now, as far as the session tells; the attempt budget has its own say."""
    if session.state in WAITING:
        return session.resume_at is None or now >= session.resume_at
    return session.state is State.SIGNED_OUT


def usable(session: Session, now: datetime) -> bool:
    """Whether calls may be made with the session now."""
    return session.state in USABLE and (session.expires_at is None or now < session.expires_at)


def refresh_due(session: Session, now: datetime) -> bool:
    """Whether the session is to be renewed now."""
    return session.state is State.ACTIVE and session.resume_at is not None and now >= session.resume_at
