"""What to try next, by Optuna.

The seed of each suggestion follows from the study's seed and the suggestion's number alone, so a study that was ended
and is resumed goes on as if nothing had happened.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from services.trading.strategies.parameters import Choice, Integer, Parameter, ParameterSpace, Params, Value
from services.trading.tuning import settings_space
from services.trading.tuning.ledger import Outcome, Trial

Suggestion = optuna.Trial

# Random settings first: a model of nothing has nothing to suggest.
RANDOM_FIRST: Final = 20
_KIND: Final = "kind"
_CLAIMED: Final = "claimed_at_us"


class Suggesting:
    """Suggestions for one study.

    Args:
        storage: Where they are kept.
        study: Its name.
        space: What may be suggested.
        seed: Of everything random.
        worker: A number that differs between workers; 0 for one alone.
        prunes: Whether to give up what is worse than the median so far.
    """

    def __init__(  # noqa: PLR0913 -- each is a choice of its own
        self, storage: BaseStorage, study: str, space: ParameterSpace, *, seed: int, worker: int, prunes: bool
    ) -> None:
        self._space = space
        self._seeds = (seed, worker) if worker else (seed,)
        self._all = settings_space.listed(space)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=RANDOM_FIRST) if prunes else optuna.pruners.NopPruner()
        self._study = optuna.create_study(
            storage=storage, study_name=study, direction="maximize", pruner=pruner, load_if_exists=True
        )

    @property
    def settings(self) -> int | None:
        """How many settings there are; None: too many to count."""
        return None if self._all is None else len(self._all)

    def trials(self) -> Sequence[FrozenTrial]:
        """Every suggestion so far."""
        return self._study.get_trials(deepcopy=False)

    def next(self, seen: Collection[str], *, tried: Collection[int], everything: bool) -> Suggestion:
        """A new suggestion; it may be known already, or break a constraint.

        Args:
            seen: Settings that were tried, as text.
            tried: Numbers of the suggestions that became trials.
            everything: Every setting is to be tried, so go through them in order.

        Raises:
            EmptySpaceError: There is nothing left.
        """
        known = self.trials()
        setting = self._fixed(known, seen, tried, everything=everything)
        return self._asked(len(known)) if setting is None else self._begun(setting, len(known))

    def beside(self, setting: Params, kind: str) -> Suggestion:
        """A suggestion of just this setting, marked with why."""
        return self._begun(setting, len(self.trials()), {_KIND: kind})

    def again(self, left: FrozenTrial) -> Suggestion:
        """A suggestion whose worker was ended, with the very values that it would have got."""
        self._study.sampler = self._sampler(left.number)
        return optuna.Trial(self._study, left._trial_id)  # noqa: SLF001 -- nothing public leads back to a trial

    def restore(self, trials: Mapping[int, Trial]) -> None:
        """Add what is missing at the end, by number: trials as they were recorded, and blanks between them."""
        for number in range(len(self.trials()), max(trials, default=-1) + 1):
            blank = optuna.trial.create_trial(state=TrialState.FAIL)
            self._study.add_trial(self._restored(trials[number]) if number in trials else blank)

    def values(self, suggestion: Suggestion) -> Params:
        """The suggested setting."""
        return {parameter.name: _suggested(suggestion, parameter) for parameter in self._space.parameters}

    def claim(self, suggestion: Suggestion, at_us: int) -> None:
        """Let other workers know since when this one is at it."""
        suggestion.set_user_attr(_CLAIMED, at_us)

    def tell(self, number: int, score: float | None, *, pruned: bool = False) -> None:
        """How a suggestion came out; None for one that could not be tried. Telling twice is harmless."""
        if score is None:
            self._study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
        elif pruned:
            self._study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
        else:
            self._study.tell(number, score, skip_if_finished=True)

    def _restored(self, trial: Trial) -> FrozenTrial:
        pruned = trial.outcome is Outcome.PRUNED
        return optuna.trial.create_trial(
            state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
            value=trial.score,
            params=dict(settings_space.read(trial.setting)),
            distributions=self._distributions(),
            intermediate_values={len(trial.folds): trial.score} if pruned else {},
            user_attrs={_KIND: trial.kind.value},
        )

    def _begun(self, setting: Params, number: int, marks: Mapping[str, str] | None = None) -> Suggestion:
        """A suggestion of just this setting. What is put into the queue instead may be taken by another worker."""
        self._study.sampler = self._sampler(number)
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=dict(setting),
            distributions=self._distributions(),
            user_attrs=dict(marks or {}),
        )
        storage, study_id = self._study._storage, self._study._study_id  # noqa: SLF001 -- nothing public begins a trial
        return optuna.Trial(self._study, storage.create_new_trial(study_id, template_trial=trial))

    def _distributions(self) -> dict[str, BaseDistribution]:
        return {parameter.name: _distribution(parameter) for parameter in self._space.parameters}

    def _asked(self, number: int) -> Suggestion:
        self._study.sampler = self._sampler(number)
        return self._study.ask()

    def _fixed(
        self, known: Sequence[FrozenTrial], seen: Collection[str], tried: Collection[int], *, everything: bool
    ) -> Params | None:
        """The setting to be suggested, where it is not left to the model."""
        if everything and self._all is not None:
            return next((setting for setting in self._all if settings_space.written(setting) not in seen), None)
        if not known:
            return self._space.default
        random = self._random(len(known))
        if len(known) < RANDOM_FIRST:
            return settings_space.unseen(self._space, seen, random)
        last = known[-1]
        if last.state is TrialState.FAIL and last.number not in tried and last.params:
            # The model said what it had said before, and would go on to. What lies beside it is worth a trial.
            return settings_space.near(self._space, last.params, seen, random)
        return None

    def _random(self, number: int) -> np.random.Generator:
        return np.random.default_rng([*self._seeds, number])

    def _sampler(self, number: int) -> BaseSampler:
        # All parameters at once: what was drawn before a crash is drawn again, whichever of them had been stored.
        seed = int(self._random(number).integers(2**31))
        return TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)


def kind_of(trial: FrozenTrial | Suggestion) -> str | None:
    """The mark that `beside` gave, if any."""
    kind = trial.user_attrs.get(_KIND)
    return None if kind is None else str(kind)


def claimed_at_us(trial: FrozenTrial) -> int | None:
    """Since when a worker is at it, in microseconds since the epoch."""
    at = trial.user_attrs.get(_CLAIMED)
    return None if at is None else int(at)


def _suggested(suggestion: Suggestion, parameter: Parameter) -> Value:
    made = _distribution(parameter)
    if isinstance(made, CategoricalDistribution):
        return str(suggestion.suggest_categorical(parameter.name, made.choices))
    if isinstance(made, IntDistribution):
        return suggestion.suggest_int(parameter.name, made.low, made.high, step=made.step, log=made.log)
    return suggestion.suggest_float(parameter.name, made.low, made.high, step=made.step, log=made.log)


def _distribution(parameter: Parameter) -> CategoricalDistribution | IntDistribution | FloatDistribution:
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.options)
    high = parameter.high if parameter.log else settings_space.highest(parameter)
    if isinstance(parameter, Integer):
        return IntDistribution(parameter.low, int(high), log=parameter.log, step=1 if parameter.log else parameter.step)
    return FloatDistribution(parameter.low, high, log=parameter.log, step=None if parameter.log else parameter.step)
