"""Detectors stay silent on quiet data within their budget, and find what changes in time."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from river._river_rust.drift import AdaptiveWindowing
from river.drift import ADWIN
from ruptures.detection import KernelCPD  # type: ignore[import-untyped]  # the package ships no types

from services.agents.detectors.burn import BurnRate
from services.agents.detectors.detector import SeriesDetector
from services.agents.detectors.drift import Drifting
from services.agents.detectors.invariant import Invariant
from services.agents.detectors.onset import best_split, onset
from services.agents.detectors.robust import Robust
from services.agents.detectors.seasons import season_of
from services.agents.signals.sources import Sample, Signal, Told
from services.contracts.anomalies import Stage

DAY = 5_760  # samples at 15 s
T0 = datetime(2026, 3, 2, 5, tzinfo=UTC).timestamp()  # midnight in New York
LATENCY = Signal(name="latency", title="latency", stage=Stage.ORDERS, unit="s", source=Told(), floor=0.02, budget=0.01)


def _normal(random: np.random.Generator, count: int) -> np.ndarray:
    return 0.1 + 0.01 * random.standard_normal(count)


def _lognormal(random: np.random.Generator, count: int) -> np.ndarray:
    return 0.05 * np.exp(0.5 * random.standard_normal(count))


def _overlapping(random: np.random.Generator, count: int) -> np.ndarray:
    return np.convolve(_lognormal(random, count), np.ones(4) / 4, "same")


def _seasonal(random: np.random.Generator, count: int) -> np.ndarray:
    return _normal(random, count) + 0.05 * np.sin(np.arange(count) / DAY * 2 * np.pi)


def _session(random: np.random.Generator, count: int) -> np.ndarray:
    """Four times as much while the market is open."""
    hour = np.arange(count) % DAY / 240
    return _normal(random, count) * np.where((hour >= 9.5) & (hour < 16), 4.0, 1.0)


def _trending(random: np.random.Generator, count: int) -> np.ndarray:
    return _normal(random, count) + 0.03 * np.arange(count) / DAY


def _counts(random: np.random.Generator, count: int) -> np.ndarray:
    return random.poisson(3, count) * 0.01


QUIET = (_normal, _lognormal, _overlapping, _seasonal, _session, _trending, _counts)


def findings(detector: SeriesDetector, values: np.ndarray, *, from_day: int = 0) -> list[int]:
    """The samples at which something was found that was not found two minutes before, from a day on."""
    found: list[int] = []
    last = -100
    for index, value in enumerate(values):
        seconds = T0 + 15 * index
        judged = detector.observe(Sample(seconds, float(value)), season_of(datetime.fromtimestamp(seconds, UTC)))
        if judged.found:
            if index - last > 8 and index >= from_day * DAY:
                found.append(index)
            last = index
    return found


@pytest.mark.parametrize("quiet", QUIET)
def test_robust_detector_on_quiet_days_then_it_finds_at_most_one_thing_in_four(
    quiet: Callable[[np.random.Generator, int], np.ndarray],
) -> None:
    found = [findings(Robust(LATENCY), quiet(np.random.default_rng(seed), 2 * DAY)) for seed in (11, 12)]
    assert sum(map(len, found)) <= 1


@pytest.mark.parametrize("quiet", QUIET)
def test_drift_detector_on_quiet_days_then_it_finds_at_most_one_thing_a_day(
    quiet: Callable[[np.random.Generator, int], np.ndarray],
) -> None:
    found = [findings(Drifting(LATENCY), quiet(np.random.default_rng(seed), 2 * DAY)) for seed in (11, 12)]
    assert sum(map(len, found)) <= 4


@pytest.mark.parametrize("seed", range(5))
def test_robust_detector_when_values_grow_threefold_then_it_finds_that_within_a_minute(seed: int) -> None:
    values = _normal(np.random.default_rng(seed), 1_000)
    values[600:] *= 3
    first = findings(Robust(LATENCY), values)[0]
    assert 600 <= first <= 603


@pytest.mark.parametrize("seed", range(5))
def test_drift_detector_when_the_mean_moves_by_three_deviations_then_it_finds_that_in_a_quarter_of_an_hour(
    seed: int,
) -> None:
    values = _normal(np.random.default_rng(seed), 1_000)
    values[600:] += 0.03
    robust, drift = findings(Robust(LATENCY), values), findings(Drifting(LATENCY), values)
    assert robust == []  # no single value is far enough out
    assert 600 <= drift[0] <= 660


def test_robust_detector_when_one_value_is_wild_then_nothing_is_found_unless_it_is_far_beyond() -> None:
    values = _normal(np.random.default_rng(1), 400)
    values[200], values[300] = 0.25, 5.0
    assert findings(Robust(LATENCY), values) == [300]


def test_robust_detector_while_it_warms_up_then_it_finds_nothing() -> None:
    values = np.concatenate([np.full(20, 0.1), np.full(19, 9.0)])
    assert findings(Robust(LATENCY), values) == []


def test_robust_detector_when_the_new_has_lasted_an_hour_then_it_is_the_usual() -> None:
    detector = Robust(LATENCY)
    values = np.concatenate([_normal(np.random.default_rng(1), 200), np.full(300, 1.0)])
    findings(detector, values)
    assert not detector.observe(Sample(T0 + 15 * 501, 1.0), "night").found


@pytest.mark.parametrize("kind", [Robust, Drifting, BurnRate, Invariant])
def test_detector_when_it_is_restored_then_it_judges_as_if_it_had_gone_on(kind: type[Robust]) -> None:
    random = np.random.default_rng(3)
    values = _normal(random, 300)
    values[250:] += 0.2
    whole, first = kind(LATENCY), kind(LATENCY)
    samples = [Sample(T0 + 15 * index, float(value), float(value > 0.2), 1.0) for index, value in enumerate(values)]
    judged = [whole.observe(sample, "night").found for sample in samples]
    for sample in samples[:240]:
        first.observe(sample, "night")
    second = kind(LATENCY, first.dump())
    assert [second.observe(sample, "night").found for sample in samples[240:]] == judged[240:]
    assert second.observations == whole.observations


@pytest.mark.parametrize("kind", [Robust, Drifting, BurnRate, Invariant])
def test_detector_when_it_has_seen_a_week_then_its_state_is_bounded(kind: type[Robust]) -> None:
    detector = kind(LATENCY)
    for index in range(10_000):
        detector.observe(
            Sample(T0 + 60 * index, 0.1, 0.0, 1.0), season_of(datetime.fromtimestamp(T0 + 60 * index, UTC))
        )
    assert len(detector.dump()) < 100_000


def _share(detector: BurnRate, failing: Callable[[int], float], count: int) -> list[int]:
    return [
        index
        for index in range(count)
        if detector.observe(Sample(T0 + 15 * index, 0.0, failing(index), 5.0), "night").found
    ]


def test_burn_rate_when_failures_stay_within_the_budget_then_nothing_is_found() -> None:
    assert _share(BurnRate(LATENCY), lambda index: float(index % 25 == 0), 2_000) == []


def test_burn_rate_when_everything_fails_then_it_is_found_while_it_lasts_and_soon_after_no_more() -> None:
    found = _share(BurnRate(LATENCY), lambda index: 5.0 if 400 <= index < 440 else 0.0, 600)
    assert found[0] <= 440
    assert 440 <= found[-1] <= 560


def test_burn_rate_when_three_of_four_calls_a_day_fail_then_nothing_is_found() -> None:
    detector = BurnRate(LATENCY)
    assert not any(detector.observe(Sample(T0 + 300 * index, 1.0, 1.0, 1.0), "night").found for index in range(4))


def test_invariant_when_a_value_is_above_its_limit_for_as_long_as_it_may_then_it_is_found() -> None:
    signal = Signal(name="x", title="x", stage=Stage.BOOKS, unit="", source=Told(), limit=2.0, hold=3)
    detector = Invariant(signal)
    judged = [detector.observe(Sample(T0 + 15 * index, value), "") for index, value in enumerate((3, 3, 1, 3, 3, 3))]
    assert [each.found for each in judged] == [False] * 5 + [True]
    assert judged[-1].since == T0 + 45


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("since", [6, 20, 60])
def test_onset_when_a_series_moves_then_it_is_told_within_two_samples(seed: int, since: int) -> None:
    values = _normal(np.random.default_rng(seed), 200)
    values[200 - since :] += 0.06
    told = onset([Sample(float(index), float(value)) for index, value in enumerate(values)])
    assert told is not None
    assert abs(told - (200 - since)) <= 2


@pytest.mark.parametrize("seed", range(5))
def test_onset_when_nothing_moves_then_there_is_none(seed: int) -> None:
    values = _normal(np.random.default_rng(seed), 200)
    assert onset([Sample(float(index), float(value)) for index, value in enumerate(values)]) is None


@pytest.mark.parametrize(
    ("moment", "season"),
    [
        (datetime(2026, 3, 2, 14, 45, tzinfo=UTC), "opening"),  # 9:45 in winter
        (datetime(2026, 7, 1, 13, 45, tzinfo=UTC), "opening"),  # 9:45 in summer
        (datetime(2026, 3, 2, 18, tzinfo=UTC), "session"),
        (datetime(2026, 3, 3, 3, tzinfo=UTC), "night"),  # Monday, 22:00
        (datetime(2026, 3, 7, 18, tzinfo=UTC), "weekend"),
    ],
)
def test_season_when_asked_for_then_it_is_that_of_new_york(moment: datetime, season: str) -> None:
    assert season_of(moment) == season


@pytest.mark.parametrize("seed", range(20))
def test_split_when_compared_with_ruptures_then_it_is_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.standard_normal(int(random.integers(8, 200)))
    values[int(random.integers(2, len(values) - 2)) :] += random.uniform(0, 3)
    theirs = KernelCPD(kernel="linear", min_size=2).fit(values.reshape(-1, 1)).predict(n_bkps=1)[0]
    assert best_split(values) == theirs


def test_window_when_compared_with_rivers_adwin_then_it_drifts_at_the_same_value() -> None:
    ours, theirs = AdaptiveWindowing(delta=1e-5), ADWIN(delta=1e-5)  # type: ignore[no-untyped-call]  # river leaves it out
    values = np.random.default_rng(1).standard_normal(600)
    values[300:] += 2.0
    drifts = []
    for index, value in enumerate(values):
        theirs.update(float(value))  # type: ignore[no-untyped-call]  # river leaves it out
        if ours.update(float(value)):
            drifts.append(index)
            assert theirs.drift_detected
            break  # river's begins an empty window after a drift, ours goes on with what is left
        assert not theirs.drift_detected
        assert ours.get_total() / ours.get_width() == pytest.approx(theirs.estimation)
    assert 300 < drifts[0] < 400
