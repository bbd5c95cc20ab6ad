"""The login state machine: what each answer of the broker makes of a session.

Pure: no clock, no I/O. A signal carries the moment it happened; the caller persists the session that `advance` returns
before it acts on it. What must be done in each state follows from the state alone, so a restart goes on where the
process ended. The rules, each with its reason:

- A refused password blocks at once: trying it again cannot help, and brokers lock accounts after a few.
- The third refused code blocks; only a session that the broker confirmed, or a person, sets the count back.
- When it is unknown what became of a submission, it is never repeated: the session is probed instead, and the code
  that was sent counts as spent.
- A broker's own waiting time is honoured, and nothing but a person leads out of `blocked`.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from services.auth.sessions.session import (
    AWAITING_CODE,
    CHALLENGED,
    LOGGING_IN,
    MOST_REFUSED_CODES,
    USABLE,
    WAITING,
    Session,
    State,
    may_begin,
    new_session,
)
from services.contracts.auth import BlockReason


class Challenge(StrEnum):
    """What a broker asks for after the password."""

    TOTP = "totp"
    SMS = "sms"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that happened, at a moment. `states` are those in which it can."""

    states: ClassVar[frozenset[State]] = frozenset()

    at: datetime

    def applied(self, session: Session) -> Session:
        """What the session becomes."""
        raise NotImplementedError


class InvalidTransitionError(Exception):
    """A signal that cannot happen in this state: a fault of the caller, never of the broker."""

    def __init__(self, state: State, signal: Signal) -> None:
        super().__init__(f"{type(signal).__name__} does not happen in state {state}")
        self.state = state
        self.signal = signal


def advance(session: Session, signal: Signal) -> Session:
    """What the session becomes.

    Raises:
        InvalidTransitionError: The signal cannot happen in this state.
    """
    if session.state not in signal.states:
        raise InvalidTransitionError(session.state, signal)
    return signal.applied(session)


@dataclass(frozen=True, slots=True)
class LoginBegun(Signal):
    """An attempt was written down; credentials go out next."""

    states = WAITING | {State.SIGNED_OUT}

    def applied(self, session: Session) -> Session:
        if not may_begin(session, self.at):
            raise InvalidTransitionError(session.state, self)
        return _to(session, State.AUTHENTICATING, self.at)


@dataclass(frozen=True, slots=True)
class Challenged(Signal):
    """The broker took what was sent and asks for more."""

    states = CHALLENGED | {State.AUTHENTICATING}

    challenge: Challenge

    def applied(self, session: Session) -> Session:
        return _to(session, State(f"awaiting_{self.challenge}"), self.at)


@dataclass(frozen=True, slots=True)
class Accepted(Signal):
    """The broker took what was sent; the session has yet to prove itself by a read-only call."""

    states = CHALLENGED | {State.AUTHENTICATING}

    def applied(self, session: Session) -> Session:
        return _to(session, State.VERIFYING, self.at)


@dataclass(frozen=True, slots=True)
class PasswordRefused(Signal):
    """The broker refuses password or key."""

    states = LOGGING_IN

    def applied(self, session: Session) -> Session:
        return _blocked(session, self.at, BlockReason.PASSWORD_REFUSED)


@dataclass(frozen=True, slots=True)
class CodeRefused(Signal):
    """The broker refuses the code; a further one has to be a new one."""

    states = AWAITING_CODE

    def applied(self, session: Session) -> Session:
        counted = replace(session, refused_codes=session.refused_codes + 1)
        if counted.refused_codes >= MOST_REFUSED_CODES:
            return _blocked(counted, self.at, BlockReason.CODES_REFUSED)
        return _to(counted, session.state, self.at)


@dataclass(frozen=True, slots=True)
class CodeMissing(Signal):
    """No code was to be had in time. `resume_at` is when to try again."""

    states = AWAITING_CODE

    resume_at: datetime

    def applied(self, session: Session) -> Session:
        return _backing_off(session, self.at, self.resume_at)


@dataclass(frozen=True, slots=True)
class ApprovalDenied(Signal):
    """A person said no on the broker's own device."""

    states = frozenset({State.AWAITING_APPROVAL})

    def applied(self, session: Session) -> Session:
        return _blocked(session, self.at, BlockReason.APPROVAL_DENIED)


@dataclass(frozen=True, slots=True)
class ApprovalTimedOut(Signal):
    """Nobody answered. `resume_at` is when to ask again."""

    states = frozenset({State.AWAITING_APPROVAL})

    resume_at: datetime

    def applied(self, session: Session) -> Session:
        return _backing_off(session, self.at, self.resume_at)


@dataclass(frozen=True, slots=True)
class OutcomeUnknown(Signal):
    """Something was sent and no answer came. `resume_at` counts if that happens to the probe itself."""

    states = LOGGING_IN

    resume_at: datetime

    def applied(self, session: Session) -> Session:
        if session.state is State.VERIFYING:
            return _backing_off(session, self.at, self.resume_at)
        return _to(session, State.VERIFYING, self.at)


