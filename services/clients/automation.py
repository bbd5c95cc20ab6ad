"""The automation service, as other services call it."""

from services.contracts.alerting import AlertList, AlertStatus
from services.kit.http_client import ServiceClient


class AutomationClient:
    """Typed calls; errors are those of `ServiceClient`."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def alerts(self, *, status: AlertStatus | None = None, limit: int = 100) -> AlertList:
        """Alerts as the platform knows them, the newest first; at most `limit`, of one `status` or of both."""
        query = {"limit": str(limit)} | ({} if status is None else {"status": status.value})
        response = await self._client.get("/alerts", query=query)
        return AlertList.model_validate_json(response.content)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
