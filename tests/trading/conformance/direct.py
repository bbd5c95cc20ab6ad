"""A venue without a network: the paper venue's own handlers, called in the process. No HTTP, no alpaca-py."""

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http import HTTPStatus
from typing import Any

from services.contracts.market import Instrument, Symbol
from services.contracts.orders import ClientOrderId, OrderTicket, VenueName, VenueOrderId
from services.trading.brokers.alpaca import CAPABILITIES
from services.trading.brokers.alpaca_frames import document_of, update_of
from services.trading.brokers.alpaca_outcomes import asking, canceling, placed
from services.trading.brokers.alpaca_words import (
    account_of,
    change_fields,
    clock_of,
    fill_of_activity,
    instrument_of,
    order_fields,
    order_of,
    position_of,
    time_text,
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
from services.trading.wire.outcomes import NoAnswerError, NotSentError, RefusedError
from services.venue.broker.asking import Ask, Reply
from services.venue.broker.calendar_routes import Calendar
from services.venue.broker.errors import BrokerError
from services.venue.broker.faults import OF_VENUE, FaultKind, Kind
from services.venue.broker.hub import Hub
from services.venue.broker.races import Races
from services.venue.broker.terms import Terms
from services.venue.broker.trading import Trading
from tests.venue.broker.serving import ServedVenue

_LOSSES = frozenset({FaultKind.GATEWAY_TIMEOUT, FaultKind.DROP, FaultKind.HANG, FaultKind.GARBAGE})


class DirectBroker:
    """Implements `Broker` and `Streaming`.

    Attributes:
        reachable: False as when no connection comes about.
    """

    def __init__(self, name: VenueName, served: ServedVenue) -> None:
        self._name = name
        self._served = served
        self.reachable = True
        venue = served.venue
        terms = Terms(venue.exchange, _new_id)
        self._trading = Trading(venue.exchange, terms, Races(venue.exchange, venue.later))
        self._calendar = Calendar(venue.exchange)
        self._hub = _DirectHub(served)
        venue.hub = self._hub

    @property
    def name(self) -> VenueName:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def submit(self, client_order_id: ClientOrderId, ticket: OrderTicket) -> SubmitOutcome:
        body = order_fields(client_order_id, ticket)
        return placed(client_order_id, lambda: self._ask(Kind.SUBMIT, self._trading.submit, body=body), self.find)

    def cancel(self, venue_order_id: VenueOrderId) -> CancelOutcome:
        path = {"order_id": venue_order_id}
        return canceling(lambda: self._ask(Kind.CANCEL, self._trading.cancel, path=path))

    def replace(
        self, venue_order_id: VenueOrderId, new_client_order_id: ClientOrderId, change: Change
    ) -> SubmitOutcome:
        body, path = change_fields(new_client_order_id, change), {"order_id": venue_order_id}

        def send() -> object:
            return self._ask(Kind.REPLACE, self._trading.replace, path=path, body=body)

        return placed(new_client_order_id, send, self.find)

    def find(self, client_order_id: ClientOrderId) -> VenueOrder | None:
        with asking():
            try:
                return order_of(self._ask(Kind.FIND, self._trading.find, query={"client_order_id": client_order_id}))
            except RefusedError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                return None

    def snapshot(self, since: datetime) -> Snapshot:
        after = time_text(since)
        recent = {"status": "all", "limit": "500", "after": after, "nested": "true"}
        with asking():
            opened = self._ask(Kind.ORDERS, self._trading.orders, query={"status": "open", "limit": "500"})
            orders = {each["id"]: each for each in opened}
            orders |= {each["id"]: each for each in self._ask(Kind.ORDERS, self._trading.orders, query=recent)}
            fills = self._ask(Kind.ACTIVITIES, self._trading.activities, query={"after": after, "direction": "asc"})
            positions = self._ask(Kind.POSITIONS, self._trading.positions)
            account = self._ask(Kind.ACCOUNT, self._trading.account)
            clock = clock_of(self._ask(Kind.CLOCK, self._calendar.clock))
        return Snapshot(
            orders=tuple(map(order_of, orders.values())),
            fills=tuple(map(fill_of_activity, fills)),
            positions=tuple(map(position_of, positions)),
            account=account_of(account),
            clock=clock,
            skew_seconds=(clock.at - self._served.clock.now()).total_seconds(),
        )

    def instrument(self, symbol: Symbol) -> Instrument | None:
        with asking():
            try:
                return instrument_of(self._ask(Kind.ASSET, self._trading.asset, path={"symbol": symbol}))
            except RefusedError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                return None

    async def stream(self, listener: UpdateListener) -> None:
        """Tell the listener what the hub sends, from one thread."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as thread:
            self._hub.tell = lambda raw: thread.submit(_hand_over, listener, raw)
            await loop.run_in_executor(thread, listener.connected)
            try:
                await loop.create_future()  # until cancelled
            finally:
                self._hub.tell = _nobody

    def restart(self, reason: str) -> None:
        """There is no connection that could be lost."""

    def _ask(
        self,
        kind: Kind,
        handler: Callable[[Ask], Reply],
        *,
        path: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Any:  # noqa: ANN401 -- whatever the venue answers
        if not self.reachable:
            raise NotSentError("the venue is out of reach")
        outcome = self._served.do(lambda: self._carry_out(kind, handler, path or {}, query or {}, body))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _carry_out(
        self,
        kind: Kind,
        handler: Callable[[Ask], Reply],
        path: Mapping[str, Any],
        query: Mapping[str, str],
        body: object,
    ) -> object:
        venue, served = self._served.venue, self._served
        faults = venue.plan.at_request(kind)
        for fault in faults:
            if fault.fault in OF_VENUE:
                venue.happen(fault)
        lost = [fault for fault in faults if fault.fault in _LOSSES]
        if any(fault.when == "before" for fault in lost):
            return NoAnswerError("the answer was lost")
        account = venue.authenticate(served.key_id, served.secret_key)
        try:
            reply = handler(Ask(account, path, query, json.dumps(body).encode(), faults))
        except BrokerError as error:
            return RefusedError(
                error.status_code, str(error.number), error.detail, limited=False, retry_after_seconds=None
            )
        return NoAnswerError("the answer was lost") if lost else reply.document


class _DirectHub(Hub):
    """Sends frames to one listener in the process, through the same faults."""

    def __init__(self, served: ServedVenue) -> None:
        super().__init__(served.venue.plan, served.venue.authenticate)
        self.tell: Callable[[str], object] = _nobody

    def _send(self, account_id: str, message: bytes) -> None:  # noqa: ARG002 -- there is one account
        self.tell(message.decode(errors="replace"))


def _hand_over(listener: UpdateListener, raw: str) -> None:
    listener.frame(raw)
    try:
        update = update_of(document_of(raw))
    except ValueError as error:
        listener.unreadable(raw, str(error))
        return
    if update is None:
        return
    try:
        listener.update(update, raw)
    except Exception as error:  # noqa: BLE001 -- the port: what a listener raises ends nothing
        listener.unreadable(raw, f"handling it failed: {error!r}")


def _nobody(_raw: str) -> None:
    """Nobody listens."""


def _new_id() -> str:
    return str(uuid.uuid4())
