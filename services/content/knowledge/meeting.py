"""Meets errors as they happen: facts that tell of one come over the bus, error lines are read from the log."""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from services.content.knowledge import gaps
from services.content.knowledge.base import KnowledgeBase
from services.content.knowledge.normalising import LONGEST_SIGNATURE, template_of
from services.content.knowledge.readings import READINGS
from services.contracts.events import Envelope
from services.contracts.knowledge import MatchQuery
from services.kit.bus import Consumer
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.errors import UnavailableError
from services.kit.facts import Facts, Transaction
from services.kit.moments import moment
from telemetry.catalogue import KNOWLEDGE_FOLLOWED_UNTIL
from telemetry.emit.metrics import Metrics
from telemetry.query.errors import QueryError
from telemetry.query.ports import LogLine, LogQuery, LogReader

FIRST_LOOK: Final = timedelta(minutes=15)
SETTLED_AFTER: Final = timedelta(seconds=10)  # lines reach the store in batches, some of them seconds late
MOST_LINES: Final = 2_000
_LONGEST_WINDOW: Final = timedelta(hours=6)

_log = logging.getLogger("services.content.knowledge.meeting")


class LogAwayError(UnavailableError):
    """The log cannot be read now; nothing is lost, the same lines are read later."""

    code = "log_away"
    title = "The log cannot be read"


def meeting_consumer(base: KnowledgeBase) -> Consumer:
    """Asks about every fact that tells of an error."""

    def meet(tx: Transaction, envelope: Envelope) -> None:
        for query in READINGS[envelope.event_type].queries(envelope):
            base.meet(tx, query, cause_id=str(envelope.event_id))

    return Consumer(name="meet_errors", event_types=tuple(READINGS), handler=meet, ordered=False)


class LogFollower:
    """Asks about every kind of error line, counted together. Its methods block on the log and the database."""

    def __init__(  # noqa: PLR0913, PLR0917 -- each is a part that a test replaces
        self, base: KnowledgeBase, logs: LogReader, facts: Facts, database: Database, metrics: Metrics, clock: Clock
    ) -> None:
        self._base = base
        self._logs = logs
        self._facts = facts
        self._database = database
        self._metrics = metrics
        self._clock = clock

    def open(self) -> None:
        """Show up to when the last run looked."""
        with self._database.reading() as connection:
            until = gaps.followed_until(connection)
        self._metrics.gauge(KNOWLEDGE_FOLLOWED_UNTIL).set(until.timestamp() if until else 0.0)

    def follow(self) -> int:
        """Look at the lines that came since the last look; how many there were.

        The lines' facts and the note up to when they were looked at are one transaction, so each line counts once.

        Raises:
            LogAwayError: The log cannot be read now.
            DatabaseError: The database is away.
        """
        with self._database.reading() as connection:
            known = gaps.followed_until(connection)
        end = self._clock.now() - SETTLED_AFTER
        start = max(known or end - FIRST_LOOK, end - _LONGEST_WINDOW)
        if start >= end:
            return 0
        lines, until = self._read(start, end)
        with self._facts.transaction() as tx:
            for query, sightings in _asked(lines):
                self._base.meet(tx, query, sightings=sightings)
            gaps.set_followed_until(tx.connection, until)
        self._metrics.gauge(KNOWLEDGE_FOLLOWED_UNTIL).set(until.timestamp())
        return len(lines)

    def _read(self, start: datetime, end: datetime) -> tuple[list[LogLine], datetime]:
        query = LogQuery(start=start, end=end, min_level="error", limit=MOST_LINES, newest_first=False)
        try:
            found = self._logs.search(query)
        except QueryError as error:
            raise LogAwayError(str(error)) from error
        if not found.truncated:
            return list(found), end
        # The rest comes with the next look. A moment that has more lines than that is counted in part.
        _log.info("more than %d error lines since %s; the rest is looked at next", MOST_LINES, start)
        return list(found), min(moment(found[-1].time_ns // 1_000) + timedelta(microseconds=1), end)


def _asked(lines: Iterable[LogLine]) -> list[tuple[MatchQuery, int]]:
    """Each kind of line once, with how often it came."""
    counts: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], LogLine] = {}
    for line in lines:
        # A fact on the table came over the bus as well, with more to go by.
        if line.field("event_type") in READINGS or not line.line.strip():
            continue
        kind = (line.service_name, line.logger, template_of(line.line[:LONGEST_SIGNATURE]))
        counts[kind] += 1
        first.setdefault(kind, line)
    return [
        (
            MatchQuery(
                text=first[kind].line[:4_000],
                venue=_venue(first[kind]),
                source=first[kind].logger[:200],
                service_name=first[kind].service_name[:100],
            ),
            count,
        )
        for kind, count in counts.items()
    ]


def _venue(line: LogLine) -> str:
    return (line.field("venue") or line.field("broker"))[:64]
