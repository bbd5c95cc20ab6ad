"""The trading service, as other services call it."""

from services.contracts.orders import ClientOrderId, IntentId, StrategyName, VenueName
from services.contracts.strategies import StrategyList, StrategyView
from services.contracts.trading_views import (
    CancelView,
    HaltRequest,
    KillView,
    OrderHistory,
    OrderPage,
    OrderRequest,
    OrderView,
    PlacementView,
    PositionList,
    ReconciliationView,
    ReplaceRequest,
    RestoreRequest,
    StateRequest,
    TradingView,
    VenueAccountList,
)
from services.kit.http_client import ServiceClient


class TradingClient:
    """Typed calls; errors are those of `ServiceClient`."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def submit(self, request: OrderRequest) -> PlacementView:
        """Ask for an order. Safe to repeat while the request names its `signal_at`."""
        answer = await self._client.post("/orders", body=request.model_dump(mode="json", exclude_none=True))
        return PlacementView.model_validate_json(answer.content)

    async def placement(self, intent_id: IntentId) -> PlacementView:
        """What became of a wish."""
        answer = await self._client.get("/intents/{intent_id}", path={"intent_id": intent_id})
        return PlacementView.model_validate_json(answer.content)

    async def orders(self, *, which: str = "working", limit: int = 100) -> OrderPage:
        """Orders, the newest first; `which` is "working", "unknown", "ended" or "all"."""
        answer = await self._client.get("/orders", query={"which": which, "limit": str(limit)})
        return OrderPage.model_validate_json(answer.content)

    async def order(self, client_order_id: ClientOrderId) -> OrderHistory:
        """One order with all that happened to it."""
        answer = await self._client.get("/orders/{client_order_id}", path={"client_order_id": client_order_id})
        return OrderHistory.model_validate_json(answer.content)

    async def cancel(self, client_order_id: ClientOrderId) -> OrderView:
        """Ask for a cancel. Whether it came in time, the order's history tells."""
        answer = await self._client.request(
            "DELETE", "/orders/{client_order_id}", path={"client_order_id": client_order_id}
        )
        return OrderView.model_validate_json(answer.content)

    async def cancel_all(self) -> CancelView:
        """Ask for a cancel of every working order."""
        return CancelView.model_validate_json((await self._client.request("DELETE", "/orders")).content)

    async def replace(self, client_order_id: ClientOrderId, request: ReplaceRequest) -> OrderView:
        """Ask for other terms; the answer is the order that takes the old one's place."""
        answer = await self._client.request(
            "PATCH",
            "/orders/{client_order_id}",
            path={"client_order_id": client_order_id},
            body=request.model_dump(mode="json", exclude_none=True),
        )
        return OrderView.model_validate_json(answer.content)

    async def positions(self) -> PositionList:
        """What is held, and what it has come to."""
        return PositionList.model_validate_json((await self._client.get("/positions")).content)

    async def accounts(self) -> VenueAccountList:
        """Every venue's account."""
        return VenueAccountList.model_validate_json((await self._client.get("/accounts")).content)

    async def state(self) -> TradingView:
        """What trading may do now, and whether each venue is ready."""
        return TradingView.model_validate_json((await self._client.get("/state")).content)

    async def halt(self, request: HaltRequest) -> KillView:
        """Pull the kill switch. Takes as long as the venues take: give the client patience."""
        answer = await self._client.post("/halt", body=request.model_dump(mode="json"))
        return KillView.model_validate_json(answer.content)

    async def reduce(self, request: StateRequest) -> TradingView:
        """Let only cancels and orders that reduce exposure through."""
        answer = await self._client.post("/reduce", body=request.model_dump(mode="json"))
        return TradingView.model_validate_json(answer.content)

    async def resume(self, request: StateRequest) -> TradingView:
        """Let orders through again."""
        answer = await self._client.post("/resume", body=request.model_dump(mode="json"))
        return TradingView.model_validate_json(answer.content)

    async def hold(self, venue: VenueName, request: StateRequest) -> TradingView:
        """Open nothing new at a venue; cancels and exits still go. Safe to repeat."""
        answer = await self._client.post(
            "/venues/{venue}/hold", path={"venue": venue}, body=request.model_dump(mode="json")
        )
        return TradingView.model_validate_json(answer.content)

    async def restore(self, venue: VenueName, request: RestoreRequest) -> TradingView:
        """Give back one's own hold on a venue, or lift everybody's. Safe to repeat."""
        answer = await self._client.post(
            "/venues/{venue}/restore", path={"venue": venue}, body=request.model_dump(mode="json")
        )
        return TradingView.model_validate_json(answer.content)

    async def reconcile(self, venue: VenueName) -> ReconciliationView:
        """Compare our books with the venue's now."""
        answer = await self._client.post("/venues/{venue}/reconcile", path={"venue": venue})
        return ReconciliationView.model_validate_json(answer.content)

    async def strategies(self) -> StrategyList:
        """Every strategy that the trading file names, and how it stands."""
        return StrategyList.model_validate_json((await self._client.get("/strategies")).content)

    async def pause_strategy(self, name: StrategyName, request: StateRequest) -> StrategyView:
        """Have a strategy send nothing until it is resumed. Safe to repeat."""
        return await self._change_strategy(name, "pause", request)

    async def resume_strategy(self, name: StrategyName, request: StateRequest) -> StrategyView:
        """Have a paused strategy send again. Safe to repeat."""
        return await self._change_strategy(name, "resume", request)

    async def restart_strategy(self, name: StrategyName, request: StateRequest) -> StrategyView:
        """Begin a strategy anew, also one that was stopped."""
        return await self._change_strategy(name, "restart", request)

    async def _change_strategy(self, name: StrategyName, change: str, request: StateRequest) -> StrategyView:
        answer = await self._client.post(
            f"/strategies/{{name}}/{change}", path={"name": name}, body=request.model_dump(mode="json")
        )
        return StrategyView.model_validate_json(answer.content)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
