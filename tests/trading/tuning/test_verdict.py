from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import inf, nan

import numpy as np
import pytest

from services.trading.strategies.parameters import Params
from services.trading.tuning.errors import HoldOutLockedError, HoldOutSpentError
from services.trading.tuning.evidence import Evidence, HeldOut, gather, open_hold_out
from services.trading.tuning.home import FileHome
from services.trading.tuning.ledger import Kind, Opening, Outcome, Trial
from services.trading.tuning.opening import open_study
from services.trading.tuning.overfitting import Overfitting
from services.trading.tuning.plan import Plan
from services.trading.tuning.sharpe import Record
from services.trading.tuning.study import Candidate
from services.trading.tuning.subject import Evaluation, Subject
from services.trading.tuning.superior import Superiority
from services.trading.tuning.verdict import Check, Verdict, judge
from tests.fakes.clock import FakeClock
from tests.trading.tuning.market import SMALL_SPACE, TrendOnReturns, noise, planted, subject

TRIAL = Trial(
    study="made",
    number=3,
    kind=Kind.SEARCH,
    outcome=Outcome.COMPLETE,
    setting='{"fast":5,"slow":20}',
    score=1.6,
    sharpe=0.1,
    bars=2000,
    trades=80,
    folds=(1.5, 1.7),
)
OPENING = Opening("made", TRIAL.setting, datetime(2026, 3, 2, tzinfo=UTC))
GOOD = Evidence(
    candidate=Candidate(TRIAL, 1.4),
    record=Record(0.1, 2000, 0.2, 4.0),
    trades=80,
    dear_return=0.12,
    tried=100,
    variance=0.0004,
    independent=30.0,
    compared=100,
    different=30,
    overfitting=Overfitting(0.05, 0.02, 12_870),
    superiority=Superiority(0.001, 0.002, 0.003),
    walked=1.2,
    bars_per_year=252.0,
    held_out=None,
    looks=0,
)


def study_of(home: FileHome, about: Subject, trials: int, *, name: str = "made", resume: bool = False) -> Verdict:
    with open_study(home, name, about, Plan(), resume=resume, clock=FakeClock()) as study:
        study.run(trials)
        return judge(gather(study))


def test_a_candidate_that_passes_everything_is_recommended() -> None:
    verdict = judge(GOOD)
    assert verdict.recommended
    assert verdict.words() == ["edge: every test is passed"]


@pytest.mark.parametrize(
    ("worse", "failed"),
    [
        ({"record": Record(0.1, 300)}, "deflated Sharpe ratio, 100 tries ever"),
        ({"tried": 1_000_000, "variance": 0.0008}, "deflated Sharpe ratio, 1000000 tries ever"),
        ({"overfitting": Overfitting(0.21, 0.0, 12_870)}, "probability of overfitting"),
        ({"overfitting": None}, "probability of overfitting"),
        ({"superiority": Superiority(0.0, 0.051, 0.1)}, "p-value of superior ability"),
        ({"dear_return": 0.0}, "yearly return with costs doubled"),
        ({"trades": 29}, "round trips"),
        ({"candidate": Candidate(TRIAL, 0.79)}, "part of the score that neighbours keep"),
        ({"held_out": HeldOut(OPENING, -0.1, 400, 9)}, "Sharpe ratio on the hold-out"),
    ],
)
def test_one_failed_test_is_enough_for_no_edge_and_is_named(worse: dict[str, object], failed: str) -> None:
    verdict = judge(replace(GOOD, **worse))  # type: ignore[arg-type]
    assert [check.name for check in verdict.failed if not check.name.startswith(failed)] == []
    assert not verdict.recommended
    first, reason, *_ = verdict.words()
    assert first == "no edge: the incumbent stays"
    assert reason.startswith(failed)


def test_a_failed_test_says_by_how_much() -> None:
    assert (
        "0.21 where at most 0.2 is needed, off by 0.01"
        in judge(replace(GOOD, overfitting=Overfitting(0.21, 0.0, 12_870))).words()[1]
    )


def test_what_could_not_be_measured_has_not_passed() -> None:
    assert not Check("something", nan, 0.2, "<=").passed
    assert "could not be measured" in judge(replace(GOOD, overfitting=None)).words()[1]


def test_a_record_that_is_too_short_is_told_how_long_it_must_be() -> None:
    verdict = judge(replace(GOOD, record=Record(0.1, 300)))
    enough = judge(replace(GOOD, record=Record(0.1, int(verdict.bars_needed))))
    short = judge(replace(GOOD, record=Record(0.1, int(verdict.bars_needed) - 1)))
    assert enough.recommended
    assert not short.recommended
    assert verdict.bars_missing == verdict.bars_needed - 300
    assert f"{verdict.bars_missing:,.0f} more" in verdict.words()[-1]


