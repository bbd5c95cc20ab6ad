"""`python -m tests.automation.pipelines.killing DIRECTORY PIPELINE [alone]`: kill a run in its steps; take it up again.

A process without threads that forks: each child opens the real engine and kills itself with signal 9 at a step. One run
is killed in every one of its steps, one after the other, right after what the step does and before that is written
down. With `alone` each kill has a run of its own, and is tried before what the step does too. Prints one line of JSON
for each run, the first of one that nobody touched.
"""

import json
import os
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from opentelemetry.trace import NoOpTracer
from sqlalchemy import select

from services.automation.approvals.desk import ApprovalDesk
from services.automation.approvals.policy import POLICY
from services.automation.incidents.desk import IncidentDesk
from services.automation.instruments import TABLE
from services.automation.pipelines import store
from services.automation.pipelines.dbos_engine import DbosDurable, DbosEngine
from services.automation.pipelines.executing import Registry, Runner, nothing
from services.automation.pipelines.running import Asked, Surroundings
from services.automation.routines.handling import House
from services.automation.routines.table import every
from services.contracts.events import Envelope
from services.contracts.pipelines import ApprovalStatus
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.ids import SystemRandomness
from services.kit.instruments import Instruments
from services.kit.tables import OUTBOX
from telemetry.catalogue import INCIDENT_ACTIONS, METRICS, PIPELINE
from telemetry.emit.metrics import Metrics
from telemetry.emit.redaction import Redactor
from tests.automation.conftest import MIGRATIONS
from tests.automation.pipelines.kept_world import KeptWorld, about, scenario
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock

_MOST_STEPS = 60
_LOOK_SECONDS = 0.01


