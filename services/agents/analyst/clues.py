"""What was found before it has a number: clues, put in one order so that the same telemetry gives the same evidence."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.contracts.anomalies import Evidence, EvidenceId, EvidenceKind

MOST_EVIDENCE: Final = 60
_MOST_OF_ONE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What an incident is looked at in.

    Attributes:
        before: Where what is usual begins.
        start: Where the incident may have begun at the earliest.
        seen: When it was first noticed.
        end: Up to where.
    """

    before: datetime
    start: datetime
    seen: datetime
    end: datetime

    @property
    def times_longer(self) -> float:
        """How many times the time before is longer than the incident's own."""
        return (self.start - self.before) / (self.end - self.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """One thing that was observed; fields as those of `Evidence`.

    Attributes:
        target: The venue, account, strategy or symbol that it is about; "" for none in particular.
        words: Text to ask the knowledge base about, "" for none.
    """

    kind: EvidenceKind
    signal: str
    service_name: str
    at: datetime
    detail: str
    query: str
    strength: float = 1.0
    target: str = ""
    words: str = ""


def numbered(clues: Iterable[Clue]) -> list[tuple[Clue, Evidence]]:
    """Evidence with ids in order of time; of one name the strongest few alone."""
    kept: dict[tuple[EvidenceKind, str], list[Clue]] = {}
    for clue in sorted(set(clues), key=lambda each: (-each.strength, *_order(each))):
        same = kept.setdefault((clue.kind, clue.signal), [])
        if len(same) < _MOST_OF_ONE:
            same.append(clue)
    every = (each for same in kept.values() for each in same)
    strongest = sorted(every, key=lambda each: (-each.strength, *_order(each)))
    ordered = sorted(strongest[:MOST_EVIDENCE], key=_order)
    return [(clue, _evidence(number, clue)) for number, clue in enumerate(ordered, 1)]


def _order(clue: Clue) -> tuple[datetime, str, str, str, str]:
    return clue.at, clue.kind.value, clue.signal, clue.service_name, clue.detail


def _evidence(number: int, clue: Clue) -> Evidence:
    return Evidence(
        id=EvidenceId(f"E{number}"),
        kind=clue.kind,
        signal=clue.signal,
        service_name=clue.service_name,
        at=clue.at,
        detail=clue.detail[:500],
        query=clue.query[:500],
        strength=round(clue.strength, 3),
    )