@dataclass(frozen=True, slots=True)
class Unreachable(Signal):
    """The broker was not reached: nothing was sent. `resume_at` is when to try again."""

    states = LOGGING_IN

    resume_at: datetime

    def applied(self, session: Session) -> Session:
        return _backing_off(session, self.at, self.resume_at)


@dataclass(frozen=True, slots=True)
class ToldToWait(Signal):
    """The broker, or our own attempt budget, says not before `until`. A session that still runs goes on running."""

    states = LOGGING_IN | WAITING | {State.SIGNED_OUT, State.REFRESHING}

    until: datetime

    def applied(self, session: Session) -> Session:
        if session.state is State.REFRESHING and not _over(session, self.at):
            return _to(session, State.ACTIVE, self.at, resume_at=self.until)
        return _to(session, State.COOLING_DOWN, self.at, resume_at=self.until)


@dataclass(frozen=True, slots=True)
class Verified(Signal):
    """A read-only call succeeded. `refresh_at` is None for a session that needs no refreshing."""

    states = frozenset({State.VERIFYING, State.REFRESHING})

    expires_at: datetime | None
    refresh_at: datetime | None

    def applied(self, session: Session) -> Session:
        fresh = Session(
            State.ACTIVE, self.at, resume_at=self.refresh_at, started_at=self.at, expires_at=self.expires_at
        )
        # Renewing sends no code, so it says nothing about codes.
        return replace(fresh, refused_codes=session.refused_codes if session.state is State.REFRESHING else 0)


@dataclass(frozen=True, slots=True)
class NotVerified(Signal):
    """The read-only call says that there is no session. `resume_at` is when to log in again."""

    states = frozenset({State.VERIFYING})

    resume_at: datetime

    def applied(self, session: Session) -> Session:
        return _backing_off(session, self.at, self.resume_at)


@dataclass(frozen=True, slots=True)
class Restricted(Signal):
    """The broker has restricted or closed the account."""

    states = LOGGING_IN | USABLE

    def applied(self, session: Session) -> Session:
        return _blocked(session, self.at, BlockReason.ACCOUNT_RESTRICTED)


@dataclass(frozen=True, slots=True)
class RefreshBegun(Signal):
    """The session is being renewed; it stays usable meanwhile."""

    states = frozenset({State.ACTIVE})

    def applied(self, session: Session) -> Session:
        return _to(session, State.REFRESHING, self.at)


@dataclass(frozen=True, slots=True)
class RefreshFailed(Signal):
    """The broker was not reached, or nobody knows what became of it. `resume_at` is when to try again."""

    states = frozenset({State.REFRESHING})

    resume_at: datetime

    def applied(self, session: Session) -> Session:
        if _over(session, self.at):
            return _backing_off(session, self.at, self.resume_at)
        active = _to(session, State.ACTIVE, self.at, resume_at=self.resume_at)
        return replace(active, failures=session.failures + 1)


@dataclass(frozen=True, slots=True)
class SessionLost(Signal):
    """The session expired, is not renewed, or a call showed that the broker no longer takes it: log in anew."""

    states = USABLE

    def applied(self, session: Session) -> Session:
        return _to(session, State.SIGNED_OUT, self.at)


@dataclass(frozen=True, slots=True)
class SignedOut(Signal):
    """A person or a shutdown ended the session, or the attempt at one, on purpose. Waiting times are not cut short."""

    states = LOGGING_IN | USABLE

    def applied(self, session: Session) -> Session:
        return _to(session, State.SIGNED_OUT, self.at)


@dataclass(frozen=True, slots=True)
class Unblocked(Signal):
    """A person has looked and allows logins again; the counts begin anew."""

    states = frozenset({State.BLOCKED})

    def applied(self, session: Session) -> Session:  # noqa: ARG002 -- nothing of the blocked session is kept
        return new_session(self.at)


def _over(session: Session, at: datetime) -> bool:
    return session.expires_at is not None and at >= session.expires_at


def _to(session: Session, state: State, at: datetime, *, resume_at: datetime | None = None) -> Session:
    running = state in USABLE
    return replace(
        session,
        state=state,
        changed_at=at,
        resume_at=resume_at,
        started_at=session.started_at if running else None,
        expires_at=session.expires_at if running else None,
        block_reason=None,
    )


def _backing_off(session: Session, at: datetime, resume_at: datetime) -> Session:
    waiting = _to(session, State.BACKING_OFF, at, resume_at=resume_at)
    return replace(waiting, failures=session.failures + 1)


def _blocked(session: Session, at: datetime, reason: BlockReason) -> Session:
    return replace(_to(session, State.BLOCKED, at), block_reason=reason)
