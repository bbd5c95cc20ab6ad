"""`python -m tests.automation.pipelines.killing DIRECTORY PIPELINE [both]`: kill a run in each step; take it up again.

A process without threads that forks: each child opens the real engine, and the first of two kills itself with signal 9
at a step: right after what the step does, before that is written down, and with `both` also before it. Prints one line
of JSON for each kill.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from opentelemetry.trace import NoOpTracer
from sqlalchemy import select

from services.automation.actions.outside import Outside
from services.automation.approvals.desk import ApprovalDesk
from services.automation.incidents.desk import IncidentDesk
from services.automation.instruments import TABLE
from services.automation.pipelines import store
from services.automation.pipelines.dbos_engine import DbosDurable, DbosEngine
from services.automation.pipelines.executing import Registry, Runner, nothing
from services.automation.pipelines.pipeline import Cause, Pipeline
from services.automation.pipelines.running import Surroundings
from services.automation.routines.handling import House
from services.automation.routines.table import routines
from services.contracts.events import Envelope
from services.contracts.pipelines import CauseKind
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.ids import SystemRandomness
from services.kit.instruments import Instruments
from services.kit.tables import OUTBOX
from telemetry.emit.metrics import Metrics
from telemetry.emit.redaction import Redactor
from tests.automation.conftest import MIGRATIONS
from tests.automation.routines.conftest import World
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock

_MOST_STEPS = 60


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


class KeptWorld(World):
    """A world that outlives processes. Each action brings about what the scenario says, and is counted."""

    path: Path
    effects: dict[str, str]

    def load(self, path: Path) -> None:
        self.path = path
        if path.exists():
            kept = json.loads(path.read_text())
            self.reasons, self.usable, self.done = kept["reasons"], kept["usable"], kept["done"]
            self.firing = set(kept["firing"])

    def save(self) -> None:
        state = {"reasons": self.reasons, "usable": self.usable, "done": self.done, "firing": sorted(self.firing)}
        self.path.write_text(json.dumps(state))

    def _do(self, what: str) -> None:
        if what not in self.done:
            super()._do(what)
        if what.startswith("hold"):
            self.reasons["alpha"] = [each for each in dict.fromkeys(self.reasons["alpha"]) if each.startswith("held")]
        if what.startswith("log in"):
            self.usable[what.removeprefix("log in ")] = True
        if what.startswith("restart"):
            self.firing.clear()
        self.save()


def scenario(name: str, world: KeptWorld) -> Cause:
    """The cause that starts the pipeline, and the world that it starts in."""
    began = SystemClock().now().isoformat()
    payload: dict[str, Any] = {"severity": "critical", "starts_at": began, "service_name": "trading", "summary": "s"}
    kind, target = CauseKind.EVENT, "alpha"
    if name == "venue_degraded":
        world.reasons["alpha"] = ["not used at present: five failures"]
        payload = {"now": "open"}
    elif name in {"recover_session", "keep_sessions_alive"}:
        world.usable, target, payload = {"schwab": False}, "schwab", {"reason": "401"}
    elif name == "order_unknown":
        payload = {"venue": "alpha"}
    elif name in {"data_stale", "strategy_stopped"}:
        kind, target = CauseKind.ALERT, "trend"
        if name == "strategy_stopped":
            world.firing = {"StrategyStopped"}
    elif name == "anomaly_triage":
        payload |= {"anomaly_id": "a1", "detail": "slow"}
    elif name == "preflight_before_open":
        world.reasons["alpha"] = ["the stream is down"]
    return Cause(kind=kind, cause_id="cause-1", name="trading.circuit_changed", target=target, payload=payload)


def run(directory: Path, name: str, kill: tuple[str, int] | None) -> None:
    """Start the run, or take it up again, and return at its end; with `kill`, die at that step."""
    clock = HurriedClock()
    world = KeptWorld(clock)  # type: ignore[arg-type] # as much of a clock as is asked for
    cause = scenario(name, world)
    world.load(directory / "world.json")
    database = Database(f"sqlite:///{directory / 'automation.db'}", service="automation", versions=[MIGRATIONS])
    database.migrate()
    telemetry = RecordedTelemetry(Metrics(_TelemetryClock()))
    facts = Facts(database, Instruments(TABLE), telemetry, clock, "automation")
    outside = Outside(sessions=world, venues=world, trading=world, advisers=world, anomalies=world)  # type: ignore[arg-type] # all in one
    house = House(outside, IncidentDesk(facts, clock), clock, lambda alert: alert in world.firing)
    pipelines = {each.name: each for each in routines(house)}
    around = Surroundings(
        clock=clock,
        randomness=SystemRandomness(),
        waiter=clock,
        tracer=NoOpTracer(),
        redactor=Redactor(),
        asking=ApprovalDesk(facts, clock, SystemRandomness(), nothing),
        holds=nothing,
        told=nothing,
        retried=nothing,
    )
    runner = Runner(Registry(tuple(pipelines.values())), facts, telemetry.metrics, around)
    engine = DbosEngine(runner, clock, url=None, directory=directory)  # type: ignore[arg-type] # it waits and stops
    if kill is not None:
        _die_at(*kill)
    engine.open()
    pipeline: Pipeline = pipelines[name]
    started = engine.start(pipeline, cause)
    while True:
        with database.reading() as connection:
            view = store.one(connection, started.run_id)
        if view is not None and view.status.ended:
            break
        os.sched_yield()
    engine.close()
    _tell(directory, database, house, view.status.value)


def _die_at(when: str, number: int) -> None:
    """Die at the step of this number, counted over those that really run."""
    count, once = [0], DbosDurable.once

    def counted(self: DbosDurable, name: str, function: Callable[[], Any]) -> Any:  # noqa: ANN401 -- JSON
        def really() -> Any:  # noqa: ANN401 -- JSON
            count[0] += 1
            if count[0] == number and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = function()
            if count[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return once(self, name, really)

    DbosDurable.once = counted  # type: ignore[method-assign] # this process is about to die


def _tell(directory: Path, database: Database, house: House, status: str) -> None:
    with database.reading() as connection:
        facts = [Envelope.model_validate_json(row) for row in connection.execute(select(OUTBOX.c.envelope)).scalars()]
    world = json.loads((directory / "world.json").read_text()) if (directory / "world.json").exists() else {}
    listed = house.incidents.listing(open_only=False, limit=10).incidents
    told = {
        "status": status,
        "done": world.get("done", []),
        "held": len(world.get("reasons", {}).get("alpha", [])),
        "facts": sorted(fact.event_type for fact in facts if fact.event_type != "pipelines.pipeline_recovered"),
        "incidents": [
            [
                each.status.value,
                *each.actions,
                *(change.status.value for change in house.incidents.one(each.incident_id).changes),
            ]
            for each in listed
        ],
    }
    (directory / "told.json").write_text(json.dumps(told))


def _in_child(directory: Path, name: str, kill: tuple[str, int] | None) -> int:
    """The child's signal, 0 when it came to its end."""
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
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main(directory: Path, name: str, *, both: bool) -> None:
    """Kill at every step until there is no further step."""
    for number in range(_MOST_STEPS):
        for when in (("before", "after") if both else ("after",)) if number else ("never",):
            home = directory / f"{number}-{when}"
            home.mkdir()
            killed = number > 0 and _in_child(home, name, (when, number)) == signal.SIGKILL
            if not killed and number > 0:
                return
            if not (home / "told.json").exists():
                _in_child(home, name, None)
            told = json.loads((home / "told.json").read_text())
            sys.stdout.write(json.dumps({"kill": f"{when} {number}", **told}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], both="both" in sys.argv)
