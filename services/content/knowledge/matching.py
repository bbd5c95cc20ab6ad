"""Finds the entry that answers an error: by its name and codes, by its text, or by the words it has in common."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.content.knowledge.entries import Entry
from services.content.knowledge.index import KnowledgeIndex
from services.content.knowledge.normalising import Signature
from services.content.knowledge.patterns import compiled
from services.contracts.knowledge import EntryId, EntryKind, Gap, MatchedBy

MOST_MATCHES: Final = 5

# Below this share of what an error says, an entry is about something else. Over our own entries (test_shipped.py),
# errors in other words than an entry's have 0.69 and more, strange ones with three telling words 0.29 at most.
LEAST_SHARE: Final = 0.45
_FEWEST_WORDS = 3

_EXACT: Final = 1.0
_EXACT_IN_PART: Final = 0.8  # venue and status agree and no more is named, or code and text do and no venue is told
_CODE_WITHOUT_WORDS: Final = 0.7  # the entry is about some refusals of a code, and the error's words are not told
_PATTERN: Final = 0.9
_PATTERN_ELSEWHERE: Final = 0.7  # the entry is about a venue or status that the error does not tell
_MOST_BY_TEXT: Final = 0.6


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that answers, and how sure that is."""

    entry: Entry
    how: MatchedBy
    confidence: float


class Matcher:
    """Matches errors against entries as they are now.

    Args:
        entries: What may answer.
        index: Of the same entries.
        families: From the name of a venue of ours to whose protocol it speaks, where the name does not begin with it.
    """

    def __init__(self, entries: Sequence[Entry], index: KnowledgeIndex, families: Mapping[str, str]) -> None:
        self._by_id = {entry.front.id: entry for entry in entries}
        self._index = index
        self._families = {name.casefold(): family.casefold() for name, family in families.items()}
        self._known_venues = {entry.front.venue.casefold() for entry in entries} - {""}
        self._by_alert = {entry.front.alert: entry for entry in entries if entry.front.alert}
        self._by_code = _grouped((entry.front.code.casefold(), entry) for entry in entries if entry.front.code)
        self._by_template = _grouped(
            (entry.front.template.casefold(), entry) for entry in entries if entry.front.template
        )
        self._by_status = _grouped(
            (str(entry.front.http_status), entry) for entry in entries if _names_status_alone(entry)
        )
        self._patterns = {entry.front.id: compiled(entry.front.regex) for entry in entries if entry.front.regex}

    def match(self, signature: Signature, *, alert_name: str = "") -> list[Candidate]:
        """Entries that answer, the surest first, at most `MOST_MATCHES`."""
        signature = replace(signature, venue=self._family(signature.venue.casefold()))
        best: dict[EntryId, Candidate] = {}
        for candidate in (*self._exact(signature, alert_name), *self._by_pattern(signature)):
            known = best.get(candidate.entry.front.id)
            if known is None or candidate.confidence > known.confidence:
                best[candidate.entry.front.id] = candidate
        return sorted(best.values(), key=_order)[:MOST_MATCHES] or self._by_words(signature)

    def answers(self, gap: Gap) -> bool:
        """Whether an entry answers what none did when it was met."""
        signature = Signature(gap.example, gap.signature, gap.venue, gap.http_status, gap.code)
        return bool(self.match(signature, alert_name=gap.source))

    def _family(self, venue: str) -> str:
        """The venue that entries would be about; "" for one that no entry knows."""
        head = re.split(r"[-_.]", venue, maxsplit=1)[0]
        named = (venue, self._families.get(venue, ""), head)
        return next((name for name in named if name in self._known_venues), "")

    def _exact(self, signature: Signature, alert_name: str) -> Iterable[Candidate]:
        if alert_name in self._by_alert:
            yield Candidate(self._by_alert[alert_name], MatchedBy.EXACT, _EXACT)
        named = [
            *(self._by_code[signature.code.casefold()] if signature.code else ()),
            *(self._by_template[signature.template.casefold()] if signature.template else ()),
        ]
        for entry in named:
            if _agrees(entry, signature) and self._is_stated(entry, signature):
                yield Candidate(entry, MatchedBy.EXACT, _certainty(entry, signature))
        for entry in self._by_status[str(signature.http_status)]:
            if entry.front.venue.casefold() == signature.venue:
                yield Candidate(entry, MatchedBy.EXACT, _EXACT_IN_PART)

    def _by_pattern(self, signature: Signature) -> Iterable[Candidate]:
        if not signature.text:
            return
        for entry_id, pattern in self._patterns.items():
            entry = self._by_id[entry_id]
            if _agrees(entry, signature) and pattern.search(signature.text):
                told = _tells_place(entry, signature)
                yield Candidate(entry, MatchedBy.PATTERN, _PATTERN if told else _PATTERN_ELSEWHERE)

    def _is_stated(self, entry: Entry, signature: Signature) -> bool:
        """Whether the error tells the code and the text that the entry names."""
        front = entry.front
        if front.code and front.code.casefold() != signature.code.casefold():
            return False
        if front.template and front.template.casefold() != signature.template.casefold():
            return False
        pattern = self._patterns.get(front.id)
        # Venues use one code for many refusals: the words tell them apart, where there are any.
        return pattern is None or not signature.text or pattern.search(signature.text) is not None

    def _by_words(self, signature: Signature) -> list[Candidate]:
        near = [
            Candidate(self._by_id[found.entry_id], MatchedBy.TEXT, round(share * _MOST_BY_TEXT, 3))
            for found, share, words in self._index.nearest(signature.template, limit=3)
            if share >= LEAST_SHARE and words >= _FEWEST_WORDS and _agrees(self._by_id[found.entry_id], signature)
        ]
        return sorted(near, key=lambda candidate: -candidate.confidence)  # equal ones stay in the index's order


def _grouped(pairs: Iterable[tuple[str, Entry]]) -> defaultdict[str, list[Entry]]:
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for key, entry in pairs:
        groups[key].append(entry)
    return groups


def _names_status_alone(entry: Entry) -> bool:
    front = entry.front
    return front.http_status is not None and bool(front.venue) and not (front.code or front.template or front.regex)


def _agrees(entry: Entry, signature: Signature) -> bool:
    """Whether nothing that both tell differs."""
    front = entry.front
    return (
        (not front.venue or not signature.venue or front.venue.casefold() == signature.venue)
        and (front.http_status is None or signature.http_status in {None, front.http_status})
        and (not front.code or not signature.code or front.code.casefold() == signature.code.casefold())
    )


def _certainty(entry: Entry, signature: Signature) -> float:
    """How sure a code or a text as an entry states it is, by what the error leaves open."""
    if entry.front.regex and not signature.text:
        return _CODE_WITHOUT_WORDS
    return _EXACT if _tells_place(entry, signature) else _EXACT_IN_PART


def _tells_place(entry: Entry, signature: Signature) -> bool:
    return not entry.front.venue or bool(signature.venue)


def _order(candidate: Candidate) -> tuple[float, bool, int, str]:
    front = candidate.entry.front
    # An entry about the error itself goes before one about what surrounds it, and one that names more before one that
    # names less.
    about_it = front.kind in {EntryKind.ERROR_SIGNATURE, EntryKind.RUNBOOK}
    marks = sum(map(bool, (front.venue, front.http_status, front.code, front.template, front.regex)))
    return (-candidate.confidence, not about_it, -marks, front.id)
