"""The fast backtest's face: one setting, or many of them over several processes."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing import get_context
from typing import Any, Final, TypeVar, cast

import numpy as np

from services.contracts.columns import Codes, Floats, Ints, Panel
from services.contracts.market import Symbol
from services.trading.backtest import kernel
from services.trading.backtest.config import BacktestConfig, Sizing
from services.trading.backtest.errors import BadDecisionError, MoneyTooLargeError
from services.trading.backtest.result import BacktestResult
from services.trading.backtest.tape import MICRO, Tape, close_of, tape_of
from services.trading.strategies.parameters import Params
from services.trading.strategies.protocol import Decisions, Strategy

Progress = Callable[[int, int], None]
"""Told how many settings are done, and of how many."""

T = TypeVar("T")

# A new process imports and loads machine code for a second or two; below this many bars one does the work sooner.
_WORTH_A_PROCESS: Final = 20_000_000
_CHUNKS_PER_WORKER: Final = 8
# Machine code and numpy let other threads run; below this many bars there is too little of both between two settings.
_WORTH_A_THREAD: Final = 20_000
_PER_BPS: Final = 10_000

_WHY: Final = {
    kernel.BAD_TARGET: "a target lies between -1 and 1",
    kernel.BAD_ENTRY: "an entry is one of the numbers of `EntryCode`",
    kernel.BAD_RESIZE: "a strategy that resizes has market orders without exits",
}


@dataclass(frozen=True, slots=True)
class Bench:
    """A panel made ready for any number of runs."""

    panel: Panel
    tape: Tape
    close: Floats

    def run(self, strategy: Strategy, params: Params, config: BacktestConfig) -> BacktestResult:
        """Backtest one setting; a whole one, as `strategy.space.check` gives it.

        Raises:
            BadDecisionError: The strategy broke its protocol.
            MoneyTooLargeError: Sums left the range that is counted exactly.
        """
        return self.replay(strategy, params, config, strategy.decide(self.panel, params))

    def replay(
        self, strategy: Strategy, params: Params, config: BacktestConfig, decided: Mapping[Symbol, Decisions]
    ) -> BacktestResult:
        """What comes of decisions that were made already. Raises as `run` does."""
        tape = self.tape
        equity, fills, status, bar = kernel.run(
            tape.session,
            (tape.open, tape.high, tape.low, tape.close),
            _stacked([decided[symbol] for symbol in tape.symbols]),
            _conditions(config, resizes=strategy.resizes),
            float(config.budget),
        )
        if status == kernel.TOO_LARGE:
            raise MoneyTooLargeError(f"At bar {bar}: start with less capital, or look at the prices.")
        if status != kernel.DONE:
            raise BadDecisionError(f"{strategy.name}, bar {bar}: {_WHY[status]}.")
        return BacktestResult(
            strategy=strategy.name,
            version=strategy.version,
            params=params,
            config=config,
            symbols=tape.symbols,
            time_ns=tape.time_ns,
            close=self.close,
            equity=equity,
            fills=fills,
        )


def prepare(panel: Panel) -> Bench:
    """Check a panel and make it ready. Raises `BadPanelError`."""
    tape = tape_of(panel)
    return Bench(panel, tape, close_of(tape))


def run(strategy: Strategy, panel: Panel, params: Params, config: BacktestConfig) -> BacktestResult:
    """Backtest one setting; raises as `prepare` and `Bench.run` do. The first call of a process loads machine code."""
    return prepare(panel).run(strategy, params, config)


def run_many(  # noqa: PLR0913 -- what to run, and how
    strategy: Strategy,
    panel: Panel,
    settings: Sequence[Params],
    config: BacktestConfig,
    measure: Callable[[BacktestResult], T],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[T]:
    """Backtest many settings and keep of each what `measure` makes of it, so that memory does not grow with them.

    Args:
        strategy: Has to be one that can be pickled, if there are several processes.
        panel: Bars of all symbols; each process gets a copy.
        settings: Whole ones, as `strategy.space.check` gives them.
        config: Of all runs.
        measure: Called in several threads; with several processes a function that other modules can import, and an
            answer that can be pickled.
        workers: Processes; by default one per core that this process may use, or only this one for a small job. This
            one uses a thread per core where the bars are many.
        progress: Called in this process.

    Returns:
        An answer for each setting, in their order.
    """
    size = len(settings) * sum(len(each) for each in panel.values())
    if workers is None:
        workers = _cores() if size > _WORTH_A_PROCESS else 1
    told = progress or _nobody
    job = _Job(strategy, panel, config, measure)
    results = _here(job, settings, told) if workers <= 1 else _apart(job, settings, workers, told)
    return cast("list[T]", list(results))


@dataclass(frozen=True, slots=True)
class _Job:
    strategy: Strategy
    panel: Panel
    config: BacktestConfig
    measure: Callable[[BacktestResult], Any]


class _Worker:
    """What a process of the pool keeps from one chunk of settings to the next."""

    job: _Job
    bench: Bench


def _here(job: _Job, settings: Sequence[Params], progress: Progress) -> Iterator[Any]:
    bench = prepare(job.panel)

    def measured(params: Params) -> Any:  # noqa: ANN401 -- whatever is measured
        return job.measure(bench.run(job.strategy, params, job.config))

    pool = ThreadPoolExecutor(_cores() if bench.close.shape[1] >= _WORTH_A_THREAD else 1, "backtest")
    try:
        for done, result in enumerate(pool.map(measured, settings), start=1):
            yield result
            progress(done, len(settings))
    finally:
        pool.shutdown(cancel_futures=True)


def _apart(job: _Job, settings: Sequence[Params], workers: int, progress: Progress) -> Iterator[Any]:
    size = max(1, len(settings) // (workers * _CHUNKS_PER_WORKER))
    chunks = [settings[start : start + size] for start in range(0, len(settings), size)]
    # Spawned, not forked: threads of this process, and locks that they hold, would not come along.
    pool = ProcessPoolExecutor(min(workers, len(chunks)), get_context("spawn"), _take_up, (job,))
    done = 0
    try:
        for results in pool.map(_run_chunk, chunks):
            yield from results
            done += len(results)
            progress(done, len(settings))
    finally:
        pool.shutdown(cancel_futures=True)


def _take_up(job: _Job) -> None:
    _Worker.job, _Worker.bench = job, prepare(job.panel)


def _run_chunk(settings: Sequence[Params]) -> list[Any]:
    job = _Worker.job
    return [job.measure(_Worker.bench.run(job.strategy, params, job.config)) for params in settings]


def _stacked(decided: Sequence[Decisions]) -> kernel.Decided:
    return (
        _rows([each.target for each in decided]),
        _code_rows([each.entry for each in decided]),
        _rows([each.limit for each in decided]),
        _rows([each.stop for each in decided]),
        _rows([each.stop_loss for each in decided]),
        _rows([each.take_profit for each in decided]),
    )


def _rows(columns: Sequence[Floats]) -> Floats:
    if len(columns) == 1:
        return np.ascontiguousarray(columns[0], dtype=np.float64).reshape(1, -1)  # no copy
    return np.stack(columns)


def _code_rows(columns: Sequence[Codes]) -> Codes:
    return np.ascontiguousarray(np.stack(columns), dtype=np.int8)


def _conditions(config: BacktestConfig, *, resizes: bool) -> Ints:
    out = np.zeros(kernel.CONDITIONS, dtype=np.int64)
    costs = config.costs
    out[kernel.SLIPPAGE] = _steps(costs.slippage_bps, _PER_BPS)
    out[kernel.TICKS] = costs.slippage_ticks
    out[kernel.PER_SHARE] = _steps(costs.fee_per_share, MICRO)
    out[kernel.FEE] = _steps(costs.fee_bps, _PER_BPS)
    out[kernel.FEE_MINIMUM] = _steps(costs.fee_minimum, MICRO)
    out[kernel.CAPITAL] = _steps(config.capital, MICRO)
    out[kernel.FIXED_SHARES] = config.shares if config.sizing is Sizing.SHARES else 0
    out[kernel.LOT] = config.lot
    out[kernel.RESIZES] = resizes
    out[kernel.CLOSE_AT_END] = config.close_at_end
    return out


def _steps(value: Decimal, per_unit: int) -> int:
    return int(value * per_unit)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _nobody(done: int, total: int) -> None:
    """Who does not ask is not told."""