class HurriedClock:
    """The machine's clock, put forward by whatever is waited for; nothing is really waited for."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self._ahead

    def monotonic(self) -> float:
        return SystemClock().monotonic() + self._ahead.total_seconds()

    def wait(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def stop(self) -> None:
        """Nothing waits."""


class PersonAtHand(ApprovalDesk):
    """A desk at which a person sits, who allows whatever is asked."""

    def ask(self, run_id: str, number: int, action: str, parameters: Mapping[str, str], reason: str) -> Asked:
        asked = super().ask(run_id, number, action, parameters, reason)
        view = self.one(asked.approval_id)
        if view.status is ApprovalStatus.PENDING:
            self.grant(view.approval_id, view.parameters_digest, by="operator")
        return asked


def run(directory: Path, name: str, kill: tuple[str, int] | None) -> None:
    """Start the run, or take it up again, and return at its end; with `kill`, die at that step."""
    clock, telemetry = HurriedClock(), RecordedTelemetry(Metrics(_TelemetryClock()))
    world = KeptWorld(clock)  # type: ignore[arg-type] # as much of a clock as is asked for
    database = Database(f"sqlite:///{directory / 'automation.db'}", service="automation", versions=[MIGRATIONS])
    database.migrate()
    facts = Facts(database, Instruments(TABLE), telemetry, clock, "automation")
    incidents = IncidentDesk(facts, clock)
    cause = scenario(name, world, incidents)
    world.load(directory / "world.json")
    house = House(
        world.outside(), incidents, clock, lambda alert: alert in world.firing, lambda _fingerprint: bool(world.firing)
    )
    registry = Registry(every(house, world.office()))
    _declare(telemetry.metrics, registry)
    around = Surroundings(
        clock=clock,
        randomness=SystemRandomness(),
        waiter=clock,
        tracer=NoOpTracer(),
        redactor=Redactor(),
        asking=PersonAtHand(facts, clock, SystemRandomness()),
        holds=nothing,
        told=nothing,
        retried=nothing,
    )
    engine = DbosEngine(Runner(registry, facts, telemetry.metrics, around), clock, url=None, directory=directory)  # type: ignore[arg-type] # it waits and stops
    if kill is not None:
        _die_at(*kill, world)
    engine.open()
    started = engine.start(registry.get(name), cause)
    pause = threading.Event()
    while (status := _status(database, started.run_id)) is None:
        pause.wait(_LOOK_SECONDS)
    engine.close()
    _tell(directory, database, incidents, status)


def _declare(metrics: Metrics, registry: Registry) -> None:
    for metric in METRICS:
        if PIPELINE in metric.labels:
            metrics.declare(metric, PIPELINE.name, [each.name for each in registry])
    metrics.declare(INCIDENT_ACTIONS, "action", POLICY)


def _status(database: Database, run_id: str) -> str | None:
    """How the run ended, or None."""
    with database.reading() as connection:
        view = store.one(connection, run_id)
    return view.status.value if view is not None and view.status.ended else None


def _die_at(when: str, number: int, world: KeptWorld) -> None:
    """Die at the step of this number, counted over those that really run."""
    count, once = [0], DbosDurable.once

    def counted(self: DbosDurable, name: str, function: Callable[[], Any]) -> Any:  # noqa: ANN401 -- JSON
        def really() -> Any:  # noqa: ANN401 -- JSON
            count[0] += 1
            if count[0] == number and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            asked = len(world.asked)
            result = function()
            if count[0] == number:
                world.cut += world.asked[asked:]
                world.save()
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return once(self, name, really)

    DbosDurable.once = counted  # type: ignore[method-assign] # this process is about to die


def _tell(directory: Path, database: Database, incidents: IncidentDesk, status: str) -> None:
    with database.reading() as connection:
        facts = [Envelope.model_validate_json(row) for row in connection.execute(select(OUTBOX.c.envelope)).scalars()]
    world = json.loads((directory / "world.json").read_text()) if (directory / "world.json").exists() else {}
    listed = incidents.listing(open_only=False, limit=10).incidents
    told = {
        "status": status,
        "done": [about(each) for each in world.get("done", [])],
        "held": sum(reason.startswith("held") for reason in world.get("reasons", {}).get("alpha", [])),
        "facts": sorted(fact.event_type for fact in facts if fact.event_type != "pipelines.pipeline_recovered"),
        "incidents": [
            [
                each.status.value,
                *each.actions,
                *(change.status.value for change in incidents.one(each.incident_id).changes),
            ]
            for each in listed
        ],
    }
    counted = {name: Counter(about(each) for each in world.get(name, [])) for name in ("asked", "cut")}
    (directory / "told.json").write_text(json.dumps({"told": told, **counted}))


def _in_child(directory: Path, name: str, kill: tuple[str, int] | None) -> bool:
    """Whether the child was killed; it came to its end otherwise."""
    child = os.fork()
    if child == 0:
        try:
            run(directory, name, kill)
        except BaseException:  # noqa: BLE001 -- told, and the child ends as failed
            traceback.print_exc()
        finally:
            os._exit(0 if (directory / "told.json").exists() else 1)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError(f"the child for {name} {kill} failed")
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _print(directory: Path, kills: str) -> None:
    sys.stdout.write(json.dumps({"kills": kills, **json.loads((directory / "told.json").read_text())}) + "\n")
    sys.stdout.flush()


def in_turn(directory: Path, name: str) -> None:
    """Kill one run in every step: the second that really runs is the one after the step that was cut short."""
    directory.mkdir()
    kills = 0
    while _in_child(directory, name, ("after", 1 if kills == 0 else 2)):
        kills += 1
        if kills > _MOST_STEPS:
            raise RuntimeError(f"{name} does not come to its end")
    _print(directory, f"{kills} in turn")


def alone(directory: Path, name: str) -> None:
    """Kill a run of its own before and after what each step does, until there is no further step."""
    for number in range(1, _MOST_STEPS):
        for when in ("before", "after"):
            home = directory / f"{when} {number}"
            home.mkdir()
            if not _in_child(home, name, (when, number)):
                return
            _in_child(home, name, None)
            _print(home, home.name)


def main(directory: Path, name: str, *, each_alone: bool) -> None:
    """One run that nobody touches, then those that are killed."""
    untouched = directory / "untouched"
    untouched.mkdir()
    _in_child(untouched, name, None)
    _print(untouched, "none")
    if each_alone:
        alone(directory, name)
    else:
        in_turn(directory / "in turn", name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], each_alone="alone" in sys.argv)
