"""The other services, as a run's steps use them: plain calls that return once the thing is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.automation.pipelines.bridge import Bridge
from services.clients.agents import AgentsClient
from services.clients.auth import AuthClient
from services.clients.content import ContentClient
from services.clients.trading import TradingClient
from services.contracts.anomalies import Diagnosis, DiagnosisRequest
from services.contracts.auth import AccountId
from services.contracts.knowledge import MatchAnswer, MatchQuery
from services.contracts.orders import StrategyName, VenueName
from services.contracts.sessions import SessionView
from services.contracts.strategies import StrategyState
from services.contracts.trading_views import (
    OrderView,
    ReconciliationView,
    RestoreRequest,
    StateRequest,
    TradingView,
)

_MANY = 1_000
_LARGEST_PAGE = 500  # of orders; trading refuses to list more at once


class Sessions(Protocol):
    """Brokers' sessions."""

    def all(self) -> Sequence[SessionView]:
        """Every account's session."""

    def log_in(self, account: AccountId) -> SessionView:
        """Log in, or wait for the login under way."""


class Venues(Protocol):
    """Venues, one by one."""

    def hold(self, venue: VenueName, reason: str) -> None:
        """Open nothing new there."""

    def restore(self, venue: VenueName, reason: str) -> None:
        """Lift our own hold."""

    def reconcile(self, venue: VenueName) -> ReconciliationView:
        """Compare the books."""


class Trading(Protocol):
    """All of trading."""

    def state(self) -> TradingView:
        """How it stands."""

    def unended(self) -> Sequence[OrderView]:
        """Orders that have not ended, unknown ones among them."""

    def resume(self, reason: str) -> None:
        """Trade again."""

    def restart_strategy(self, name: StrategyName, reason: str) -> None:
        """Begin a strategy anew; no signal is doubled."""


class Strategies(Protocol):
    """Strategies, one by one."""

    def states(self) -> Mapping[str, StrategyState]:
        """How each stands, by its name."""

    def pause(self, name: StrategyName, reason: str) -> None:
        """Have it send nothing until a person resumes it; its exits keep working."""


class Advisers(Protocol):
    """Who knows something about an incident."""

    def diagnose(self, request: DiagnosisRequest) -> Diagnosis:
        """Probable causes."""

    def match(self, query: MatchQuery) -> MatchAnswer:
        """What the knowledge base says."""


class Anomalies(Protocol):
    """What is out of the ordinary."""

    def open_ids(self) -> frozenset[str]:
        """Ids of the anomalies that are not over."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that routines act on."""

    sessions: Sessions
    venues: Venues
    trading: Trading
    advisers: Advisers
    anomalies: Anomalies
    strategies: Strategies


@dataclass(frozen=True, slots=True)
class SessionCalls:
    """Sessions over the auth service's client."""

    bridge: Bridge
    auth: AuthClient

    def all(self) -> Sequence[SessionView]:
        return self.bridge.call(self.auth.sessions()).sessions

    def log_in(self, account: AccountId) -> SessionView:
        return self.bridge.call(self.auth.login(account))


@dataclass(frozen=True, slots=True)
class VenueCalls:
    """Venues over the trading service's client."""

    bridge: Bridge
    client: TradingClient

    def hold(self, venue: VenueName, reason: str) -> None:
        self.bridge.call(self.client.hold(venue, StateRequest(reason=reason)))

    def restore(self, venue: VenueName, reason: str) -> None:
        self.bridge.call(self.client.restore(venue, RestoreRequest(reason=reason)))

    def reconcile(self, venue: VenueName) -> ReconciliationView:
        return self.bridge.call(self.client.reconcile(venue))


@dataclass(frozen=True, slots=True)
class TradingCalls:
    """Trading over its client."""

    bridge: Bridge
    client: TradingClient

    def state(self) -> TradingView:
        return self.bridge.call(self.client.state())

    def unended(self) -> Sequence[OrderView]:
        return self.bridge.call(self.client.orders(which="working", limit=_LARGEST_PAGE)).orders

    def resume(self, reason: str) -> None:
        self.bridge.call(self.client.resume(StateRequest(reason=reason)))

    def restart_strategy(self, name: StrategyName, reason: str) -> None:
        self.bridge.call(self.client.restart_strategy(name, StateRequest(reason=reason)))


@dataclass(frozen=True, slots=True)
class StrategyCalls:
    """Strategies over the trading service's client."""

    bridge: Bridge
    client: TradingClient

    def states(self) -> Mapping[str, StrategyState]:
        return {str(each.name): each.state for each in self.bridge.call(self.client.strategies()).strategies}

    def pause(self, name: StrategyName, reason: str) -> None:
        self.bridge.call(self.client.pause_strategy(name, StateRequest(reason=reason)))


@dataclass(frozen=True, slots=True)
class AdviserCalls:
    """Advisers over their clients."""

    bridge: Bridge
    agents: AgentsClient
    content: ContentClient

    def diagnose(self, request: DiagnosisRequest) -> Diagnosis:
        return self.bridge.call(self.agents.diagnose(request))

    def match(self, query: MatchQuery) -> MatchAnswer:
        return self.bridge.call(self.content.match(query))


@dataclass(frozen=True, slots=True)
class AnomalyCalls:
    """Anomalies over the agents' client."""

    bridge: Bridge
    client: AgentsClient

    def open_ids(self) -> frozenset[str]:
        answer = self.bridge.call(self.client.anomalies(open_only=True, limit=_MANY))
        return frozenset(str(each.anomaly_id) for each in answer.anomalies)


def outside(
    bridge: Bridge, auth: AuthClient, trading: TradingClient, agents: AgentsClient, content: ContentClient
) -> Outside:
    """Over the services' clients."""
    return Outside(
        sessions=SessionCalls(bridge, auth),
        venues=VenueCalls(bridge, trading),
        trading=TradingCalls(bridge, trading),
        advisers=AdviserCalls(bridge, agents, content),
        anomalies=AnomalyCalls(bridge, agents),
        strategies=StrategyCalls(bridge, trading),
    )
