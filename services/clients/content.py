"""The content service, as other services call it."""

from services.contracts.knowledge import EntryList, EntryView, GapList, MatchAnswer, MatchQuery, SearchAnswer
from services.kit.http_client import ServiceClient


class ContentClient:
    """Typed calls; errors are those of `ServiceClient`."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def search(self, words: str, *, limit: int = 10) -> SearchAnswer:
        """Entries that hold the words, the best first."""
        response = await self._client.get("/knowledge/search", query={"q": words, "limit": str(limit)})
        return SearchAnswer.model_validate_json(response.content)

    async def entries(self) -> EntryList:
        """Every entry."""
        response = await self._client.get("/knowledge")
        return EntryList.model_validate_json(response.content)

    async def entry(self, entry_id: str) -> EntryView:
        """One entry in full."""
        response = await self._client.get("/knowledge/{entry_id}", path={"entry_id": entry_id})
        return EntryView.model_validate_json(response.content)

    async def match(self, query: MatchQuery) -> MatchAnswer:
        """What is known of an error or an alert. What nothing answers is counted as a gap."""
        response = await self._client.post("/knowledge/match", body=query.model_dump(mode="json"))
        return MatchAnswer.model_validate_json(response.content)

    async def gaps(self, *, limit: int = 100) -> GapList:
        """Errors that no entry answers, the one met most often first."""
        response = await self._client.get("/knowledge/gaps", query={"limit": str(limit)})
        return GapList.model_validate_json(response.content)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
