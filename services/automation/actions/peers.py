"""The clients of the other services, and what routines see of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from services.automation.actions.office import DeadLetterCalls, DocumentCalls, KnowledgeCalls, Office, ResearchRuns
from services.automation.actions.outside import Outside, outside
from services.automation.pipelines.bridge import Bridge
from services.automation.settings import AutomationSettings
from services.clients.agents import AgentsClient
from services.clients.auth import AuthClient
from services.clients.content import ContentClient
from services.clients.trading import TradingClient
from services.kit.chassis import Chassis
from services.kit.http_client import ServiceClient, Timeouts

_SLOW: Final = Timeouts(
    read_seconds=60.0, total_seconds=90.0
)  # a diagnosis reads telemetry, a comparison of books asks the venue


@dataclass(frozen=True, slots=True)
class Peers:
    """Each service that is called, by its name and by its typed client."""

    by_name: Mapping[str, ServiceClient]
    auth: AuthClient
    trading: TradingClient
    content: ContentClient
    agents: AgentsClient

    @classmethod
    def of(cls, chassis: Chassis[AutomationSettings]) -> Self:
        """Clients that are closed with the application."""
        settings = chassis.settings
        urls = {
            "auth": settings.auth_base_url,
            "trading": settings.trading_base_url,
            "content": settings.content_base_url,
            "agents": settings.agents_base_url,
            "automation": f"http://127.0.0.1:{settings.listen_port}",
        }
        found = {name: chassis.client(name, url, timeouts=_SLOW) for name, url in urls.items()}
        return cls(
            by_name=found,
            auth=AuthClient(found["auth"]),
            trading=TradingClient(found["trading"]),
            content=ContentClient(found["content"]),
            agents=AgentsClient(found["agents"]),
        )

    def outside(self, bridge: Bridge) -> Outside:
        """What incidents are handled with."""
        return outside(bridge, self.auth, self.trading, self.agents, self.content)

    def office(self, bridge: Bridge, settings: AutomationSettings) -> Office:
        """What chores are done with."""
        return Office(
            letters=DeadLetterCalls(bridge, self.by_name),
            documents=DocumentCalls(bridge, self.by_name["content"]),
            knowledge=KnowledgeCalls(bridge, self.content),
            research=ResearchRuns(bridge, self.trading, settings.data_dir / "reports"),
        )
