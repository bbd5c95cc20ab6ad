"""A study: trials of one strategy's settings on one market, counted, kept and resumed."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Final

from optuna.trial import TrialState

from services.kit.clock import Clock
from services.kit.moments import microseconds
from services.trading.strategies.parameters import Params
from services.trading.tuning import settings_space
from services.trading.tuning.errors import HoldOutSpentError, NothingTriedError
from services.trading.tuning.ledger import Kind, Ledger, Outcome, Trial
from services.trading.tuning.plan import Layout, Plan
from services.trading.tuning.progress import Listener, Progress, nobody
from services.trading.tuning.sharpe import sharpe_of
from services.trading.tuning.subject import Evaluation, Subject, Viewing
from services.trading.tuning.suggesting import Suggesting, Suggestion, claimed_at_us, kind_of

# A trial takes seconds; who has been at one for so long is not coming back.
_GONE_US: Final = 600 * 1_000_000
_LOOKED_AROUND: Final = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """The trial that stands best together with what lies around it.

    Attributes:
        trial: The trial.
        around: Median score of its neighbours that do something else; its own where there are none.
    """

    trial: Trial
    around: float

    @property
    def setting(self) -> Params:
        return settings_space.read(self.trial.setting)


class Study:
    """A study that is open; made by `open_study`.

    Attributes:
        viewing: What may be looked at: all but the hold-out.
    """

    def __init__(  # noqa: PLR0913 -- what a study is put together from
        self,
        name: str,
        subject: Subject,
        plan: Plan,
        layout: Layout,
        *,
        ledger: Ledger,
        suggesting: Suggesting,
        shared: bool,
        clock: Clock,
    ) -> None:
        self.name, self.subject, self.plan, self.layout, self.ledger = name, subject, plan, layout, ledger
        self.viewing = Viewing(subject, layout.track.stop)
        self._suggesting, self._shared, self._clock = suggesting, shared, clock
        self._known: dict[str, Trial] = {}
        self._chosen: dict[str, Suggestion] = {}
        self._numbers: set[int] = set()
        self._position = 0
        self._repeats = 0

    def run(
        self, trials: int, *, batch: int = 1, budget_seconds: float | None = None, listener: Listener = nobody
    ) -> Progress:
        """Go on until so many trials are done, then look around the best of them.

        It may be ended at any moment, by whatever means: what was recorded counts, and the next run goes on from there.

        Args:
            trials: How many the search shall have in all; a space with fewer settings is tried out.
            batch: Settings evaluated together. The suggestions of a batch do not know how the others came out.
            budget_seconds: No new step begins after so long; None: no limit.
            listener: Told after each step.

        Raises:
            HoldOutSpentError: The study's hold-out was opened; what is tried now would know it.
            EmptySpaceError: There is no setting to try.
        """
        if opening := self.ledger.opened(self.name):
            raise HoldOutSpentError(
                f"Study {self.name} opened its hold-out on {opening.opened_at:%Y-%m-%d}; further trials would be "
                "chosen knowing it. Begin another study by --study."
            )
        began = self._clock.monotonic()
        self._refresh()
        before = len(self._known)
        wanted = min(trials, self._suggesting.settings or trials)
        self.ledger.want(self.name, wanted)

        def told() -> Progress:
            progress = self._progress(wanted, before, self._clock.monotonic() - began)
            listener(progress)
            return progress

        def in_time() -> bool:
            return budget_seconds is None or self._clock.monotonic() - began < budget_seconds

        self._finish_what_was_left()
        while (missing := self._missing(wanted)) > 0 and in_time():
            self._step(self._next(wanted) for _ in range(min(batch, missing)))
            told()
        if self._missing(wanted) <= 0:
            for setting in self._unknown_neighbours():
                if not in_time():
                    break
                self._step([self._suggesting.beside(setting, Kind.NEIGHBOUR)])
                told()
        return told()

    def candidate(self) -> Candidate:
        """The best of the leading trials, each judged by the weaker of its own score and its neighbours' median.

        Raises:
            NothingTriedError: No trial was carried through.
        """
        self._refresh()
        leading = [self._with_neighbours(trial) for trial in self._leading()]
        if not leading:
            raise NothingTriedError(f"Study {self.name} has no trial that was carried through: run it first.")
        return max(leading, key=lambda each: (min(each.trial.score, each.around), -each.trial.number))

    def _next(self, wanted: int) -> Suggestion:
        everything = self._untried() <= wanted - self._searched()
        seen = self._known.keys() | self._chosen.keys() if self._chosen else self._known.keys()
        return self._suggesting.next(seen, tried=self._numbers, everything=everything)

    def _missing(self, wanted: int) -> int:
        return int(min(wanted - self._searched(), self._untried()))

    def _untried(self) -> float:
        return inf if self._suggesting.settings is None else self._suggesting.settings - len(self._known)

    def _step(self, suggestions: Iterable[Suggestion]) -> None:
        self._chosen.clear()
        for suggestion in suggestions:  # each made when the ones before it have been chosen
            if self._shared:
                self._suggesting.claim(suggestion, microseconds(self._clock.now()))
            setting = self._suggesting.values(suggestion)
            text = settings_space.written(setting)
            if text in self._known or text in self._chosen or not self.subject.space.allows(setting):
                # Told as nothing: a score that counted twice would draw the model further into its corner.
                self._suggesting.tell(suggestion.number, None)
                self._repeats += 1
            else:
                self._chosen[text] = suggestion
        if self._chosen:
            self._try(dict(self._chosen))
        self._refresh()

    def _try(self, going: dict[str, Suggestion]) -> None:
        if self.plan.prune_after:
            span = slice(self.layout.track.start, self.layout.folds[self.plan.prune_after - 1].test.stop)
            for text, evaluation in self._evaluated(going, span).items():
                trial = self._trial(text, going[text], evaluation, self.plan.prune_after)
                if trial.kind is Kind.SEARCH and self._is_hopeless(going[text], trial):
                    self._record(trial)
                    del going[text]
        for text, evaluation in self._evaluated(going, self.layout.track).items():
            self._record(self._trial(text, going[text], evaluation, len(self.layout.folds)))

    def _evaluated(self, chosen: dict[str, Suggestion], span: slice) -> dict[str, Evaluation]:
        if not chosen:
            return {}
        found = self.viewing.evaluate([settings_space.read(text) for text in chosen], span)
        return dict(zip(chosen, found, strict=True))

    def _is_hopeless(self, suggestion: Suggestion, trial: Trial) -> bool:
        reported = self._suggesting.trials()[suggestion.number].intermediate_values
        if len(trial.folds) not in reported:
            suggestion.report(trial.score, len(trial.folds))
        return suggestion.should_prune()

    def _trial(self, text: str, suggestion: Suggestion, evaluation: Evaluation, folds: int) -> Trial:
        scores = self.layout.scores(evaluation, folds, self.subject.bars_per_year)
        return Trial(
            study=self.name,
            number=suggestion.number,
            kind=Kind(kind_of(suggestion) or Kind.SEARCH),
            outcome=Outcome.COMPLETE if folds == len(self.layout.folds) else Outcome.PRUNED,
            setting=text,
            score=float(median(scores)),
            sharpe=sharpe_of(evaluation.returns),
            bars=len(evaluation.returns),
            trades=evaluation.trades,
            folds=scores,
        )

    def _record(self, trial: Trial) -> None:
        self.ledger.append(trial)
        self._suggesting.tell(trial.number, trial.score, pruned=trial.outcome is Outcome.PRUNED)

    def _finish_what_was_left(self) -> None:
        recorded = {trial.number: trial for trial in self._known.values()}
        if not self._shared:
            # Files may have lost their end in a power cut, or altogether.
            self._suggesting.restore(recorded)
        for left in self._suggesting.trials():
            if left.state is not TrialState.RUNNING or not self._is_ours(claimed_at_us(left)):
                continue
            if left.number in recorded:
                trial = recorded[left.number]
                self._suggesting.tell(trial.number, trial.score, pruned=trial.outcome is Outcome.PRUNED)
            else:
                self._step([self._suggesting.again(left)])

    def _is_ours(self, claimed_us: int | None) -> bool:
        if not self._shared:
            return True
        return claimed_us is not None and microseconds(self._clock.now()) - claimed_us > _GONE_US

    def _refresh(self) -> None:
        new, self._position = self.ledger.of_study(self.name, after=self._position)
        for trial in new:
            self._known.setdefault(trial.setting, trial)
            self._numbers.add(trial.number)

    def _searched(self) -> int:
        return sum(trial.kind is Kind.SEARCH for trial in self._known.values())

    def _leading(self) -> list[Trial]:
        carried = [
            each for each in self._known.values() if each.kind is Kind.SEARCH and each.outcome is Outcome.COMPLETE
        ]
        return sorted(carried, key=lambda trial: (-trial.score, trial.number))[:_LOOKED_AROUND]

    def _neighbours(self, trial: Trial) -> dict[str, Params]:
        around = settings_space.neighbours(self.subject.space, settings_space.read(trial.setting))
        return {settings_space.written(setting): setting for setting in around}

    def _unknown_neighbours(self) -> list[Params]:
        around = {text: each for trial in self._leading() for text, each in self._neighbours(trial).items()}
        return [setting for text, setting in around.items() if text not in self._known]

    def _with_neighbours(self, trial: Trial) -> Candidate:
        around = [self._known[text] for text in self._neighbours(trial) if text in self._known]
        # Who does the very same, such as with a stop that is never reached, says nothing of what lies around.
        others = [each.score for each in around if each.folds != trial.folds]
        return Candidate(trial, float(median(others)) if others else trial.score)

    def _progress(self, wanted: int, before: int, elapsed: float) -> Progress:
        done, tried = self._searched(), len(self._known)
        best = next(iter(self._leading()), None)
        rate = (tried - before) / elapsed if elapsed > 0 else 0.0
        return Progress(
            study=self.name,
            done=done,
            wanted=wanted,
            neighbours=tried - done,
            pruned=sum(trial.outcome is Outcome.PRUNED for trial in self._known.values()),
            repeats=self._repeats,
            best_score=best.score if best else None,
            best_setting=settings_space.read(best.setting) if best else None,
            elapsed_seconds=elapsed,
            trials_per_second=rate,
            remaining_seconds=max(0, wanted - done) / rate if rate > 0 else None,
        )
