"""The typed client against trading's own front door."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from opentelemetry import trace

from services.clients.trading import TradingClient
from services.contracts.market import OrderType, Side
from services.contracts.orders import OrderStatus, OrderTicket, TradingState, VenueName
from services.contracts.trading_views import HaltRequest, OrderRequest, ReplaceRequest, RestoreRequest, StateRequest
from services.kit.database import Database
from services.kit.http_client import RemoteError, ServiceClient
from telemetry.emit.metrics import Metrics
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock
from tests.kit.web import AUDIENCE
from tests.trading.desk.support import AAPL, ALPHA, VERSIONS, DeskHouse
from tests.trading.front import Front

WHY = StateRequest(reason="a drill")
Answer = TypeVar("Answer")


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    database = Database(f"sqlite:///{tmp_path / 'trading.db'}", service="trading", versions=(VERSIONS,))
    database.migrate()
    yield Front(DeskHouse(database).start(), tmp_path, RecordedTelemetry(Metrics(_TelemetryClock())))
    database.close()


def ask(front: Front, question: Callable[[TradingClient], Awaitable[Answer]]) -> Answer:
    """Ask the application in this process."""

    async def run() -> Answer:
        trading = TradingClient(
            ServiceClient(
                "http://127.0.0.1:8730",
                AUDIENCE,
                signer=front.web.signed().signer,
                metrics=Metrics(_TelemetryClock()),
                tracer=trace.NoOpTracerProvider().get_tracer("test"),
                transport=httpx.ASGITransport(front.app),
            )
        )
        try:
            return await question(trading)
        finally:
            await trading.close()

    return asyncio.run(run())


def _limit(front: Front) -> OrderRequest:
    ticket = OrderTicket(
        symbol=AAPL, side=Side.BUY, quantity=Decimal(10), order_type=OrderType.LIMIT, limit_price=Decimal(99)
    )
    return OrderRequest(ticket=ticket, signal_at=front.house.clock.now())


def test_a_venue_is_held_and_restored(front: Front) -> None:
    held = ask(front, lambda trading: trading.hold(ALPHA, WHY))
    assert [(hold.actor, hold.reason) for hold in held.venues[0].holds] == [("tester", "a drill")]

    restored = ask(front, lambda trading: trading.restore(ALPHA, RestoreRequest(reason="it is over")))
    assert restored.venues[0].holds == ()


def test_everybodys_holds_are_lifted_by_who_may_resume(front: Front) -> None:
    front.house.desk.hold(ALPHA, "automation", "it is slow")

    lifted = ask(front, lambda trading: trading.restore(ALPHA, RestoreRequest(reason="looked", everyones=True)))

    assert lifted.venues[0].holds == ()


def test_a_venue_that_is_not_there_is_a_problem_in_words(front: Front) -> None:
    with pytest.raises(RemoteError) as refused:
        ask(front, lambda trading: trading.hold(VenueName("gamma"), WHY))
    assert refused.value.problem is not None
    assert (refused.value.status, refused.value.problem.code) == (404, "venue_not_known")


def test_an_order_goes_its_way(front: Front) -> None:
    request = _limit(front)
    placed = ask(front, lambda trading: trading.submit(request))
    (order,) = placed.orders
    name = order.client_order_id

    assert ask(front, lambda trading: trading.placement(placed.intent_id)).orders == placed.orders
    assert [each.client_order_id for each in ask(front, lambda trading: trading.orders()).orders] == [name]
    assert ask(front, lambda trading: trading.order(name)).order.status is OrderStatus.OPEN
    changed = ask(front, lambda trading: trading.replace(name, ReplaceRequest(limit_price=Decimal(98))))
    assert changed.replaces == name
    assert (
        ask(front, lambda trading: trading.cancel(changed.client_order_id)).client_order_id == changed.client_order_id
    )
    assert ask(front, lambda trading: trading.cancel_all()).orders == ()


def test_what_trading_may_do_is_told_and_changed(front: Front) -> None:
    assert ask(front, lambda trading: trading.state()).state is TradingState.ACTIVE
    assert ask(front, lambda trading: trading.reduce(WHY)).state is TradingState.REDUCING
    assert ask(front, lambda trading: trading.halt(HaltRequest(reason="a drill"))).flat
    assert ask(front, lambda trading: trading.resume(WHY)).state is TradingState.ACTIVE


def test_books_are_shown_and_compared(front: Front) -> None:
    front.house.hold(front.house.alpha, 10)

    assert [each.quantity for each in ask(front, lambda trading: trading.positions()).positions] == [10]
    assert {each.venue for each in ask(front, lambda trading: trading.accounts()).accounts} == {"alpha", "beta"}
    assert ask(front, lambda trading: trading.reconcile(ALPHA)).differences == ()
