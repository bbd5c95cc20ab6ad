"""How a study is made, and how that cuts the time."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Final

from services.trading.tuning import settings_space
from services.trading.tuning.errors import SplitError
from services.trading.tuning.sharpe import annual, sharpe_of
from services.trading.tuning.splits import Fold, hold_out, walk_forward
from services.trading.tuning.subject import Evaluation, Subject

_LEAST_HELD_OUT: Final = 20
_EMBARGO: Final = 0.01  # of all bars: Lopez de Prado (2018), chapter 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a study is made. It stays as it was when the study began.

    Attributes:
        folds: Tests of the walk forward.
        anchored: Whether each of them learns from the beginning on; see `splits.walk_forward`.
        purge: Bars before a test that are not learned from: their decisions reach into it. None: the subject's horizon.
        embargo: Bars more that are left out between learning and test. None: a hundredth of the bars worked with.
        hold_out: Share of the bars kept back at the end.
        seed: Of everything random.
        prune_after: After so many folds a trial that is worse than the median so far is given up; 0: never. Who goes on
            is evaluated from the beginning, so this pays where evaluating takes long.
    """

    folds: int = 8
    anchored: bool = True
    purge: int | None = None
    embargo: int | None = None
    hold_out: float = 0.2
    seed: int = 1
    prune_after: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """Which bars are for what.

    Attributes:
        folds: The walk forward.
        track: The bars that trials are measured on: all tests together.
        held_out: The bars that are kept back.
        purge, embargo: Bars between learning and test, as the plan has them or as they follow from the bars.
    """

    folds: Sequence[Fold]
    track: slice
    held_out: slice
    purge: int
    embargo: int

    def scores(self, evaluation: Evaluation, folds: int, bars_per_year: float) -> tuple[float, ...]:
        """Annualised Sharpe ratios in the first `folds` tests, of an evaluation that begins with the track."""
        tests = [fold.test for fold in self.folds[:folds]]
        parts = [evaluation.returns[test.start - self.track.start : test.stop - self.track.start] for test in tests]
        return tuple(annual(sharpe_of(part), bars_per_year) for part in parts)


def laid_out(subject: Subject, plan: Plan) -> Layout:
    """How the plan cuts the subject's bars.

    Raises:
        TooFewBarsError: The bars are too few for the folds.
        SplitError: The plan makes no sense.
    """
    if not 0 <= plan.prune_after < plan.folds:
        raise SplitError(f"Trials are given up after 1 to {plan.folds - 1} of {plan.folds} folds, or never (0).")
    tuned, held_out = hold_out(subject.bars, plan.hold_out)
    kept = held_out.stop - held_out.start
    if 0 < kept < _LEAST_HELD_OUT:
        raise SplitError(f"{kept} bars kept back show nothing: keep at least {_LEAST_HELD_OUT}, or none (0).")
    purge = subject.horizon(tuned.stop) if plan.purge is None else plan.purge
    embargo = ceil(tuned.stop * _EMBARGO) if plan.embargo is None else plan.embargo
    if min(purge, embargo) < 0:
        raise SplitError(f"Neither a purge of {purge} nor an embargo of {embargo} bars can be below 0.")
    gap = purge + embargo
    folds = walk_forward(tuned.stop, plan.folds, start=subject.warm_up, anchored=plan.anchored, gap=gap)
    return Layout(folds, slice(folds[0].test.start, tuned.stop), held_out, purge, embargo)


def described(subject: Subject, plan: Plan) -> str:
    """What a study is made of, as JSON: two studies with the same description have the same trials."""
    made_of = {
        "strategy": subject.strategy,
        "version": subject.version,
        "data": subject.data,
        "digest": subject.digest,
        "bars": subject.bars,
        "space": settings_space.described(subject.space),
        **asdict(plan),
    }
    return json.dumps(made_of, sort_keys=True)


def differences(before: str, now: str) -> list[str]:
    """In what two descriptions differ, in words; empty where they do not."""
    old, new = json.loads(before), json.loads(now)
    return [
        f"{name} {_shown(old.get(name))} (now {_shown(new.get(name))})"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _shown(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)[:24]
