"""What is told of a preflight over HTTP."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.contracts.auth import AccountId
from services.contracts.verdict import Environment


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckView(_Told):
    """One check: what it found, and what to do about it.

    Attributes:
        severity: "block" or "warn": what it may do at worst.
        outcome: "pass", "warn" or "fail".
        why: What was found.
        remedy: What to do; "" for a check that passed.
        runbook: Path and anchor of the section about it.
        seconds: How long it took.
    """

    check_id: str
    severity: str
    outcome: str
    why: str
    remedy: str
    runbook: str
    seconds: float


class PreflightView(_Told):
    """A whole preflight.

    Attributes:
        verdict: The signed token; None when a check that blocks failed.
        expires_at: When the verdict ends.
    """

    account: AccountId
    environment: Environment
    settings_digest: str
    started_at: AwareDatetime
    seconds: float
    passed: bool
    checks: tuple[CheckView, ...]
    verdict: str | None = Field(default=None, repr=False)
    expires_at: AwareDatetime | None = None


class RevokeRequest(_Told):
    """Why verdicts are taken back, for people. Holds no secret."""

    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class RevocationView(_Told):
    """Verdicts about the account that were signed up to this moment are void."""

    account: AccountId
    revoked_at: AwareDatetime
