"""The console service, as other services call it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from services.kit.http_client import ServiceClient


class LogLine(BaseModel):
    """One log line; what else the console tells of it is not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    time: datetime
    service_name: str
    level: str
    logger: str
    line: str
    fields: dict[str, str]


class LogLines(BaseModel):
    """Found lines; `truncated` when there are more than the limit."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lines: tuple[LogLine, ...]
    truncated: bool


class ConsoleClient:
    """Typed calls; errors are those of `ServiceClient`."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def logs(self, *, start: datetime, end: datetime, limit: int = 200) -> LogLines:
        """Lines of every service from `start` up to but without `end`, the newest first; at most `limit`, up to 5,000.

        There is no search by text here on purpose: a query is written down on its way, and what is searched for may be
        what nobody should write down.
        """
        query = {"start": start.isoformat(), "end": end.isoformat(), "limit": str(limit)}
        response = await self._client.get("/api/logs", query=query)
        return LogLines.model_validate_json(response.content)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
