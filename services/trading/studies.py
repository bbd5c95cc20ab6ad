"""Makes studies visible that run in processes of their own: their ledger is followed, and what they came to is stated.

A study (`sightline tune`) has no address that anybody could scrape, and may run on another machine. It writes every
trial into its ledger before it goes on, so whoever reads the ledger knows how far it is.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import BigInteger, Column, MetaData, String, Table, insert
from sqlalchemy.exc import IntegrityError

from services.contracts.strategies import StudyFinished, StudyVerdict
from services.kit.database import Database
from services.kit.moments import microseconds
from services.trading.orders.transactions import Transactions
from services.trading.tuning import following
from services.trading.tuning.following import Judged
from services.trading.tuning.ledger import VERSIONS
from telemetry.catalogue import TRADING_STUDY_PROGRESS, TRADING_STUDY_TRIALS
from telemetry.emit.metrics import Metrics

METADATA = MetaData()

# Verdicts that were stated as facts, so that none is stated twice.
TOLD_STUDIES: Final = Table(
    "told_studies",
    METADATA,
    Column("study", String(80), primary_key=True),
    Column("judged_at_us", BigInteger, primary_key=True),
)

_LONGEST_MARKET: Final = 400


def ledger_at(url: str | None, directory: Path) -> Callable[[], Database | None]:
    """Opens the ledger: of a database's URL, or the one of files in a directory once there is one."""

    def open_ledger() -> Database | None:
        path = directory / "ledger.db"
        if url is None and not path.exists():
            return None
        database = Database(url or f"sqlite:///{path}", service="tuning", versions=(VERSIONS,))
        try:
            database.migrate()
        except BaseException:
            database.close()
            raise
        return database

    return open_ledger


class StudyFollower:
    """Follows a ledger of studies. `look` is called again and again, by one thread at a time.

    Args:
        ledger: Opens it; None while there is none.
        facts: Where verdicts are stated.
        metrics: The service's instruments; the kinds of strategies have been declared.
        kinds: The strategies that there are.
    """

    def __init__(
        self,
        ledger: Callable[[], Database | None],
        *,
        facts: Transactions,
        metrics: Metrics,
        kinds: Iterable[str],
    ) -> None:
        self._open = ledger
        self._facts = facts
        self._trials = {kind: metrics.counter(TRADING_STUDY_TRIALS, kind=kind) for kind in kinds}
        self._progress = {kind: metrics.gauge(TRADING_STUDY_PROGRESS, kind=kind) for kind in self._trials}
        self._ledger: Database | None = None
        self._position: int | None = None
        self._last: Judged | None = None

    def look(self) -> None:
        """Count what is new, and state what was judged.

        Raises:
            DatabaseError: The ledger or the service's own database is away.
        """
        if self._ledger is None:
            self._ledger = self._open()
        if self._ledger is None:
            return
        with self._ledger.reading() as connection:
            newest = following.newest_trial(connection)
            # What was tried before this process began is no rate.
            tried = following.tried_between(connection, newest if self._position is None else self._position, newest)
            progress = following.progress(connection)
            judged = following.judged_after(connection, self._last.judged_at if self._last else None)
        self._position = newest
        for kind, counter in self._trials.items():
            counter.inc(tried.get(kind, 0))
            self._progress[kind].set(progress.get(kind, 0.0))
        for each in judged:
            self._tell(each)
            self._last = each

    def close(self) -> None:
        """Give the ledger back."""
        if self._ledger is not None:
            self._ledger.close()

    def _tell(self, judged: Judged) -> None:
        key = {"study": judged.study, "judged_at_us": microseconds(judged.judged_at)}
        # Told before: by the process that ran until now, or by another one.
        with suppress(IntegrityError), self._facts.transaction() as tx:
            tx.connection.execute(insert(TOLD_STUDIES).values(key))
            tx.record(_finished(judged))


def _finished(judged: Judged) -> StudyFinished:
    return StudyFinished(
        subject=judged.study,
        kind=judged.strategy,
        market=judged.data[:_LONGEST_MARKET],
        trials=judged.trials,
        verdict=StudyVerdict.RECOMMENDED if judged.recommended else StudyVerdict.NO_EDGE,
        failed=judged.failed,
        deflated_sharpe=judged.deflated_sharpe,
        duration_seconds=judged.seconds,
    )
