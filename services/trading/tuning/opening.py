"""Opening a study: a new one under a free name, or one that is gone on with."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from services.kit.clock import Clock
from services.trading.tuning.errors import OtherStudyError, StudyExistsError, StudyUnknownError, TuningError
from services.trading.tuning.home import Home
from services.trading.tuning.plan import Plan, described, differences, laid_out
from services.trading.tuning.study import Study
from services.trading.tuning.subject import Subject
from services.trading.tuning.suggesting import Suggesting

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@contextmanager
def open_study(  # noqa: PLR0913 -- what a study is put together from
    home: Home, name: str, subject: Subject, plan: Plan, *, resume: bool, clock: Clock
) -> Iterator[Study]:
    """A study, for as long as the block runs.

    Args:
        home: Where it is kept.
        name: Up to 80 letters, digits, dots, dashes and underscores.
        subject: What it is about.
        plan: How it is made; the one it began with, when it is resumed.
        resume: Go on with it; otherwise begin it. Where workers share a home, all but the first resume.
        clock: For when things were done, and how long they took.

    Raises:
        StudyExistsError: There is one of that name, and it is not to be resumed.
        StudyUnknownError: There is none to be resumed.
        OtherStudyError: It was made of other data, another version or another plan.
        StudyBusyError: Another process works on it, and its home is not shared.
        TooFewBarsError: The bars are too few for the folds.
        TuningError: The name cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise TuningError("A study's name is up to 80 letters, digits, dots, dashes and underscores.")
    layout = laid_out(subject, plan)
    with home.storage(name) as storage:
        _same_or_new(home, name, subject, described(subject, plan), resume=resume)
        suggesting = Suggesting(
            storage, name, subject.space, seed=plan.seed, worker=home.worker, prunes=plan.prune_after > 0
        )
        yield Study(
            name, subject, plan, layout, ledger=home.ledger, suggesting=suggesting, shared=home.shared, clock=clock
        )


def _same_or_new(home: Home, name: str, subject: Subject, description: str, *, resume: bool) -> None:
    before = home.ledger.description_of(name)
    if before is None and resume:
        raise StudyUnknownError(f"There is no study {name} here to go on with; leave out --resume to begin it.")
    if before is not None and not resume:
        trials, _ = home.ledger.of_study(name)
        raise StudyExistsError(
            f"Study {name} has {len(trials)} trials: --resume goes on with it, --study NAME begins another."
        )
    if before is None:
        before = home.ledger.begin(
            name, strategy=subject.strategy, version=subject.version, data=subject.data, description=description
        )
    if differing := differences(before, description):
        raise OtherStudyError(
            f"Study {name} was made with {', '.join(differing)}. Give it the same again, or begin another by --study."
        )
