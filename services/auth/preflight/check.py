"""What a preflight check is, and what it finds."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from services.auth.accounts import Account
from services.contracts.verdict import Environment, SettingsDigest

RUNBOOK: Final = "docs/runbooks/auth.md"


class Severity(StrEnum):
    """What a check may do at worst."""

    BLOCK = "block"
    WARN = "warn"


class Outcome(StrEnum):
    """What a check found. The values are those of the label `outcome` of AUTH_PREFLIGHT_CHECKS."""

    PASS = "pass"  # noqa: S105 -- the name of an outcome
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a preflight is about: this account, in the environment that its orders would go to, under these settings."""

    account: Account
    environment: Environment
    settings_digest: SettingsDigest


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        why: For people, in one sentence or two; never holds a secret.
        remedy: What to do about it; "" for what the check always says.
    """

    outcome: Outcome
    why: str
    remedy: str = ""


def passed(why: str) -> Finding:
    """All is well, and `why` says what was seen."""
    return Finding(Outcome.PASS, why)


def warned(why: str, remedy: str = "") -> Finding:
    """It goes on, and a person should look soon."""
    return Finding(Outcome.WARN, why, remedy)


def failed(why: str, remedy: str = "") -> Finding:
    """It does not go on. A check of severity `WARN` cannot say so: it is taken as a warning."""
    return Finding(Outcome.FAIL, why, remedy)


class Check(ABC):
    """One thing that has to be well before anything runs. Raises whatever keeps it from looking.

    Attributes:
        check_id: Names it in reports, facts, metrics and the runbook.
        severity: What it may do at worst.
        remedy: What to do when it does not pass.
    """

    check_id: ClassVar[str]
    severity: ClassVar[Severity]
    remedy: ClassVar[str]

    @property
    def runbook(self) -> str:
        """The section that tells what to do about it."""
        return f"{RUNBOOK}#preflight-{self.check_id}"

    @abstractmethod
    async def look(self, asked: Asked) -> Finding:
        """Look, without changing anything."""
