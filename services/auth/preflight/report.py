"""What a preflight reports."""

from dataclasses import dataclass
from datetime import datetime

from services.auth.preflight.check import Outcome, Severity
from services.auth.verdicts import SignedVerdict
from services.contracts.auth import AccountId
from services.contracts.verdict import Environment, SettingsDigest


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What became of one check.

    Attributes:
        why: What was found, for people.
        remedy: What to do about it; "" for a check that passed.
        runbook: Path and anchor of the section about this check.
        seconds: How long it took.
    """

    check_id: str
    severity: Severity
    outcome: Outcome
    why: str
    remedy: str
    runbook: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """All that was found, and the verdict if nothing that blocks has failed.

    Attributes:
        started_at: Before the first check looked.
        seconds: From there until the verdict was signed, or was not.
        results: One for each check, in the order of the table.
    """

    account: AccountId
    environment: Environment
    settings_digest: SettingsDigest
    started_at: datetime
    seconds: float
    results: tuple[CheckResult, ...]
    signed: SignedVerdict | None

    @property
    def passed(self) -> bool:
        """Whether there is a verdict."""
        return self.signed is not None
