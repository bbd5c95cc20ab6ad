"""The fast backtest beside a loop written by hand for the same rules, and beside vectorbt if there is a Python with it.

Name that Python in VECTORBT_PYTHON; it needs `pip install vectorbt`, in an environment of its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import backtest_hand
from benchmarks.harness import interleaved, markdown_table
from services.contracts.columns import Columns, Floats
from services.contracts.market import Symbol
from services.kit.clock import SystemClock
from services.matching.costs import Costs
from services.trading.backtest.config import BacktestConfig, Sizing
from services.trading.backtest.fast import Bench, prepare, run_many
from services.trading.backtest.result import BacktestResult
from services.trading.strategies.parameters import Params
from services.trading.strategies.protocol import Decisions
from services.trading.strategies.registry import find
from services.trading.tuning.home import opened
from services.trading.tuning.opening import open_study
from services.trading.tuning.plan import Plan
from services.trading.tuning.subject import Evaluation
from services.trading.tuning.tier_a import subject_of

A = Symbol("A")
STRATEGY = find("sma-cross")
CONFIG = BacktestConfig(
    capital=Decimal(1_000_000),
    costs=Costs(slippage_bps=Decimal(2), fee_per_share=Decimal("0.005"), fee_minimum=Decimal(1)),
    sizing=Sizing.SHARES,
    shares=100,
)
EXITS = {"stop": 0.05, "target": 0.1}
_LABELS = {"ours": "ours", "threads": "ours, a thread per core", "by hand": "a loop written by hand"}
_OTHER = Path(__file__).with_name("backtest_vectorbt.py")


@dataclass(frozen=True)
class Work:
    """Settings over the same bars, with the decisions made before the clock starts."""

    bench: Bench
    settings: list[Params]
    decided: list[Decisions]

    @property
    def bars(self) -> Columns:
        return self.bench.panel[A]


def run(quick: bool) -> str:  # noqa: FBT001 -- what every benchmark takes
    """Measure and return the tables."""
    rounds = 8 if quick else 30
    one = _work(1_000_000, [STRATEGY.space.check(EXITS)])
    pairs = [(fast, slow) for fast in range(5, 25, 2) for slow in range(30, 130, 10)]
    many = _work(100_000, [STRATEGY.space.check({**EXITS, "fast": fast, "slow": slow}) for fast, slow in pairs])
    return "\n\n".join(
        (
            _table(f"1 setting over 1,000,000 bars ({_check(one):,} fills)", one, rounds),
            _table(f"{len(pairs)} settings over 100,000 bars ({_check(many):,} fills)", many, rounds),
            _whole(many),
            _search(2_500, 50 if quick else 200),
        )
    )


def _work(length: int, settings: list[Params]) -> Work:
    bench = prepare({A: _bars(length)})
    return Work(bench, settings, [STRATEGY.decide(bench.panel, each)[A] for each in settings])


def _bars(length: int) -> Columns:
    random = np.random.default_rng(1)
    close = np.maximum(100.0 + np.cumsum(random.normal(0.0, 0.05, length)), 5.0)
    opened = np.concatenate(([100.0], close[:-1])) + random.normal(0.0, 0.02, length)
    high = np.maximum(opened, close) + np.abs(random.normal(0.0, 0.03, length))
    low = np.minimum(opened, close) - np.abs(random.normal(0.0, 0.03, length))
    prices = [np.round(each, 2) for each in (opened, high, low, close)]
    minutes = np.arange(length, dtype=np.int64) * 60 * 10**9
    return Columns(minutes, *prices, volume=np.full(length, 1e6))


def _ours(work: Work) -> Iterator[BacktestResult]:
    settings = zip(work.settings, work.decided, strict=True)
    return (work.bench.replay(STRATEGY, params, CONFIG, {A: decided}) for params, decided in settings)


def _by_hand(work: Work) -> Iterator[tuple[Floats, Floats]]:
    bars = work.bars
    return (
        backtest_hand.loop(
            bars.open, bars.high, bars.low, bars.close, each.target, each.stop_loss, each.take_profit, 1e6
        )
        for each in work.decided
    )


def _in_threads(work: Work) -> Iterator[float]:
    """As `run_many` does it in one process, but for deciding."""

    def replayed(params: Params, decided: Decisions) -> float:
        return _nothing(work.bench.replay(STRATEGY, params, CONFIG, {A: decided}))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(replayed, work.settings, work.decided)


def _check(work: Work) -> int:
    """Both do the same work, and have compiled what they need; returns the number of fills."""
    fills = 0
    for ours, (equity, theirs) in zip(_ours(work), _by_hand(work), strict=True):
        assert np.array_equal(ours.fills[:, [0, 2]], theirs[:, [0, 1]].astype(np.int64))
        assert np.abs(ours.equity - equity).max() < 0.01
        fills += len(theirs)
    return fills


def _table(title: str, work: Work, rounds: int) -> str:
    def seconds(action: Callable[[Work], Iterator[object]]) -> float:
        before = time.perf_counter()
        for _result in action(work):
            pass  # as `run_many` has it, no result is kept until the next one
        return time.perf_counter() - before

    actions: dict[str, Callable[[Work], Iterator[object]]] = {"ours": _ours, "by hand": _by_hand} | (
        {"threads": _in_threads} if len(work.settings) > 1 else {}
    )
    found = interleaved({name: partial(seconds, action) for name, action in actions.items()}, rounds)
    bars = len(work.bars) * len(work.settings)
    # The least of the rounds: what else the machine does only adds, and to the two alike.
    least = {name: min(each) for name, each in found.items()}
    rows = [
        [label, f"{least[name] * 1e3:.1f}", f"{bars / least[name] / 1e6:.0f}", f"{least[name] / least['by hand']:.2f}"]
        for name, label in _LABELS.items()
        if name in least
    ]
    note = ""
    if os.environ.get("VECTORBT_PYTHON"):
        fastest, memory, fills = _by_vectorbt(work, max(2, rounds // 5))
        figures = [f"{fastest * 1e3:.1f}", f"{bars / fastest / 1e6:.0f}", f"{fastest / least['by hand']:.2f}"]
        rows.append([f"vectorbt ({fills:,.0f} fills)", *figures])
        times = fastest / min(least["ours"], least.get("threads", least["ours"]))
        note = (
            f"\n\nvectorbt takes {times:.0f} times as long as ours, and up to {memory:,.0f} MiB; it compares stops by"
            " rules of its own."
        )
    else:
        note = "\n\nWithout vectorbt: VECTORBT_PYTHON names no Python that has it."
    head = [title, "ms", "million bars a second", "time, by hand = 1"]
    return markdown_table(head, rows) + note


def _by_vectorbt(work: Work, rounds: int) -> tuple[float, ...]:
    bars = work.bars
    targets = np.stack([each.target for each in work.decided], axis=1)
    late = np.vstack((np.full((1, targets.shape[1]), np.nan), targets[:-1]))  # done at the next open
    column = {name: getattr(bars, name)[:, None] for name in ("open", "high", "low", "close")}
    close = np.ascontiguousarray(np.broadcast_to(column.pop("close"), late.shape))
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file, close=close, entries=late == 1.0, exits=late == 0.0, **column)
        file.flush()
        command = [os.environ["VECTORBT_PYTHON"], "-P", str(_OTHER), file.name, str(rounds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 -- the user's own
    return tuple(float(each) for each in done.stdout.split())


def _nothing(result: BacktestResult) -> float:
    return float(result.equity[-1])


def _whole(work: Work) -> str:
    """With everything: checking bars, deciding, trading; in a process of its own, for its memory."""
    before = time.perf_counter()
    run_many(STRATEGY, work.bench.panel, work.settings, CONFIG, _nothing, workers=1)
    seconds = time.perf_counter() - before
    command = [sys.executable, "-m", "benchmarks.backtest", str(len(work.bars))]
    memory = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 -- ours
    return markdown_table(
        [f"{len(work.settings)} settings over {len(work.bars):,} bars, decisions included", ""],
        [["seconds in one process", f"{seconds:.2f}"], ["most memory of a process that does it, MiB", memory]],
    )


def _search(length: int, trials: int) -> str:
    """What a study adds to the backtests that it makes: suggesting, and writing each trial down for good."""
    about = subject_of(STRATEGY, {A: _bars(length)}, CONFIG, space=STRATEGY.space, timeframe="1day")
    spent = 0.0

    def timed(settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
        nonlocal spent
        before = time.perf_counter()
        found = about.evaluate(settings, span)
        spent += time.perf_counter() - before
        return found

    clock = SystemClock()
    with tempfile.TemporaryDirectory() as directory, opened("", Path(directory), clock) as home:
        watched = replace(about, evaluate=timed)
        with open_study(home, "overhead", watched, Plan(), resume=False, clock=clock) as study:
            ended = study.run(trials)
    tried = ended.done + ended.neighbours
    each, inside = ended.elapsed_seconds / tried * 1e3, spent / tried * 1e3
    return markdown_table(
        [f"a study of {tried} trials over {length:,} bars", "ms a trial"],
        [["backtest", f"{inside:.2f}"], ["suggesting, ledger, the rest", f"{each - inside:.2f}"]],
    )


def _memory(length: int) -> None:
    settings = [STRATEGY.space.check({**EXITS, "fast": fast, "slow": 50 + fast}) for fast in range(5, 30)] * 4
    run_many(STRATEGY, {A: _bars(length)}, settings, CONFIG, _nothing, workers=1)
    print(f"{peak_mebibytes():,.0f}")


def peak_mebibytes() -> float:
    """The most memory of this program; what `getrusage` says includes that of whoever started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    _memory(int(sys.argv[1]))
