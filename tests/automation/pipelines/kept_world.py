"""A world that outlives processes, and what a pipeline finds in it: what is asked of it is counted, not only done."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from services.automation.actions.office import DeadLetter, Office
from services.automation.incidents.desk import IncidentDesk
from services.automation.incidents.trouble import Trouble
from services.automation.pipelines.pipeline import Cause
from services.contracts.anomalies import Cause as Culprit
from services.contracts.incidents import IncidentSeverity
from services.contracts.orders import OrderStatus, TradingState
from services.contracts.pipelines import CauseKind
from services.contracts.strategies import StrategyView
from services.contracts.trading_views import OrderView
from services.kit.clock import SystemClock
from tests.automation.routines.conftest import World
from tests.automation.routines.test_chores import strategy
from tests.automation.routines.test_routines import diagnosis, unknown_order

ORDER = "intent.0"
EARLIER = Trouble(
    cause_id="earlier",
    cause_kind="alert",
    cause_name="BrokerDown",
    title="It was wrong before",
    severity=IncidentSeverity.WARNING,
    started_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
)
_BY_ALERT = {"data_stale": "AAPL", "strategy_stopped": "trend", "alert_triage": "alpha"}
_TOLD: dict[str, tuple[str, dict[str, Any]]] = {
    "venue_degraded": ("alpha", {"now": "open"}),
    "recover_session": ("schwab", {"reason": "401"}),
    "keep_sessions_alive": ("schwab", {}),
    "order_unknown": (ORDER, {"venue": "alpha"}),
    "anomaly_triage": ("alpha", {"anomaly_id": "a1", "detail": "slow"}),
    "dead_letters": ("trading", {}),
    "trading_halted": ("trading", {"actor": "operator", "reason": "enough"}),
}
"""What each cause is about, and what more it tells."""
_KEPT = ("reasons", "usable", "letters", "done", "asked", "cut")


class KeptWorld(World):
    """All of the outside and the office in one.

    Attributes:
        done: What was brought about, each thing once: an effect is the same by its key.
        asked: Every call that brought something about, however often it came.
        cut: Those of a step that a kill cut short, so that they may come once more.
    """

    path: Path
    letters: list[str]
    asked: list[str]
    cut: list[str]

    def load(self, path: Path) -> None:
        """Go on where the process before ended; the scenario's world in the first one."""
        self.path, self.asked, self.cut = path, [], []
        if path.exists():
            kept = json.loads(path.read_text())
            for name in _KEPT:
                setattr(self, name, kept[name])
            self.firing, self.anomalies = set(kept["firing"]), set(kept["anomalies"])
            self.trading = TradingState(kept["trading"])

    def save(self) -> None:
        state: dict[str, Any] = {name: getattr(self, name) for name in _KEPT}
        state |= {"firing": sorted(self.firing), "anomalies": sorted(self.anomalies), "trading": self.trading.value}
        self.path.write_text(json.dumps(state))

    def office(self) -> Office:
        work = KeptOffice(self)
        return Office(letters=work, documents=work, knowledge=work, research=work)

    def do(self, what: str) -> None:
        """Bring something about."""
        self._do(what)

    def _do(self, what: str) -> None:
        self.asked.append(what)
        if what not in self.done:
            super()._do(what)
        if what.startswith("hold"):
            self.reasons["alpha"] = [each for each in dict.fromkeys(self.reasons["alpha"]) if each.startswith("held")]
            self.anomalies.clear()
        if what.startswith("log in"):
            self.usable[what.removeprefix("log in ")] = True
        if what.startswith(("hold", "restart")):
            self.firing.clear()
        self.save()

    def unended(self) -> list[OrderView]:
        order = unknown_order(self.clock)
        known = "reconcile alpha" in self.done
        return [order.model_copy(update={"status": OrderStatus.FILLED})] if known else [order]


class KeptOffice:
    """All of the office in one, over a kept world."""

    def __init__(self, world: KeptWorld) -> None:
        self._world = world

    def listing(self, service: str) -> Sequence[DeadLetter]:
        assert service == "trading"
        return [DeadLetter(consumer="c", event_id=each, event_type="a.b") for each in self._world.letters]

    def redrive(self, _service: str, letter: DeadLetter) -> None:
        self._world.letters = [each for each in self._world.letters if each != letter.event_id]
        self._world.do(f"redrive {letter.event_id}")

    def postmortem(self, incident_id: str) -> str:
        self._world.do(f"write postmortem of {incident_id}")
        return f"postmortem-{incident_id}"

    def periodic(self, kind: str, start: datetime, end: datetime) -> str:
        self._world.do(f"write {kind} about {(end - start).days} days up to {end.isoformat()}")
        return f"{kind}-{end.isoformat()}"

    def standing(self) -> dict[str, int]:
        return {"entries": 95, "stale": 1, "gaps": 2}

    def strategies(self) -> Sequence[StrategyView]:
        return [strategy()]

    def backtest(self, running: StrategyView, symbol: str) -> dict[str, str]:
        self._world.do(f"backtest {running.name} {symbol}")
        return {"report": f"{symbol}.html"}


def scenario(name: str, world: KeptWorld, incidents: IncidentDesk) -> Cause:
    """The cause that starts the pipeline, and the world that it starts in."""
    world.letters = []
    _set_out(name, world)
    began = SystemClock().now().isoformat()
    payload: dict[str, Any] = {"severity": "critical", "starts_at": began, "service_name": "trading", "summary": "s"}
    if name in _BY_ALERT:
        world.firing = {"StrategyStopped", "SubmitLatencyHigh"}
        return _cause(_BY_ALERT[name], payload | {"fingerprint": "00ff"}, kind=CauseKind.ALERT)
    if name == "incident_postmortem":
        opened = incidents.open(EARLIER, "an earlier run")
        incidents.resolve(opened.incident_id, "it is well")
        return _cause(opened.incident_id, {"incident_id": opened.incident_id})
    target, more = _TOLD.get(name, ("alpha", {}))
    return _cause(target, payload | more)


def _set_out(name: str, world: KeptWorld) -> None:
    if name == "venue_degraded":
        world.reasons["alpha"] = ["not used at present: five failures"]
    elif name == "preflight_before_open":
        world.reasons["alpha"] = ["the stream is down"]
    elif name in {"recover_session", "keep_sessions_alive"}:
        world.usable = {"schwab": False}
    elif name == "dead_letters":
        world.letters = ["1", "2"]
    elif name == "trading_halted":
        world.trading = TradingState.HALTED
    elif name in {"anomaly_triage", "alert_triage"}:
        world.anomalies = {"a1"}
        world.diagnosis = diagnosis(cast("Any", world.clock), Culprit.VENUE_SLOW, "hold_venue")


def _cause(target: str, payload: dict[str, Any], *, kind: CauseKind = CauseKind.EVENT) -> Cause:
    name = "SubmitLatencyHigh" if kind is CauseKind.ALERT else "trading.circuit_changed"
    return Cause(kind=kind, cause_id="cause-1", name=name, target=target, payload=payload)


def about(what: str) -> str:
    """An effect without the moment that differs from run to run."""
    return what.partition(" up to ")[0]
