"""What may be told of a session."""

from datetime import datetime

from services.auth.accounts import Account
from services.auth.sessions.budget import Budget
from services.auth.sessions.parts import Asked
from services.auth.sessions.session import Session, usable
from services.contracts.auth import LoginMethod
from services.contracts.sessions import ApprovalView, SessionView


def session_view(  # noqa: PLR0913 -- everything that is told, each from its own place
    account: Account,
    method: LoginMethod,
    session: Session,
    budget: Budget,
    *,
    now: datetime,
    person_needed_at: datetime | None,
    asked: Asked | None,
) -> SessionView:
    """A session as others see it; `asked` is what a person is being asked now."""
    return SessionView(
        account=account.name,
        broker=account.broker,
        environment=account.environment,
        method=method,
        state=session.state,
        usable=usable(session, now),
        changed_at=session.changed_at,
        resume_at=session.resume_at,
        expires_at=session.expires_at,
        person_needed_at=person_needed_at,
        failures=session.failures,
        refused_codes=session.refused_codes,
        block_reason=session.block_reason,
        attempts_left=budget.remaining,
        attempts_allowed_at=budget.allowed_at if budget.remaining == 0 else None,
        approval=None if asked is None else _approval(asked, now),
    )


def _approval(asked: Asked, now: datetime) -> ApprovalView:
    return ApprovalView(
        instruction=asked.instruction,
        deadline=asked.deadline,
        remaining_seconds=max(0.0, (asked.deadline - now).total_seconds()),
        takes_code=asked.takes_code,
    )
