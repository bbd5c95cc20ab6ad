"""The rest of the platform as routines see it: a fake that can be in any state, over a real desk of incidents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.automation.actions.outside import Outside
from services.automation.incidents.desk import IncidentDesk
from services.automation.instruments import TABLE
from services.automation.pipelines.failures import FailedError
from services.automation.routines.handling import House
from services.contracts.anomalies import Diagnosis, DiagnosisRequest
from services.contracts.auth import AccountId, Broker, LoginMethod
from services.contracts.incidents import IncidentView
from services.contracts.knowledge import MatchAnswer, MatchQuery
from services.contracts.orders import StrategyName, TradingState, VenueName
from services.contracts.pipelines import FailureClass
from services.contracts.sessions import SessionView
from services.contracts.strategies import StrategyState
from services.contracts.trading import CircuitState
from services.contracts.trading_views import OrderView, ReconciliationView, TradingView, VenueStateView
from services.contracts.verdict import Environment
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.instruments import Instruments
from telemetry.emit.metrics import Metrics
from tests.automation.conftest import MIGRATIONS
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock

ALPHA = VenueName("alpha")


@dataclass
class World:
    """Sessions, venues, orders and advisers. `after` holds what an action changes, by its name."""

    clock: FakeClock
    reasons: dict[str, list[str]] = field(default_factory=lambda: {"alpha": []})
    usable: dict[str, bool] = field(default_factory=dict)
    unknown: list[OrderView] = field(default_factory=list)
    anomalies: set[str] = field(default_factory=set)
    diagnosis: Diagnosis | None = None
    firing: set[str] = field(default_factory=set)
    trading: TradingState = TradingState.ACTIVE
    halting: bool = False
    strategies: dict[str, StrategyState] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    after: dict[str, Callable[[], object]] = field(default_factory=dict)

    def outside(self) -> Outside:
        return Outside(  # type: ignore[arg-type] # all in one
            sessions=self, venues=self, trading=self, advisers=self, anomalies=self, strategies=self
        )

    def _do(self, what: str) -> None:
        if what in self.failing:
            raise FailedError(FailureClass.DEFINITIVE, f"{what} is refused")
        self.done.append(what)
        self.after.get(what, lambda: None)()

    def all(self) -> list[SessionView]:
        return [
            SessionView(
                account=AccountId(name),
                broker=Broker.ALPACA,
                environment=Environment.PAPER,
                method=LoginMethod.KEY_PAIR,
                state="active" if usable else "signed_out",
                usable=usable,
                changed_at=self.clock.now(),
                attempts_left=3,
            )
            for name, usable in self.usable.items()
        ]

    def log_in(self, account: AccountId) -> SessionView:
        self._do(f"log in {account}")
        return next(each for each in self.all() if each.account == account)

    def hold(self, venue: VenueName, reason: str) -> None:
        self.reasons[venue].append(f"held back by automation: {reason}")
        self._do(f"hold {venue}")

    def restore(self, venue: VenueName, reason: str) -> None:
        assert reason
        self.reasons[venue] = [each for each in self.reasons[venue] if not each.startswith("held")]
        self._do(f"restore {venue}")

    def reconcile(self, venue: VenueName) -> ReconciliationView:
        self._do(f"reconcile {venue}")
        return ReconciliationView(venue=venue, orders=3, differences=(), seconds=0.1)

    def state(self) -> TradingView:
        venues = tuple(
            VenueStateView(
                venue=VenueName(name),
                environment="paper",
                ready=not reasons,
                reasons=tuple(reasons),
                circuit=CircuitState.CLOSED,
                score=1.0,
                stream_connected=True,
                stream_age_seconds=1.0,
                reconciled_at=self.clock.now(),
                verdict_expires_at=None,
                rate_limit_left=None,
                working=0,
                unknown=0,
            )
            for name, reasons in self.reasons.items()
        )
        return TradingView(
            state=self.trading,
            reason="",
            actor="operator",
            changed_at=self.clock.now(),
            owner=True,
            halt_under_way=self.halting,
            venues=venues,
        )

    def unended(self) -> list[OrderView]:
        return self.unknown

    def resume(self, reason: str) -> None:
        assert reason
        self.trading = TradingState.ACTIVE
        self._do("resume")

    def restart_strategy(self, name: StrategyName, reason: str) -> None:
        assert reason
        self._do(f"restart {name}")

    def states(self) -> dict[str, StrategyState]:
        return dict(self.strategies)

    def pause(self, name: StrategyName, reason: str) -> None:
        assert reason
        self.strategies[name] = StrategyState.PAUSED
        self._do(f"pause {name}")

    def diagnose(self, request: DiagnosisRequest) -> Diagnosis:
        if self.diagnosis is None:
            raise FailedError(FailureClass.TRANSIENT, "agents is away")
        return self.diagnosis.model_copy(update={"incident_id": request.incident_id})

    def match(self, query: MatchQuery) -> MatchAnswer:
        assert query.text or query.alert_name
        raise FailedError(FailureClass.TRANSIENT, "content is away")

    def open_ids(self) -> frozenset[str]:
        return frozenset(self.anomalies)


@dataclass
class Here:
    """A world, the house over it, and the incidents."""

    world: World
    house: House

    def incidents(self) -> list[IncidentView]:
        """Every incident with its history, the newest first."""
        listed = self.house.incidents.listing(open_only=False, limit=10).incidents
        return [self.house.incidents.one(each.incident_id) for each in listed]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    clock = FakeClock()
    database = Database(f"sqlite:///{tmp_path}/automation.db", service="automation", versions=[MIGRATIONS])
    database.migrate()
    telemetry = RecordedTelemetry(Metrics(_TelemetryClock()))
    world = World(clock)
    facts = Facts(database, Instruments(TABLE), telemetry, clock, "automation")
    house = House(world.outside(), IncidentDesk(facts, clock), clock, lambda name: name in world.firing)
    yield Here(world, house)
    database.close()
