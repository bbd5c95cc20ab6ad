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

    async def logs(  # noqa: PLR0913 -- each argument narrows the question down
        self,
        *,
        start: datetime,
        end: datetime,
        limit: int = 200,
        service: str = "",
        logger: str = "",
        text: str = "",
    ) -> LogLines:
        """Lines from `start` up to but without `end`, the newest first; at most `limit`, up to 5,000.

        Args:
            start: Part of the window.
            end: Not part of it.
            limit: The most lines.
            service: Of this service alone.
            logger: Of this logger alone.
            text: Words of a message. Never what may be a secret: a query is written down on its way.
        """
        query = {"start": start.isoformat(), "end": end.isoformat(), "limit": str(limit)}
        query |= {name: value for name, value in (("service", service), ("logger", logger), ("text", text)) if value}
        response = await self._client.get("/api/logs", query=query)
        return LogLines.model_validate_json(response.content)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
