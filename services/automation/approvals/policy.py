"""What the platform does by itself, and what it asks a person for first: plain data."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Consent(StrEnum):
    """Whether a person is asked."""

    BY_ITSELF = "by_itself"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class Rule:
    """How an action is decided on.

    Attributes:
        consent: Whether a person is asked.
        why: For the page that lists the rules.
        open_for: How long a question waits for its answer.
    """

    consent: Consent
    why: str
    open_for: timedelta = timedelta(hours=12)


_ALONE = Consent.BY_ITSELF
_ASK = Consent.APPROVAL

POLICY: Final = MappingProxyType(
    {
        "relogin": Rule(_ALONE, "Within the budget of attempts that the auth service keeps."),
        "hold_venue": Rule(_ALONE, "Opens nothing new there; cancels and exits still go."),
        "restore_venue": Rule(_ALONE, "After a hold by the platform itself, once the venue's state agrees with ours."),
        "pause_strategy": Rule(_ALONE, "Decides nothing new; its positions keep their stops."),
        "restart_strategy": Rule(_ALONE, "Decides the same again from the same bars; no signal is doubled."),
        "reconcile": Rule(_ALONE, "Asks and compares; orders nothing."),
        "redrive": Rule(_ALONE, "Handles an event again; what was handled before has no effect a second time."),
        "resume": Rule(_ASK, "Trading was stopped for a reason; a person says that it is gone."),
        "restore_lying_venue": Rule(_ASK, "Its word was wrong before: a person says that it can be trusted again."),
        "raise_limits": Rule(_ASK, "More can be lost."),
        "change_credentials": Rule(_ASK, "Locks out or lets in."),
        "promote_parameters": Rule(_ASK, "Real orders follow other rules from then on."),
    }
)
