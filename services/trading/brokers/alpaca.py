"""Alpaca, by alpaca-py. The paper venue speaks the same protocol and has the same adapter at another address.

What alpaca-py is kept from: it has no time limits, and sends an order again after a 429 or 504. Its client gets another
session here, `VenueCalls`, which shows it answers of success alone; see docs/alpaca.md.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from alpaca.trading.client import TradingClient

from services.contracts.market import Instrument, OrderClass, OrderType, Symbol, TimeInForce
from services.contracts.orders import ClientOrderId, OrderTicket, VenueName, VenueOrderId
from services.kit.clock import Clock, SystemClock
from services.kit.ids import Randomness, SystemRandomness
from services.trading.brokers import alpaca_pages
from services.trading.brokers.alpaca_fields import Document, document_in, documents_in, text_at
from services.trading.brokers.alpaca_outcomes import asking, canceling, each_taken, placed
from services.trading.brokers.alpaca_sites import AlpacaSite
from services.trading.brokers.alpaca_stream import TradeUpdates
from services.trading.brokers.alpaca_words import (
    account_of,
    change_fields,
    clock_of,
    fill_of_activity,
    instrument_of,
    order_fields,
    order_of,
    position_of,
)
from services.trading.brokers.port import (
    CancelOutcome,
    Capabilities,
    Change,
    Snapshot,
    SubmitOutcome,
    UpdateListener,
    VenueOrder,
)
from services.trading.wire.budget import RateBudget
from services.trading.wire.calls import Keys, Patience, VenueCalls
from services.trading.wire.outcomes import RefusedError
from services.trading.wire.sockets import StreamPatience

CAPABILITIES: Final = Capabilities(
    live_orders=True,
    idempotent_submit=True,
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    order_classes=frozenset(OrderClass),
    client_order_id_length=128,
)

_ASSET_SECONDS: Final = 300.0
# alpaca-py demands keys when it is made. These are never sent: the session puts the present ones over them.
_PLACEHOLDER: Final = "leased"


class AlpacaBroker:
    """Implements `Broker`, `Streaming`, `BulkCancel` and `Measured`.

    Args:
        name: The account that it trades, as auth calls it.
        site: Where; from `site_at`.
        keys: The headers of the account's session at this moment, asked before each call.
        clock: Time.
        randomness: Spreads repetitions.
        patience, stream_patience: How long calls and the stream may take.
        sleep: Blocks between two attempts of a question, for a number of seconds.
    """

    def __init__(  # noqa: PLR0913 -- each is a collaborator of its own, handed in once when a venue is wired
        self,
        name: VenueName,
        site: AlpacaSite,
        keys: Keys,
        *,
        clock: Clock | None = None,
        randomness: Randomness | None = None,
        patience: Patience | None = None,
        stream_patience: StreamPatience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._clock = clock or SystemClock()
        randomness = randomness or SystemRandomness()
        self._budget = RateBudget(self._clock)
        self._calls = VenueCalls(
            lambda: site.keys(keys()),
            self._budget,
            clock=self._clock,
            randomness=randomness,
            sleep=sleep,
            patience=patience,
        )
        self._client = _client(site, self._calls)
        self._updates = TradeUpdates(
            name,
            site.stream_url,
            lambda: site.keys(keys()),
            clock=self._clock,
            randomness=randomness,
            patience=stream_patience,
        )
        self._assets: dict[Symbol, tuple[float, Instrument | None]] = {}
        self._assets_lock = threading.Lock()

    @property
    def name(self) -> VenueName:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    @property
    def rate_limit_left(self) -> int | None:
        return self._budget.left

    @property
    def stream_age_seconds(self) -> float | None:
        return self._updates.age_seconds

    def submit(self, client_order_id: ClientOrderId, ticket: OrderTicket) -> SubmitOutcome:
        return self._place(client_order_id, lambda: self._client.post("/orders", order_fields(client_order_id, ticket)))

    def replace(
        self, venue_order_id: VenueOrderId, new_client_order_id: ClientOrderId, change: Change
    ) -> SubmitOutcome:
        fields = change_fields(new_client_order_id, change)
        return self._place(new_client_order_id, lambda: self._client.patch(f"/orders/{venue_order_id}", fields))

    def cancel(self, venue_order_id: VenueOrderId) -> CancelOutcome:
        return canceling(lambda: self._client.delete(f"/orders/{venue_order_id}"))

    def cancel_all(self) -> CancelOutcome:
        """Ask for a cancel of every open order of the account, ours or not; may be sent again."""
        return canceling(lambda: each_taken(self._client.delete("/orders")))

    def find(self, client_order_id: ClientOrderId) -> VenueOrder | None:
        with asking():
            try:
                told = self._client.get_order_by_client_id(client_order_id)
            except RefusedError as error:
                # What stands between us and the venue may answer 404, too; that is no word about an order.
                if error.status == HTTPStatus.NOT_FOUND and error.coded:
                    return None
                raise
            return order_of(document_in(told))

    def snapshot(self, since: datetime) -> Snapshot:
        with asking():
            orders = self._orders(since)
            fills = list(alpaca_pages.fills(self._client, since))
            self._add_filled(orders, fills)
            positions = documents_in(self._client.get_all_positions())
            account = account_of(document_in(self._client.get_account()))
            asked = self._clock.now()
            clock = clock_of(document_in(self._client.get_clock()))
            answered = self._clock.now()
            return Snapshot(
                orders=tuple(order_of(document) for document in orders.values()),
                fills=tuple(map(fill_of_activity, fills)),
                positions=tuple(map(position_of, positions)),
                account=account,
                clock=clock,
                skew_seconds=_skew_seconds(asked, clock.at, answered),
            )

    def instrument(self, symbol: Symbol) -> Instrument | None:
        with self._assets_lock:
            until, known = self._assets.get(symbol, (0.0, None))
        if self._clock.monotonic() < until:
            return known
        with asking():
            try:
                found = instrument_of(document_in(self._client.get_asset(symbol)))
            except RefusedError as error:
                if error.status != HTTPStatus.NOT_FOUND or not error.coded:
                    raise
                found = None
        with self._assets_lock:
            self._assets[symbol] = (self._clock.monotonic() + _ASSET_SECONDS, found)
        return found

    async def stream(self, listener: UpdateListener) -> None:
        """Listen until cancelled; a stream that is lost is built up again, with a growing wait in between."""
        await self._updates.run(listener)

    def restart(self, reason: str) -> None:
        """Give up the present connection and build it up again. From any thread."""
        self._updates.restart(reason)

    def close(self) -> None:
        """Close all connections that wait for another call."""
        self._calls.close()

    def _place(self, client_order_id: ClientOrderId, send: Callable[[], object]) -> SubmitOutcome:
        return placed(client_order_id, send, self.find)

    def _orders(self, since: datetime) -> dict[str, Document]:
        """By the venue's id. What is read later replaces what was read before; a leg stands in its entry alone."""
        found = {text_at(each, "id"): each for each in alpaca_pages.orders(self._client, "open")}
        found.update((text_at(each, "id"), each) for each in alpaca_pages.orders(self._client, "all", after=since))
        legs = {leg.get("id") for order in found.values() for leg in documents_in(order.get("legs") or [])}
        return {order_id: order for order_id, order in found.items() if order_id not in legs}

    def _add_filled(self, orders: dict[str, Document], fills: list[Document]) -> None:
        """Read the orders that were filled since and stand on no list: they were submitted before, and have ended."""
        for order_id in dict.fromkeys(text_at(fill, "order_id") for fill in fills):
            if order_id not in orders and not _is_leg(order_id, orders):
                orders[order_id] = document_in(self._client.get(f"/orders/{order_id}", {"nested": "true"}))


def _client(site: AlpacaSite, calls: VenueCalls) -> Any:  # noqa: ANN401 -- answers are whatever the venue sent
    client = TradingClient(_PLACEHOLDER, _PLACEHOLDER, raw_data=True, url_override=site.trading_url)
    # Were the attribute called otherwise one day, calls would go out with the placeholder and be refused.
    client._session = calls  # type: ignore[assignment]  # noqa: SLF001 -- there is no other place to set time limits
    return client


def _is_leg(order_id: str, orders: dict[str, Document]) -> bool:
    return any(leg.get("id") == order_id for order in orders.values() for leg in order.get("legs") or ())


def _skew_seconds(asked: datetime, told: datetime, answered: datetime) -> float:
    """How far the venue is ahead of both ends of the round trip, negative when it is behind; 0 within."""
    if told > answered:
        return (told - answered).total_seconds()
    return min((told - asked).total_seconds(), 0.0)
