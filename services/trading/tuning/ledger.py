"""Every trial that was ever made, so that none can be forgotten when the best one is judged.

Trials are only added. One is in here before its study is told of it: what a crash leaves behind is a trial that the
study does not know yet, never one that was tried and left no trace.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.moments import microseconds, moment
from services.trading.tuning.errors import HoldOutSpentError
from services.trading.tuning.tables import HOLD_OUTS, RUNS, STUDIES, TRIALS, VERDICTS

VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"


class Kind(StrEnum):
    """Why something was tried: as a step of the search, or to see how its neighbour stands."""

    SEARCH = "search"
    NEIGHBOUR = "neighbour"


class Outcome(StrEnum):
    """Whether a trial was carried through or given up after its first folds."""

    COMPLETE = "complete"
    PRUNED = "pruned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One setting that was tried.

    Attributes:
        number: Within its study, from 0; not every number is a trial.
        setting: As `settings_space.written` writes it.
        score: Median of the folds' annualised Sharpe ratios.
        sharpe: Per bar, over all bars that were looked at.
        bars: How many these are.
        trades: Round trips among them.
        folds: The folds' scores, in order of time.
    """

    study: str
    number: int
    kind: Kind
    outcome: Outcome
    setting: str
    score: float
    sharpe: float
    bars: int
    trades: int
    folds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """A hold-out that was opened: by which study, for which setting."""

    study: str
    setting: str
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a study came to.

    Attributes:
        trials: Settings that it tried, neighbours included.
        recommended: Whether its candidate passed every test.
        failed: The names of the tests that were not passed.
        deflated_sharpe: A probability; None where it could not be computed.
    """

    study: str
    trials: int
    recommended: bool
    failed: tuple[str, ...]
    deflated_sharpe: float | None


class Ledger:
    """The ledger in a database whose migrations have run."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def description_of(self, study: str) -> str | None:
        """What a study was made of; None if there is none of that name."""
        with self._database.reading() as connection:
            return connection.execute(select(STUDIES.c.description).where(STUDIES.c.name == study)).scalar()

    def begin(self, study: str, *, strategy: str, version: int, data: str, description: str) -> str:
        """Note down a new study. Returns its description: another worker's, if that one came first."""
        row = {"name": study, "strategy": strategy, "version": version, "data": data, "description": description}
        try:
            with self._database.transaction(durable=True) as connection:
                connection.execute(insert(STUDIES).values(**row, began_at_us=self._now_us()))
        except IntegrityError:
            return self.description_of(study) or description
        return description

    def append(self, trial: Trial) -> bool:
        """Add a trial, durably. Returns whether it is new: the same number of a study is added once."""
        values = {name: getattr(trial, name) for name in _PLAIN}
        values |= {"kind": trial.kind.value, "outcome": trial.outcome.value, "folds": json.dumps(trial.folds)}
        try:
            with self._database.transaction(durable=True) as connection:
                connection.execute(insert(TRIALS).values(**values, recorded_at_us=self._now_us()))
        except IntegrityError:
            return False
        return True

    def of_study(self, study: str, *, after: int = 0) -> tuple[Sequence[Trial], int]:
        """A study's trials in the order they were added, from about a position on, and the last position.

        Some that were known come again: where many add at once, a trial may be seen before one of a lower position.
        """
        since = max(0, after - _AT_ONCE)
        query = select(TRIALS).where(TRIALS.c.study == study, TRIALS.c.position > since).order_by(TRIALS.c.position)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [_trial(row) for row in rows], max(after, rows[-1].position) if rows else after

    def ever_tried(self, strategy: str, data: str) -> Mapping[tuple[int, str], Trial]:
        """By version and setting, whatever of a strategy was tried on the same market by any study; the last counts."""
        query = (
            select(TRIALS, STUDIES.c.version)
            .join(STUDIES, STUDIES.c.name == TRIALS.c.study)
            .where(STUDIES.c.strategy == strategy, STUDIES.c.data == data)
            .order_by(TRIALS.c.position)
        )
        with self._database.reading() as connection:
            return {(row.version, row.setting): _trial(row) for row in connection.execute(query)}

    def want(self, study: str, trials: int) -> None:
        """Note down that a run begins, and how many trials the search is to have."""
        values = {"wanted": trials, "began_at_us": self._now_us()}
        with self._database.transaction() as connection:
            changed = connection.execute(update(RUNS).where(RUNS.c.study == study).values(values))
            if changed.rowcount == 0:
                connection.execute(insert(RUNS).values(study=study, **values))

    def judge(self, judgement: Judgement) -> bool:
        """Note down what a study came to. Returns whether that is new: the same again is not added."""
        newest = select(VERDICTS).where(VERDICTS.c.study == judgement.study).order_by(VERDICTS.c.judged_at_us.desc())
        row = {
            "trials": judgement.trials,
            "recommended": judgement.recommended,
            "failed": json.dumps(judgement.failed),
            "deflated_sharpe": judgement.deflated_sharpe,
        }
        with self._database.transaction() as connection:
            last = connection.execute(newest.limit(1)).one_or_none()
            if last is not None and all(getattr(last, name) == value for name, value in row.items()):
                return False
            connection.execute(insert(VERDICTS).values(study=judgement.study, judged_at_us=self._now_us(), **row))
        return True

    def open_hold_out(self, study: str, setting: str) -> Opening:
        """Note down, durably, that a study's hold-out is looked at for a setting; asking again for it is harmless.

        Raises:
            HoldOutSpentError: It was opened for another setting.
        """
        with self._database.transaction(durable=True) as connection:
            opening = _opening(connection, study)
            if opening is None:
                opening = Opening(study, setting, moment(self._now_us()))
                row = {"study": study, "setting": setting, "opened_at_us": microseconds(opening.opened_at)}
                connection.execute(insert(HOLD_OUTS).values(**row))
        if opening.setting != setting:
            raise HoldOutSpentError(
                f"Study {study} opened its hold-out on {opening.opened_at:%Y-%m-%d} for {opening.setting}. What was "
                "looked at once proves nothing about a second setting: wait for new bars, or begin another study."
            )
        return opening

    def opened(self, study: str) -> Opening | None:
        """When a study's hold-out was opened; None if it is locked."""
        with self._database.reading() as connection:
            return _opening(connection, study)

    def openings(self, strategy: str, data: str) -> Sequence[Opening]:
        """Every hold-out that studies of this strategy on this market opened, oldest first."""
        query = (
            select(HOLD_OUTS)
            .join(STUDIES, STUDIES.c.name == HOLD_OUTS.c.study)
            .where(STUDIES.c.strategy == strategy, STUDIES.c.data == data)
            .order_by(HOLD_OUTS.c.opened_at_us)
        )
        with self._database.reading() as connection:
            return [Opening(row.study, row.setting, moment(row.opened_at_us)) for row in connection.execute(query)]

    def _now_us(self) -> int:
        return microseconds(self._clock.now())


_AT_ONCE: Final = 100  # trials that may be on their way while one of a higher position is seen
_PLAIN: Final = ("study", "number", "setting", "score", "sharpe", "bars", "trades")


def _opening(connection: Connection, study: str) -> Opening | None:
    row = connection.execute(select(HOLD_OUTS).where(HOLD_OUTS.c.study == study)).one_or_none()
    return None if row is None else Opening(row.study, row.setting, moment(row.opened_at_us))


def _trial(row: Row[Any]) -> Trial:
    plain = {name: getattr(row, name) for name in _PLAIN}
    return Trial(**plain, kind=Kind(row.kind), outcome=Outcome(row.outcome), folds=tuple(json.loads(row.folds)))
