"""The knowledge base as it stands: entries, index and matcher, made anew together when a file changes."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from threading import Lock

from services.content.knowledge import gaps
from services.content.knowledge.entries import Entry
from services.content.knowledge.index import KnowledgeIndex
from services.content.knowledge.library import Library, Places, read_library
from services.content.knowledge.matching import Candidate, Matcher
from services.content.knowledge.normalising import Normaliser
from services.content.knowledge.sightings import Sighting
from services.contracts.knowledge import (
    EntryKind,
    EntryList,
    EntrySummary,
    EntryView,
    GapList,
    KnowledgeRefreshed,
    Match,
    MatchAnswer,
    MatchQuery,
    SearchAnswer,
    SearchHit,
)
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.facts import Facts, Transaction
from telemetry.catalogue import KNOWLEDGE_ENTRIES, KNOWLEDGE_GAPS, KNOWLEDGE_QUERY_DURATION
from telemetry.emit.metrics import Metrics

_log = logging.getLogger("services.content.knowledge")


@dataclass(frozen=True, slots=True)
class _State:
    fingerprint: frozenset[tuple[str, int, int]]
    today: date
    library: Library
    index: KnowledgeIndex
    matcher: Matcher


class KnowledgeBase:
    """Answers what is known. Its methods block on the index and the database.

    Args:
        stale_after: How long an entry's statements are trusted unverified.
        families: As for `Matcher`.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        places: Places,
        facts: Facts,
        database: Database,
        metrics: Metrics,
        clock: Clock,
        *,
        stale_after: timedelta,
        families: Mapping[str, str],
    ) -> None:
        self._places = places
        self._facts = facts
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._stale_after = stale_after
        self._families = families
        self._normaliser = Normaliser()
        self._refreshing = Lock()
        self._state = self._read()

    def open(self) -> None:
        """Tell what there is, at the start."""
        self._announce()
        self._show_gaps()

    def refresh(self) -> bool:
        """Read the files again if one changed, or a day went by; True when they were read."""
        with self._refreshing:
            self._show_gaps()
            if (self._places.fingerprint(), self._today()) == (self._state.fingerprint, self._state.today):
                return False
            # The index that it replaces may be asked at this moment, so it is left to the last who does.
            self._state = self._read()
            self._announce()
        return True

    def search(self, words: str, *, limit: int) -> SearchAnswer:
        """Entries that hold the words, the best first."""
        state = self._state
        with self._timed("search"):
            found = state.index.search(words, limit=limit)
        hits = [(state.library.get(each.entry_id), each) for each in found]
        return SearchAnswer(
            hits=tuple(
                SearchHit(entry=self._summary(entry), snippet=each.snippet, rank=each.rank) for entry, each in hits
            )
        )

    def entries(self) -> EntryList:
        """Every entry that no other took the place of."""
        return EntryList(entries=tuple(self._summary(entry) for entry in self._state.library.current()))

    def entry(self, entry_id: str) -> EntryView:
        """One entry in full. Raises `NoSuchEntryError`."""
        library = self._state.library
        entry = library.get(entry_id)
        return entry.view(self._today(), self._stale_after, superseded_by=library.superseded_by.get(entry_id))

    def gaps(self, *, limit: int) -> GapList:
        """Errors that no entry answers, the one met most often first."""
        with self._database.reading() as connection:
            return GapList(gaps=tuple(gaps.listing(connection, limit=limit)))

    def match(self, query: MatchQuery) -> MatchAnswer:
        """What is known of an error or an alert, stated as a fact."""
        with self._facts.transaction() as tx:
            return self.meet(tx, query)

    def meet(self, tx: Transaction, query: MatchQuery, *, sightings: int = 1, cause_id: str = "") -> MatchAnswer:
        """Match an error that was met `sightings` times, and state what came of it within the transaction."""
        signature = self._normaliser.signature(query)
        with self._timed("match"):
            found = self._state.matcher.match(signature, alert_name=query.alert_name)
        source = self._normaliser.clean(query.source or query.alert_name or "question")[:200]
        sighting = Sighting(signature, source, self._normaliser.clean(query.service_name), sightings, cause_id)
        if found:
            tx.record(sighting.matched(found[0]))
            return MatchAnswer(signature=signature.template, matches=tuple(map(self._told, found)), gap_id=None)
        first = gaps.note(tx.connection, sighting, now=self._clock.now())
        tx.record(sighting.missed(first=first))
        return MatchAnswer(signature=signature.template, matches=(), gap_id=signature.id)

    def _read(self) -> _State:
        today, fingerprint = self._today(), self._places.fingerprint()
        library = read_library(self._places, today=today)
        entries = library.current()
        index = KnowledgeIndex(entries)
        return _State(fingerprint, today, library, index, Matcher(entries, index, self._families))

    def _announce(self) -> None:
        state = self._state
        for problem in state.library.problems:
            _log.warning("an entry is refused: %s", problem)
        entries = state.library.current()
        with self._facts.transaction() as tx:
            gaps.forget(tx.connection, [gap.id for gap in gaps.all_of(tx.connection) if state.matcher.answers(gap)])
            tx.record(
                KnowledgeRefreshed(
                    subject="knowledge",
                    entries=len(entries),
                    stale=len(state.library.stale(state.today, self._stale_after)),
                    refused=len({problem.path for problem in state.library.problems}),
                )
            )
        kinds = Counter(entry.front.kind for entry in entries)
        for kind in EntryKind:
            self._metrics.gauge(KNOWLEDGE_ENTRIES, kind=kind.value).set(kinds[kind])

    def _show_gaps(self) -> None:
        with self._database.reading() as connection:
            self._metrics.gauge(KNOWLEDGE_GAPS).set(gaps.count(connection))

    def _summary(self, entry: Entry) -> EntrySummary:
        return entry.summary(self._today(), self._stale_after)

    def _told(self, candidate: Candidate) -> Match:
        return Match(
            entry=self._summary(candidate.entry),
            how=candidate.how,
            confidence=candidate.confidence,
            actions=candidate.entry.front.actions,
        )

    def _today(self) -> date:
        return self._clock.now().date()

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        began = self._clock.monotonic()
        yield
        taken = self._clock.monotonic() - began
        self._metrics.histogram(KNOWLEDGE_QUERY_DURATION, operation=operation).observe(taken)
