"""The real engine: DBOS and the service's own database, on SQLite or Postgres."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from services.automation.approvals.desk import ApprovalDesk
from services.automation.instruments import TABLE
from services.automation.pipelines import store
from services.automation.pipelines.dbos_engine import DbosEngine, StoppableWaiter
from services.automation.pipelines.executing import Registry, Runner, nothing
from services.automation.pipelines.pipeline import Cause, Pipeline
from services.automation.pipelines.running import Surroundings
from services.contracts.pipelines import CauseKind, RunView
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.ids import SystemRandomness
from services.kit.instruments import Instruments
from telemetry.catalogue import METRICS, PIPELINE
from telemetry.emit.metrics import Metrics
from telemetry.emit.redaction import Redactor
from tests.automation.conftest import MIGRATIONS
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock

SECONDS = 20.0


def until(condition: Callable[[], object]) -> None:
    """Return once the condition holds; fail when it does not within `SECONDS`."""
    gone, pause = 0.0, threading.Event()
    while not condition():
        assert gone < SECONDS, "what is waited for has not come"
        pause.wait(0.01)
        gone += 0.01


@dataclass
class Pipelines:
    """An engine over a directory; open it again as after a restart."""

    directory: Path
    pipelines: tuple[Pipeline, ...]
    url: str | None = None
    waiter: StoppableWaiter = field(default_factory=StoppableWaiter)

    def __post_init__(self) -> None:
        url = self.url or f"sqlite:///{self.directory / 'automation.db'}"
        self.database = Database(url, service="automation", versions=[MIGRATIONS])
        self.database.migrate()
        self.telemetry = RecordedTelemetry(Metrics(_TelemetryClock()))
        names = [each.name for each in self.pipelines]
        for metric in METRICS:
            if PIPELINE in metric.labels:
                self.telemetry.metrics.declare(metric, PIPELINE.name, names)
        clock = SystemClock()
        self.facts = Facts(self.database, Instruments(TABLE), self.telemetry, clock, "automation")
        self.approvals = ApprovalDesk(self.facts, clock, SystemRandomness())
        around = Surroundings(
            clock=clock,
            randomness=SystemRandomness(),
            waiter=self.waiter,
            tracer=TracerProvider().get_tracer("test"),
            redactor=Redactor(),
            asking=self.approvals,
            holds=nothing,
            told=nothing,
            retried=nothing,
        )
        runner = Runner(Registry(self.pipelines), self.facts, self.telemetry.metrics, around)
        steps_in_postgres = self.url if self.url and self.url.startswith("postgresql") else None
        self.engine = DbosEngine(runner, self.waiter, url=steps_in_postgres, directory=self.directory)

    def again(self) -> "Pipelines":
        """The same after a restart, over the same files or database."""
        self.close()
        return Pipelines(self.directory, self.pipelines, self.url).open()

    def run(self, run_id: str) -> RunView:
        """How the run stands now."""
        with self.database.reading() as connection:
            found = store.one(connection, run_id)
        assert found is not None
        return found

    def ended(self, run_id: str) -> RunView:
        """The run, once it has ended."""
        until(lambda: self.run(run_id).status.ended)
        return self.run(run_id)

    def open(self) -> "Pipelines":
        self.engine.open()
        return self

    def close(self) -> None:
        self.engine.close()
        self.database.close()


def command(cause_id: str = "1", target: str | None = None) -> Cause:
    """A cause as a person makes it."""
    return Cause(kind=CauseKind.COMMAND, cause_id=cause_id, name="test", target=target)


@pytest.fixture
def house(tmp_path: Path, storage: str | None) -> Iterator[Callable[..., Pipelines]]:
    """Makes an engine with these pipelines; closed at the end of the test."""
    made: list[Pipelines] = []

    def make(*pipelines: Pipeline) -> Pipelines:
        made.append(Pipelines(tmp_path, pipelines, storage).open())
        return made[-1]

    yield make
    for each in made:
        each.close()
