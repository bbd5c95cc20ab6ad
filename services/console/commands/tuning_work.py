"""What `sightline tune` does once its parts are loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.text import Text

from services.console.commands.context import Operator
from services.console.commands.render import Cell, columns, header
from services.console.commands.tuning_bars import WrongOptionError, panel_of
from services.console.commands.tuning_options import Market, Run, Search
from services.console.commands.tuning_progress import TuningProgress
from services.trading.backtest.config import BacktestConfig
from services.trading.strategies.parameters import ParameterError, ParameterSpace
from services.trading.strategies.registry import UnknownStrategyError, find
from services.trading.tuning.evidence import gather, open_hold_out
from services.trading.tuning.home import opened
from services.trading.tuning.opening import open_study
from services.trading.tuning.plan import Layout, Plan
from services.trading.tuning.sharpe import annual
from services.trading.tuning.study import Study
from services.trading.tuning.subject import Subject
from services.trading.tuning.tier_a import subject_of
from services.trading.tuning.verdict import Verdict, judge, judgement

_AGAINST: Final = ("cash", "hold")
_LONGEST_NAME: Final = 80


class TuningWork:
    """Works on studies for the operator."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def tune(self, market: Market, search: Search, run: Run) -> None:
        """Run a study, or go on with it, and print its verdict.

        Raises:
            SightlineError: What was asked for cannot be done; the message says why.
        """
        with _in_words():
            subject = self._subject(market, search)
            self._study(subject, search, run)

    def _subject(self, market: Market, search: Search) -> Subject:
        if search.against not in _AGAINST:
            raise WrongOptionError(f"--against is one of {', '.join(_AGAINST)}, not {search.against!r}.")
        strategy = find(search.strategy)
        space = _narrowed(strategy.space, search.within)
        panel = panel_of(market, self._operator.layout.data_dir / "bars")
        hold = search.against == "hold"
        return subject_of(strategy, panel, BacktestConfig(), space=space, timeframe=market.timeframe, hold=hold)

    def _study(self, subject: Subject, search: Search, run: Run) -> None:
        symbols = subject.data.partition(" ")[0].replace(",", "-")
        name = search.study or f"{subject.strategy}-{symbols}"[:_LONGEST_NAME]
        plan = Plan(
            folds=search.folds,
            anchored=search.anchored,
            purge=search.purge,
            embargo=search.embargo,
            hold_out=search.hold_out,
            seed=search.seed,
            prune_after=search.prune_after,
        )
        clock = self._operator.clock
        with (
            opened(search.storage, self._operator.layout.data_dir / "tuning", clock) as home,
            open_study(home, name, subject, plan, resume=search.resume, clock=clock) as study,
        ):
            done = study.ledger.opened(name) is not None or self._try(study, run)
            verdict = self._conclude(study, look=run.open_hold_out)
            if done:
                trials, _ = study.ledger.of_study(name)
                study.ledger.judge(judgement(name, verdict, len(trials)))

    def _try(self, study: Study, run: Run) -> bool:
        """Returns whether the search has all that it wants; its time may have been too short."""
        try:
            with TuningProgress(self._operator.out) as shown:
                ended = study.run(run.trials, batch=run.batch, budget_seconds=run.budget_seconds, listener=shown.show)
        except KeyboardInterrupt:
            self._operator.progress.note(f"every trial that was made is kept: --resume goes on with {study.name}")
            raise
        return ended.done >= ended.wanted

    def _conclude(self, study: Study, *, look: bool) -> Verdict:
        verdict = judge(gather(study))
        if look and study.ledger.opened(study.name) is None:
            if verdict.recommended:
                open_hold_out(study, verdict.evidence.candidate)
                verdict = judge(gather(study))
            else:
                self._operator.progress.note("the hold-out stays locked: the candidate has failed without it")
        for part in _told(verdict, study.layout):
            self._operator.out.print(part, soft_wrap=True)
        return verdict


@contextmanager
def _in_words() -> Iterator[None]:
    # Strategies are pure and know no exit codes; what they say of a wrong name or value is meant for people.
    try:
        yield
    except (ParameterError, UnknownStrategyError) as error:
        raise WrongOptionError(f"{error}.") from error


def _narrowed(space: ParameterSpace, given: tuple[str, ...]) -> ParameterSpace:
    bounds = {}
    for text in given:
        name, _, span = text.partition("=")
        low, _, high = span.partition(":")
        try:
            bounds[name] = (float(low), float(high))
        except ValueError:
            raise WrongOptionError(f"--within takes NAME=LOW:HIGH, such as fast=5:40, not {text!r}.") from None
    return space.narrowed(bounds) if bounds else space


def _told(verdict: Verdict, layout: Layout) -> list[Text]:
    evidence = verdict.evidence
    rows = [header("test", "measured", "needed", "")]
    for check in verdict.checks:
        ending: Cell = ("passed", "green") if check.passed else ("failed", "red")
        rows.append([check.name, f"{check.value:.4g}", f"{check.relation} {check.limit:g}", ending])
    first, *reasons = verdict.words()
    setting = ", ".join(f"{name}={value}" for name, value in sorted(evidence.candidate.setting.items()))
    sharpe = annual(evidence.record.sharpe, evidence.bars_per_year)
    bars, years = evidence.record.bars, evidence.record.bars / evidence.bars_per_year
    facts = [
        f"candidate: {setting}",
        f"its Sharpe ratio: {sharpe:.2f} over {bars:,} bars ({years:.1f} years)",
        f"left out before each test: {layout.purge} bars purged, {layout.embargo} under embargo",
        f"Sharpe ratio of choosing anew before each fold: {evidence.walked:.2f}",
        f"settings ever tried on this market: {evidence.tried}, worth {evidence.independent:.0f} independent ones",
        f"hold-outs ever opened on this market: {evidence.looks}",
    ]
    if evidence.held_out is None and verdict.recommended:
        facts.append("the hold-out is still locked: --resume --open-hold-out looks at it, once")
    conclusion = Text(first, "bold green" if verdict.recommended else "bold")
    return [conclusion, *(Text(f"  {reason}") for reason in reasons), columns(rows), *map(Text, facts)]
