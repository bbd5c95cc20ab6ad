"""Trading's front door over a desk with venues in memory."""

from pathlib import Path

from services.trading.api import order_router, standing_router
from tests.kit.conftest import RecordedTelemetry
from tests.kit.web import AppClient, Web
from tests.trading.desk.support import DeskHouse

SCOPES = ("trading:read", "trading:order", "trading:cancel", "trading:halt", "trading:resume", "trading:strategies")


class Front:
    """The application, and callers who may do what the scopes say."""

    def __init__(self, house: DeskHouse, directory: Path, telemetry: RecordedTelemetry) -> None:
        self.house = house
        self._web = Web(directory, telemetry)
        self._web.allow("tester", self._web.key, *SCOPES)
        self.app = self._web.app(
            [order_router(house.desk, house.book, house.clock), standing_router(house.desk)], fixed_tokens={}
        )

    def client(self, *scopes: str) -> AppClient:
        """A caller with these scopes, or with all."""
        self._web.allow("tester", self._web.key, *(scopes or SCOPES))
        return AppClient(self.app, auth=self._web.signed())

    @property
    def web(self) -> Web:
        """Signs, too."""
        return self._web
