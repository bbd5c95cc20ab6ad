from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.trading.strategies.parameters import EmptySpaceError, Integer, ParameterSpace, Params, Real
from services.trading.tuning import settings_space
from services.trading.tuning.errors import (
    HoldOutLockedError,
    HoldOutSpentError,
    NothingTriedError,
    SeriesError,
    SplitError,
    TooFewBarsError,
)
from services.trading.tuning.home import FileHome
from services.trading.tuning.ledger import Kind, Outcome, Trial
from services.trading.tuning.opening import open_study
from services.trading.tuning.plan import Plan
from services.trading.tuning.progress import Progress
from services.trading.tuning.subject import Evaluation, Subject, Viewing
from tests.fakes.clock import FakeClock
from tests.trading.tuning.market import SMALL_SPACE, TrendOnReturns, noise, subject

PLAN = Plan()


class Ended(Exception):  # noqa: N818 -- stands for the end of a process, which is no error of ours
    """The process ends here."""


def trials_of(home: FileHome, study: str = "made") -> Sequence[Trial]:
    return home.ledger.of_study(study)[0]


def run(home: FileHome, about: Subject, trials: int, *, plan: Plan = PLAN, resume: bool = False) -> Progress:
    with open_study(home, "made", about, plan, resume=resume, clock=FakeClock()) as study:
        return study.run(trials)


def test_as_many_settings_are_tried_as_were_asked_for_each_once(home: FileHome) -> None:
    progress = run(home, subject(noise(800, 1)), 40)
    searched = [trial for trial in trials_of(home) if trial.kind is Kind.SEARCH]
    assert progress.done == len(searched) == 40
    assert len({trial.setting for trial in trials_of(home)}) == len(trials_of(home))


def test_the_first_setting_is_the_authors(home: FileHome) -> None:
    about = subject(noise(800, 1))
    run(home, about, 1)
    assert trials_of(home)[0].setting == settings_space.written(about.space.default)


def test_every_setting_keeps_the_constraints(home: FileHome) -> None:
    about = subject(noise(800, 1))
    run(home, about, 60)
    assert all(about.space.allows(settings_space.read(trial.setting)) for trial in trials_of(home))


def test_a_score_is_the_median_of_the_folds_sharpe_ratios_with_costs(home: FileHome) -> None:
    market = noise(1000, 2)
    run(home, subject(market), 3)
    trial = trials_of(home)[2]
    (alone,) = TrendOnReturns(market)([settings_space.read(trial.setting)], slice(0, 800))
    # 800 bars without the hold-out, 60 of warm-up, 9 purged and under embargo: nine parts of 81, eight of them tests.
    parts = np.split(alone.returns[800 - 8 * 81 :], 8)
    sharpes = [part.mean() / part.std(ddof=1) * 252**0.5 for part in parts]
    assert trial.folds == pytest.approx(sharpes)
    assert trial.score == pytest.approx(np.median(sharpes))
    assert trial.bars == 8 * 81


def test_no_bar_of_the_hold_out_is_looked_at(home: FileHome) -> None:
    market = noise(1000, 3)
    about = subject(market)
    run(home, about, 30)
    assert isinstance(about.evaluate, TrendOnReturns)
    assert max(span.stop for _, span in about.evaluate.ran) == 800


def test_looking_at_locked_bars_is_refused() -> None:
    viewing = Viewing(subject(noise(1000, 3)), 800)
    with pytest.raises(HoldOutLockedError, match="from number 800 on"):
        viewing.evaluate([{"fast": 2, "slow": 5, "band": 0.0}], slice(700, 801))


def test_the_same_seed_gives_the_same_trials_and_another_one_others(tmp_path: Path, clock: FakeClock) -> None:
    made = []
    for number, seed in enumerate((1, 1, 2)):
        home = FileHome(tmp_path / str(number), clock)
        run(home, subject(noise(800, 1)), 35, plan=Plan(seed=seed))
        made.append([trial.setting for trial in trials_of(home)])
        home.close()
    assert made[0] == made[1] != made[2]