def test_a_record_that_luck_explains_is_told_that_no_length_would_do() -> None:
    verdict = judge(replace(GOOD, record=Record(0.04, 2000)))
    assert verdict.bars_needed == inf
    assert "no length of record would do" in verdict.words()[-1]


@pytest.mark.parametrize("seed", range(8))
def test_a_study_of_pure_noise_ends_in_no_edge(home: FileHome, seed: int) -> None:
    verdict = study_of(home, subject(noise(1500, 100 + seed)), 60)
    assert not verdict.recommended
    assert "deflated Sharpe ratio" in verdict.failed[0].name


@pytest.mark.parametrize("seed", range(1, 5))
def test_an_edge_that_was_planted_is_found(home: FileHome, seed: int) -> None:
    verdict = study_of(home, subject(planted(4000, seed)), 60)
    assert verdict.recommended, verdict.words()


def test_trials_of_earlier_studies_count_against_the_candidate(home: FileHome) -> None:
    about = subject(planted(4000, 1))
    first = study_of(home, about, 20)
    with open_study(home, "second", about, Plan(seed=2), resume=False, clock=FakeClock()) as study:
        study.run(20)
        second = judge(gather(study))
    assert second.evidence.tried > first.evidence.tried + 15


def test_trials_of_another_market_do_not_count(home: FileHome) -> None:
    alone = study_of(home, subject(noise(1000, 1)), 10).evidence.tried
    assert study_of(home, subject(noise(1000, 1), data="ELSE 1d"), 10, name="other").evidence.tried == alone


def test_trials_of_an_older_version_count_but_are_not_compared(home: FileHome) -> None:
    study_of(home, subject(noise(1000, 1)), 10, name="older")
    newer = study_of(home, subject(noise(1000, 1), version=2), 10).evidence
    assert newer.tried == 2 * newer.compared


def test_costs_doubled_are_paid_by_the_evaluation_for_them(home: FileHome) -> None:
    def dear(settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
        return [Evaluation(np.full(span.stop - span.start, 0.001), 9) for _ in settings]

    evidence = study_of(home, subject(noise(1000, 1), evaluate_dear=dear), 5).evidence
    assert evidence.dear_return == pytest.approx(0.252)


def test_what_must_be_beaten_is_taken_off(home: FileHome) -> None:
    market = planted(4000, 2)
    against_cash = study_of(home, subject(market), 20, name="cash").evidence.superiority
    about = subject(market, data="ELSE 1d", benchmark=np.full(4000, 0.01))
    assert against_cash.consistent < 0.05
    assert study_of(home, about, 20).evidence.superiority.consistent > 0.9


def test_a_space_of_one_setting_leaves_nothing_to_compare(home: FileHome) -> None:
    space = SMALL_SPACE.narrowed({"fast": (3, 3), "slow": (5, 5)})
    evidence = study_of(home, subject(noise(800, 1), space=space), 5).evidence
    assert (evidence.tried, evidence.overfitting, evidence.variance) == (1, None, 0.0)


def test_the_hold_out_is_measured_on_its_own_bars_and_written_down(home: FileHome) -> None:
    market = planted(2000, 3)
    with open_study(home, "made", subject(market), Plan(), resume=False, clock=FakeClock()) as study:
        study.run(10)
        assert gather(study).held_out is None
        candidate = study.candidate()
        held_out = open_hold_out(study, candidate)
        later = gather(study)
    (alone,) = TrendOnReturns(market)([candidate.setting], slice(1600, 2000))
    expected = alone.returns.mean() / alone.returns.std(ddof=1) * 252**0.5
    assert held_out.sharpe == pytest.approx(expected)
    assert (held_out.bars, held_out.opening.setting) == (400, candidate.trial.setting)
    assert (later.held_out, later.looks) == (held_out, 1)


def test_the_hold_out_is_not_opened_for_a_second_setting(home: FileHome) -> None:
    with open_study(home, "made", subject(noise(1000, 3)), Plan(), resume=False, clock=FakeClock()) as study:
        study.run(10)
        candidate = study.candidate()
        open_hold_out(study, candidate)
        other = next(trial for trial in home.ledger.of_study("made")[0] if trial.setting != candidate.trial.setting)
        with pytest.raises(HoldOutSpentError, match="second setting"):
            open_hold_out(study, Candidate(other, 0.0))


def test_a_study_that_keeps_nothing_back_has_no_hold_out(home: FileHome) -> None:
    plan = Plan(hold_out=0.0)
    with open_study(home, "made", subject(noise(1000, 3)), plan, resume=False, clock=FakeClock()) as study:
        study.run(3)
        with pytest.raises(HoldOutLockedError, match="keeps no bars back"):
            open_hold_out(study, study.candidate())
