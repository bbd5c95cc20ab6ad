"""What speaks for a study's candidate and against it: measured anew, on all that was ever tried."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.contracts.columns import Floats
from services.trading.strategies.parameters import ParameterError, Params
from services.trading.tuning import settings_space
from services.trading.tuning.errors import HoldOutLockedError
from services.trading.tuning.ledger import Opening
from services.trading.tuning.overfitting import Overfitting, different, overfitting
from services.trading.tuning.sharpe import Record, annual, independent_trials, mean_correlation, record_of
from services.trading.tuning.study import Candidate, Study
from services.trading.tuning.subject import Viewing
from services.trading.tuning.superior import Superiority, superior_ability

_MOST_COMPARED: Final = 1000
_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How the candidate did on the bars that were kept back.

    Attributes:
        opening: When they were opened.
        sharpe: Annualised.
        bars: How many they are.
        trades: Round trips among them.
    """

    opening: Opening
    sharpe: float
    bars: int
    trades: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict rests on. All but the hold-out is of the bars that trials are measured on.

    Attributes:
        candidate: What is judged.
        record: The candidate's.
        trades: The candidate's round trips.
        dear_return: The candidate's mean return in a year with all costs doubled, as a part of the capital.
        tried: Different settings that were ever tried on this market, by all studies.
        variance: Of their Sharpe ratios per bar.
        independent: What they are worth in independent trials.
        compared: Settings that `superiority` compares; older versions' and excess ones are left out.
        different: Of these, settings that do not go together with another one: what `overfitting` compares.
        overfitting: None where there is only one such setting.
        superiority: Against the subject's benchmark.
        walked: Annualised Sharpe ratio of taking, for each fold, what was best in its training.
        bars_per_year: For annualising.
        held_out: None while the hold-out is locked, or was opened for another setting.
        looks: How often hold-outs of this market were opened, by all studies.
    """

    candidate: Candidate
    record: Record
    trades: int
    dear_return: float
    tried: int
    variance: float
    independent: float
    compared: int
    different: int
    overfitting: Overfitting | None
    superiority: Superiority
    walked: float
    bars_per_year: float
    held_out: HeldOut | None
    looks: int


def gather(study: Study) -> Evidence:
    """The evidence about a study's candidate. Takes about as long as its trials did, at the most.

    Raises:
        NothingTriedError: The study has no trial that was carried through.
    """
    subject, candidate, track = study.subject, study.candidate(), study.layout.track
    setting = candidate.setting
    (own,) = study.viewing.evaluate([setting], track)
    (dear,) = study.viewing.evaluate([setting], track, dear=True)
    ever = study.ledger.ever_tried(subject.strategy, subject.data)
    sharpes = np.array([trial.sharpe for trial in ever.values()])
    comparable = [text for version, text in ever if version == subject.version and _fits(study, text)]
    returns = _returns(study, _thinned(comparable, candidate.trial.setting, most=len(own.returns) // 2))
    apart = different(np.vstack([own.returns, returns]))
    opening = study.ledger.opened(study.name)
    return Evidence(
        candidate=candidate,
        record=record_of(own.returns),
        trades=own.trades,
        dear_return=float(dear.returns.mean()) * subject.bars_per_year,
        tried=len(ever),
        variance=float(sharpes.var(ddof=1)) if len(sharpes) > 1 else 0.0,
        independent=independent_trials(len(ever), mean_correlation(returns)),
        compared=len(returns),
        different=len(apart),
        overfitting=_overfitted(study, apart) if len(apart) > 1 else None,
        superiority=superior_ability(returns - subject.excess_benchmark(track), seed=study.plan.seed),
        walked=annual(record_of(_walked(study, returns)).sharpe, subject.bars_per_year),
        bars_per_year=subject.bars_per_year,
        held_out=_held_out(study, opening) if opening and opening.setting == candidate.trial.setting else None,
        looks=len(study.ledger.openings(subject.strategy, subject.data)),
    )


def open_hold_out(study: Study, candidate: Candidate) -> HeldOut:
    """Look at the bars that were kept back: once in a study's life, for one setting, and written down first.

    Raises:
        HoldOutLockedError: The study keeps nothing back.
        HoldOutSpentError: It was opened for another setting.
    """
    if study.layout.held_out.start == study.layout.held_out.stop:
        raise HoldOutLockedError("This study keeps no bars back; begin one with --hold-out 0.2.")
    return _held_out(study, study.ledger.open_hold_out(study.name, candidate.trial.setting))


def _overfitted(study: Study, returns: Floats) -> Overfitting:
    return overfitting(returns, purge=study.layout.purge, embargo=study.layout.embargo)


def _held_out(study: Study, opening: Opening) -> HeldOut:
    whole = Viewing(study.subject, study.layout.held_out.stop)
    (found,) = whole.evaluate([settings_space.read(opening.setting)], study.layout.held_out)
    sharpe = annual(record_of(found.returns).sharpe, study.subject.bars_per_year)
    return HeldOut(opening, sharpe, len(found.returns), found.trades)


def _fits(study: Study, text: str) -> bool:
    try:
        study.subject.space.check(settings_space.read(text))
    except ParameterError:
        # Of a space that had other parameters or bounds.
        return False
    return True


def _thinned(texts: Sequence[str], always: str, *, most: int) -> list[Params]:
    """As many settings as can be compared, evenly from first to last, the candidate among them."""
    room = min(_MOST_COMPARED, most)
    if len(texts) > room:
        kept = {texts[place] for place in np.linspace(0, len(texts) - 1, room - 1).astype(int)} | {always}
        texts = [text for text in texts if text in kept]
    return [settings_space.read(text) for text in texts]


def _returns(study: Study, settings: Sequence[Params]) -> Floats:
    """Configurations x time, over the bars that trials are measured on."""
    track = study.layout.track
    rows = np.empty((len(settings), track.stop - track.start))
    for first in range(0, len(settings), _AT_ONCE):
        for place, found in enumerate(study.viewing.evaluate(settings[first : first + _AT_ONCE], track), start=first):
            rows[place] = found.returns
    return rows


def _walked(study: Study, returns: Floats) -> Floats:
    """The tests' returns one after another, each of the setting that was best in the fold's training."""
    begin = study.layout.track.start
    parts = []
    for fold in study.layout.folds:
        train = returns[:, max(0, fold.train.start - begin) : max(0, fold.train.stop - begin)]
        # Before the first test nothing was measured: whoever starts there takes the first setting, the default.
        best = int(np.argmax(_sharpes(train))) if train.shape[1] > 1 else 0
        parts.append(returns[best, fold.test.start - begin : fold.test.stop - begin])
    return np.concatenate(parts)


def _sharpes(returns: Floats) -> Floats:
    spread = returns.std(axis=1)
    return np.where(spread > 0, returns.mean(axis=1) / np.where(spread > 0, spread, 1.0), 0.0)