def test_a_study_that_is_gone_on_with_has_the_trials_of_one_that_never_stopped(
    tmp_path: Path, clock: FakeClock
) -> None:
    whole, parts = FileHome(tmp_path / "whole", clock), FileHome(tmp_path / "parts", clock)
    about = subject(noise(800, 1))
    run(whole, about, 45)

    class Stopping(TrendOnReturns):
        left = 0

        def __call__(self, settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
            self.left -= 1
            if self.left < 0:
                raise Ended
            return super().__call__(settings, span)

    stopping = Stopping(noise(800, 1))
    begun = False
    for left in (0, 1, 7, 15, 3, 14):
        stopping.left = left
        with pytest.raises(Ended):
            run(parts, replace(about, evaluate=stopping), 45, resume=begun)
        begun = True
    run(parts, about, 45, resume=True)
    assert trials_of(parts) == trials_of(whole)
    whole.close()
    parts.close()


def test_a_study_whose_file_is_lost_is_restored_from_the_ledger(tmp_path: Path, clock: FakeClock) -> None:
    whole, lost = FileHome(tmp_path / "whole", clock), FileHome(tmp_path / "lost", clock)
    about = subject(noise(800, 1))
    for home in (whole, lost):
        run(home, about, 30)
    (tmp_path / "lost" / "made.journal").unlink()
    for home in (whole, lost):
        run(home, about, 40, resume=True)
    assert [trial.setting for trial in trials_of(lost)[: len(trials_of(whole))]] == [
        trial.setting for trial in trials_of(whole)
    ]
    whole.close()
    lost.close()


def test_half_a_line_at_the_end_of_the_file_is_dropped(tmp_path: Path, home: FileHome) -> None:
    about = subject(noise(800, 1))
    run(home, about, 25)
    journal = tmp_path / "tuning" / "made.journal"
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"a')
    assert run(home, about, 30, resume=True).done == 30
    assert all(line.endswith(b"}") for line in journal.read_bytes().splitlines())


def test_a_small_space_is_tried_out_and_no_more(home: FileHome) -> None:
    progress = run(home, subject(noise(800, 1), space=SMALL_SPACE), 500)
    size = len(SMALL_SPACE.grid())
    assert (progress.done, progress.wanted) == (size, size)
    assert len(trials_of(home)) == size


def test_a_small_space_that_neighbours_have_been_taken_of_is_tried_out_too(home: FileHome) -> None:
    about = subject(noise(800, 1), space=SMALL_SPACE)
    run(home, about, 4)
    run(home, about, 500, resume=True)
    assert len(trials_of(home)) == len(SMALL_SPACE.grid())


def test_a_small_space_is_tried_out_in_batches_without_asking_twice(home: FileHome) -> None:
    about = subject(noise(800, 1), space=SMALL_SPACE)
    with open_study(home, "made", about, PLAN, resume=False, clock=FakeClock()) as study:
        progress = study.run(500, batch=4)
    assert (progress.done, progress.repeats) == (len(SMALL_SPACE.grid()), 0)


def test_neighbours_of_the_best_are_tried_and_counted(home: FileHome) -> None:
    progress = run(home, subject(noise(800, 1)), 30)
    kinds = [trial.kind for trial in trials_of(home)]
    assert progress.neighbours == kinds.count(Kind.NEIGHBOUR) > 0
    assert kinds[:30] == [Kind.SEARCH] * 30


def test_a_candidate_on_a_plateau_is_preferred_to_a_lonely_peak(home: FileHome) -> None:
    space = ParameterSpace((Integer(name="fast", low=1, high=20, default=1),))
    worth = {15: 0.004, **dict.fromkeys(range(4, 8), 0.002)}

    def evaluate(settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
        wave = np.where(np.arange(800) % 2, 0.01, -0.01)
        return [Evaluation((wave + worth.get(int(setting["fast"]), 0.0))[span], 10) for setting in settings]

    about = subject(noise(800, 1), space=space, evaluate=evaluate)
    with open_study(home, "made", about, PLAN, resume=False, clock=FakeClock()) as study:
        study.run(20)
        chosen = study.candidate()
    assert chosen.setting["fast"] in {5, 6}
    assert chosen.around > 0


def test_neighbours_that_do_the_very_same_say_nothing(home: FileHome) -> None:
    space = ParameterSpace(
        (Integer(name="fast", low=1, high=9, default=5), Real(name="unused", low=0.0, high=1.0, default=0.5, step=0.1))
    )

    def evaluate(settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
        wave = np.where(np.arange(800) % 2, 0.01, -0.01)
        return [Evaluation((wave + (0.002 if setting["fast"] == 5 else 0.0))[span], 9) for setting in settings]

    about = subject(noise(800, 1), space=space, evaluate=evaluate)
    with open_study(home, "made", about, PLAN, resume=False, clock=FakeClock()) as study:
        study.run(1)
        assert study.candidate().around == pytest.approx(0.0, abs=1e-9)


def test_poor_trials_are_given_up_early_and_counted(home: FileHome) -> None:
    about = subject(noise(1500, 4))
    progress = run(home, about, 60, plan=Plan(prune_after=2))
    pruned = [trial for trial in trials_of(home) if trial.outcome is Outcome.PRUNED]
    assert progress.pruned == len(pruned) > 5
    assert {len(trial.folds) for trial in pruned} == {2}
    assert len({trial.bars for trial in trials_of(home)}) == 2


def test_settings_are_evaluated_together_in_batches(home: FileHome) -> None:
    sizes: list[int] = []
    trend = TrendOnReturns(noise(800, 1))

    def evaluate(settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
        sizes.append(len(settings))
        return trend(settings, span)

    with open_study(
        home, "made", subject(noise(800, 1), evaluate=evaluate), PLAN, resume=False, clock=FakeClock()
    ) as study:
        study.run(24, batch=8)
    assert max(sizes) == 8
    assert len([trial for trial in trials_of(home) if trial.kind is Kind.SEARCH]) == 24


def test_a_budget_ends_a_run_and_the_next_one_goes_on(home: FileHome) -> None:
    clock = FakeClock()
    trend = TrendOnReturns(noise(800, 1))

    def evaluate(settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
        clock.advance(1.0)
        return trend(settings, span)

    about = subject(noise(800, 1), evaluate=evaluate)
    with open_study(home, "made", about, PLAN, resume=False, clock=clock) as study:
        progress = study.run(100, budget_seconds=5.0)
    assert (progress.done, progress.elapsed_seconds) == (5, 5.0)
    assert progress.trials_per_second == 1.0
    assert progress.remaining_seconds == 95.0


def test_each_step_is_told_with_its_numbers(home: FileHome) -> None:
    told: list[Progress] = []
    with open_study(home, "made", subject(noise(800, 1)), PLAN, resume=False, clock=FakeClock()) as study:
        study.run(25, listener=told.append)
    assert [progress.done for progress in told[:25]] == list(range(1, 26))
    assert {progress.wanted for progress in told} == {25}
    assert told[-1].best_score == max(trial.score for trial in trials_of(home) if trial.kind is Kind.SEARCH)


def test_no_trial_is_added_once_the_hold_out_was_opened(home: FileHome) -> None:
    about = subject(noise(800, 1))
    run(home, about, 5)
    home.ledger.open_hold_out("made", trials_of(home)[0].setting)
    with pytest.raises(HoldOutSpentError, match="knowing it"):
        run(home, about, 10, resume=True)


def test_a_candidate_takes_a_trial(home: FileHome) -> None:
    with (
        open_study(home, "made", subject(noise(800, 1)), PLAN, resume=False, clock=FakeClock()) as study,
        pytest.raises(NothingTriedError, match="run it first"),
    ):
        study.candidate()


def test_too_little_data_for_the_folds_is_refused_in_words(home: FileHome) -> None:
    with pytest.raises(TooFewBarsError, match="fewer folds"):
        run(home, subject(noise(250, 1)), 5)


@pytest.mark.parametrize("prune_after", [8, -1])
def test_giving_up_after_no_possible_fold_is_refused(home: FileHome, prune_after: int) -> None:
    with pytest.raises(SplitError, match="given up after 1 to 7"):
        run(home, subject(noise(800, 1)), 5, plan=Plan(prune_after=prune_after))


def test_a_hold_out_of_a_few_bars_is_refused(home: FileHome) -> None:
    with pytest.raises(SplitError, match=r"8 bars kept back show nothing: keep at least 20, or none"):
        run(home, subject(noise(800, 1)), 5, plan=Plan(hold_out=0.01))


def test_an_evaluation_without_a_return_for_each_bar_is_refused(home: FileHome) -> None:
    def evaluate(settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
        return [Evaluation(np.zeros(span.stop - span.start - 1), 0) for _ in settings]

    with pytest.raises(SeriesError, match="one return for each"):
        run(home, subject(noise(800, 1), evaluate=evaluate), 5)


def test_a_setting_is_drawn_until_none_is_left() -> None:
    random = np.random.default_rng(1)
    seen: set[str] = set()
    for _ in SMALL_SPACE.grid():
        seen.add(settings_space.written(settings_space.unseen(SMALL_SPACE, seen, random)))
    assert len(seen) == len(SMALL_SPACE.grid())
    with pytest.raises(EmptySpaceError, match="widen the bounds"):
        settings_space.unseen(SMALL_SPACE, seen, random)


def test_neighbours_differ_in_one_number_by_about_a_tenth() -> None:
    space = ParameterSpace(
        (
            Integer(name="a", low=1, high=100, default=50),
            Real(name="b", low=0.0, high=1.0, default=0.02, step=0.01),
        )
    )
    around = settings_space.neighbours(space, {"a": 50, "b": 0.02})
    assert around == [{"a": 45, "b": 0.02}, {"a": 55, "b": 0.02}, {"a": 50, "b": 0.01}, {"a": 50, "b": 0.03}]


def test_parameters_on_a_log_scale_are_searched_too(home: FileHome) -> None:
    space = ParameterSpace(
        (
            Integer(name="fast", low=2, high=20, default=5, log=True),
            Integer(name="slow", low=21, high=60, default=30),
            Real(name="band", low=0.0001, high=0.01, default=0.001, step=0.0001, log=True),
        )
    )
    assert run(home, subject(noise(800, 1), space=space), 40).done == 40


def test_what_the_sampler_repeats_is_replaced_by_what_lies_beside_it(home: FileHome) -> None:
    space = ParameterSpace((Integer(name="fast", low=1, high=400, default=1),))

    def evaluate(settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
        wave = np.where(np.arange(800) % 2, 0.01, -0.01)
        return [Evaluation((wave - abs(int(setting["fast"]) - 300) / 1e5)[span], 9) for setting in settings]

    progress = run(home, subject(noise(800, 1), space=space, evaluate=evaluate), 120)
    tried = [settings_space.read(trial.setting)["fast"] for trial in trials_of(home)]
    assert progress.repeats <= 120
    assert len([fast for fast in tried if 270 <= int(fast) <= 330]) > 40


def test_a_setting_beside_another_keeps_the_constraints_and_is_new() -> None:
    random = np.random.default_rng(2)
    seen = {settings_space.written({"fast": 3, "slow": 5})}
    while len(seen) < len(SMALL_SPACE.grid()):
        found = settings_space.near(SMALL_SPACE, {"fast": 3, "slow": 5}, seen, random)
        assert SMALL_SPACE.check(found) == found
        assert settings_space.written(found) not in seen
        seen.add(settings_space.written(found))
