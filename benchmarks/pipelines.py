"""Durable pipelines: what three kept steps cost, how many runs a second end, and how soon the first step begins.

On SQLite always; on Postgres too where SIGHTLINE_BENCH_POSTGRES names a server, such as
`postgresql+psycopg://postgres@127.0.0.1:5432/postgres`. Every fact, log line and metric is made.
"""

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import services.automation.migrations.versions
from benchmarks.harness import markdown_table
from services.automation.approvals.desk import ApprovalDesk
from services.automation.instruments import TABLE
from services.automation.pipelines.dbos_engine import DbosEngine, StoppableWaiter
from services.automation.pipelines.executing import Registry, Runner, nothing
from services.automation.pipelines.pipeline import Cause, Context, Pipeline
from services.automation.pipelines.running import Surroundings
from services.contracts.pipelines import CauseKind
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.ids import SystemRandomness
from services.kit.instruments import Instruments
from telemetry.catalogue import METRICS, PIPELINE
from telemetry.emit.options import TelemetryOptions
from telemetry.emit.redaction import Redactor
from telemetry.emit.setup import setup

_VERSIONS: Final = Path(services.automation.migrations.versions.__file__).parent
_STEPS: Final = 3
_NAME: Final = "three_steps"
_WAIT_SECONDS: Final = 120.0


class _Runs:
    """Three steps that do nothing, and when the first began and the last ended."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.ended = threading.Semaphore(0)

    def take(self, context: Context) -> None:
        for number in range(_STEPS):
            context.step(f"step {number}", lambda number=number: self._step(context, number))  # type: ignore[misc] # the loop's present value
        self.last[context.cause.cause_id] = time.perf_counter()
        self.ended.release()

    def _step(self, context: Context, number: int) -> int:
        if number == 0:
            self.first[context.cause.cause_id] = time.perf_counter()
        return number


def run(quick: bool) -> str:  # noqa: FBT001 -- the signature that every benchmark has
    """One run after the other, then many at once."""
    one, many = (50, 100) if quick else (300, 1_000)
    urls = {"SQLite": None} | ({"Postgres": url} if (url := os.environ.get("SIGHTLINE_BENCH_POSTGRES")) else {})
    rows = [(name, *_figures(url, one, many)) for name, url in urls.items()]
    heads = ("steps kept in", "3 steps, p50 ms", "p99 ms", "cause to first step, p50 ms", "p99 ms", "runs a second")
    return markdown_table(heads, rows)


def _figures(url: str | None, one: int, many: int) -> tuple[str, ...]:
    runs = _Runs()
    pipeline = Pipeline(name=_NAME, purpose="Three steps.", run=runs.take)
    with (
        tempfile.TemporaryDirectory(prefix="sightline-pipelines-") as name,
        _engine(Path(name), url, pipeline) as engine,
    ):
        began: dict[str, float] = {}
        mark = f"{time.time_ns()}"
        for number in range(one):
            cause = _cause(f"{mark}-{number}")
            began[cause.cause_id] = time.perf_counter()
            engine.start(pipeline, cause)
            runs.ended.acquire(timeout=_WAIT_SECONDS)
        whole = [(runs.last[each] - at) * 1000 for each, at in began.items()]
        first = [(runs.first[each] - at) * 1000 for each, at in began.items()]
        start = time.perf_counter()
        for number in range(many):
            engine.start(pipeline, _cause(f"{mark}-many-{number}"))
        for _ in range(many):
            runs.ended.acquire(timeout=_WAIT_SECONDS)
        rate = many / (time.perf_counter() - start)
    return (*(f"{_at(values, share):.1f}" for values in (whole, first) for share in (0.5, 0.99)), f"{rate:.0f}")


@contextmanager
def _engine(directory: Path, url: str | None, pipeline: Pipeline) -> Iterator[DbosEngine]:
    telemetry = setup(
        TelemetryOptions(
            service_name="automation",
            env="local",
            version="benchmark",
            data_dir=directory,
            console="off",
            embedded_path=directory / "telemetry.db",
        )
    )
    for metric in METRICS:
        if PIPELINE in metric.labels:
            telemetry.metrics.declare(metric, PIPELINE.name, [_NAME])
    own = url or f"sqlite:///{directory / 'automation.db'}"
    database = Database(own, service="automation", versions=[_VERSIONS])
    database.migrate()
    clock, waiter, randomness = SystemClock(), StoppableWaiter(), SystemRandomness()
    facts = Facts(database, Instruments(TABLE), telemetry, clock, "automation")
    around = Surroundings(
        clock=clock,
        randomness=randomness,
        waiter=waiter,
        tracer=telemetry.tracer("benchmark"),
        redactor=Redactor(),
        asking=ApprovalDesk(facts, clock, randomness),
        holds=nothing,
        told=nothing,
        retried=nothing,
    )
    runner = Runner(Registry((pipeline,)), facts, telemetry.metrics, around)
    engine = DbosEngine(runner, waiter, url=url, directory=directory)
    engine.open()
    try:
        yield engine
    finally:
        engine.close()
        database.close()
        telemetry.shutdown()


def _cause(cause_id: str) -> Cause:
    return Cause(kind=CauseKind.COMMAND, cause_id=cause_id, name="benchmark")


def _at(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]
