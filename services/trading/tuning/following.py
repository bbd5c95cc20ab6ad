"""Studies as somebody else sees them: how far they are and what they came to, read off their ledger."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from services.kit.moments import microseconds, moment
from services.trading.tuning.ledger import Kind
from services.trading.tuning.tables import RUNS, STUDIES, TRIALS, VERDICTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A study that was judged.

    Attributes:
        data: What market it was about.
        seconds: From its first trial to its last.
    """

    study: str
    strategy: str
    data: str
    judged_at: datetime
    trials: int
    recommended: bool
    failed: tuple[str, ...]
    deflated_sharpe: float | None
    seconds: float


def newest_trial(connection: Connection) -> int:
    """The position of the trial that was added last; 0 before the first."""
    return connection.execute(select(func.max(TRIALS.c.position))).scalar() or 0


def tried_between(connection: Connection, after: int, until: int) -> Mapping[str, int]:
    """How many trials were added at positions from `after` (left out) to `until`, by strategy."""
    query = (
        select(STUDIES.c.strategy, func.count())
        .join(STUDIES, STUDIES.c.name == TRIALS.c.study)
        .where(TRIALS.c.position > after, TRIALS.c.position <= until)
        .group_by(STUDIES.c.strategy)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def progress(connection: Connection) -> Mapping[str, float]:
    """How much of its search the study that was run last has behind it, from 0 to 1, by strategy."""
    latest = select(STUDIES.c.strategy, RUNS.c.study, RUNS.c.wanted).join(STUDIES, STUDIES.c.name == RUNS.c.study)
    found = {row.strategy: row for row in connection.execute(latest.order_by(RUNS.c.began_at_us))}
    searched = select(TRIALS.c.study, func.count()).where(
        TRIALS.c.study.in_([row.study for row in found.values()]), TRIALS.c.kind == Kind.SEARCH.value
    )
    done = {row[0]: row[1] for row in connection.execute(searched.group_by(TRIALS.c.study))}
    return {
        strategy: min(1.0, done.get(row.study, 0) / row.wanted) if row.wanted else 1.0
        for strategy, row in found.items()
    }


def judged_after(connection: Connection, at: datetime | None) -> Sequence[Judged]:
    """What was judged at a moment or later, or ever, oldest first."""
    span = (
        select(TRIALS.c.study, func.min(TRIALS.c.recorded_at_us), func.max(TRIALS.c.recorded_at_us))
        .group_by(TRIALS.c.study)
        .subquery()
    )
    query = (
        select(VERDICTS, STUDIES.c.strategy, STUDIES.c.data, (span.c[2] - span.c[1]).label("took_us"))
        .join(STUDIES, STUDIES.c.name == VERDICTS.c.study)
        .join(span, span.c.study == VERDICTS.c.study)
        .order_by(VERDICTS.c.judged_at_us)
    )
    if at is not None:
        query = query.where(VERDICTS.c.judged_at_us >= microseconds(at))
    return [
        Judged(
            study=row.study,
            strategy=row.strategy,
            data=row.data,
            judged_at=moment(row.judged_at_us),
            trials=row.trials,
            recommended=row.recommended,
            failed=tuple(json.loads(row.failed)),
            deflated_sharpe=row.deflated_sharpe,
            seconds=row.took_us / 1e6,
        )
        for row in connection.execute(query)
    ]
