"""Alpaca's trading API, version 2: https://docs.alpaca.markets/reference."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from http import HTTPStatus
from typing import Final

from services.contracts.market import Symbol
from services.venue.broker.accounts import PaperAccount
from services.venue.broker.asking import Ask, Reply
from services.venue.broker.errors import BrokerError, InvalidError, MissingError, UnprocessableError
from services.venue.broker.exchange import Exchange, Script
from services.venue.broker.faults import FaultKind
from services.venue.broker.listing import activities, listed
from services.venue.broker.orders import PaperOrder
from services.venue.broker.plan import one_of
from services.venue.broker.races import Races
from services.venue.broker.reading import (
    ActivityQuery,
    CloseQuery,
    NewOrder,
    OrderQuery,
    Replacement,
    read_body,
    read_query,
)
from services.venue.broker.terms import Terms, market_order, order_of
from services.venue.broker.views import account_document, position_view
from services.venue.broker.wire import asset_document, asset_id, order_document, symbol_of

_MULTI_STATUS: Final = HTTPStatus.MULTI_STATUS
_SHARE_STEP: Final = Decimal("0.000000001")
_NO_POSITION: Final = "position does not exist"


@dataclass(frozen=True, slots=True)
class Trading:
    """The handlers. Each runs without a pause."""

    exchange: Exchange
    terms: Terms
    races: Races

    # --- the account

    def account(self, ask: Ask) -> Reply:
        """`GET /v2/account`."""
        return Reply(account_document(self.exchange.books, ask.account))

    def activities(self, ask: Ask) -> Reply:
        """`GET /v2/account/activities`, also with a type in the path. Fills are all that there is."""
        query = read_query(ActivityQuery, ask.query)
        kinds = str(ask.path.get("kind") or query.activity_types or "FILL").upper().split(",")
        return Reply(activities(self.exchange.books, ask.account, query) if "FILL" in kinds else [])

    # --- assets

    def assets(self, ask: Ask) -> Reply:
        """`GET /v2/assets`."""
        if ask.query.get("status", "active") != "active" or ask.query.get("asset_class", "us_equity") != "us_equity":
            return Reply([])
        instruments = self.exchange.instruments
        return Reply([asset_document(instruments[symbol]) for symbol in sorted(instruments)])

    def asset(self, ask: Ask) -> Reply:
        """`GET /v2/assets/{symbol}`."""
        return Reply(asset_document(self.exchange.instrument(self._symbol(ask))))

    # --- positions

    def positions(self, ask: Ask) -> Reply:
        """`GET /v2/positions`."""
        books, money = self.exchange.books, ask.account.money
        held = sorted(symbol for symbol, holding in money.holdings.items() if holding.quantity)
        return Reply([position_view(books, ask.account, symbol) for symbol in held])

    def position(self, ask: Ask) -> Reply:
        """`GET /v2/positions/{symbol}`."""
        symbol = self._held(ask.account, self._symbol(ask))
        return Reply(position_view(self.exchange.books, ask.account, symbol))

    def close(self, ask: Ask) -> Reply:
        """`DELETE /v2/positions/{symbol}`: an order at market for all of it, or a part."""
        query = read_query(CloseQuery, ask.query)
        symbol = self._held(ask.account, self._symbol(ask))
        quantity = ask.account.money.quantity(symbol)
        if query.qty is not None:
            quantity = min(query.qty, abs(quantity)).copy_sign(quantity)
        elif query.percentage is not None:
            quantity = (quantity * query.percentage / 100).quantize(_SHARE_STEP, ROUND_DOWN)
        if not quantity:
            raise UnprocessableError("percentage is too small")
        return Reply(self._close(ask, symbol, quantity))

    def close_all(self, ask: Ask) -> Reply:
        """`DELETE /v2/positions`."""
        if ask.query.get("cancel_orders", "").lower() == "true":
            for order in self.exchange.books.working_of(ask.account.account_id):
                self._cancel_quietly(order)
        answers = []
        for symbol, holding in sorted(ask.account.money.holdings.items()):
            if holding.quantity:
                answers.append(self._close_one(ask, symbol, holding.quantity))
        return Reply(answers, _MULTI_STATUS)

    # --- orders

    def submit(self, ask: Ask) -> Reply:
        """`POST /v2/orders`."""
        order, legs = self.terms.new_order(ask.account, read_body(NewOrder, ask.body))
        return Reply(self._take_in(ask, order, legs))

    def orders(self, ask: Ask) -> Reply:
        """`GET /v2/orders`."""
        return Reply(listed(self.exchange.books, ask.account, read_query(OrderQuery, ask.query)))

    def order(self, ask: Ask) -> Reply:
        """`GET /v2/orders/{id}`."""
        order = order_of(self.exchange.books, ask.account, ask.path["order_id"])
        return Reply(order_document(order, self.exchange.books.orders.__getitem__))

    def find(self, ask: Ask) -> Reply:
        """`GET /v2/orders:by_client_order_id`."""
        name = ask.query.get("client_order_id", "")
        if not name:
            raise InvalidError("client_order_id is required")
        order = self.exchange.books.order_of_client_id(ask.account.account_id, name)
        if order is None:
            raise MissingError(f"order not found for {name}")
        return Reply(order_document(order, self.exchange.books.orders.__getitem__))

    def replace(self, ask: Ask) -> Reply:
        """`PATCH /v2/orders/{id}`."""
        change = read_body(Replacement, ask.body)
        order = order_of(self.exchange.books, ask.account, ask.path["order_id"])
        new = self.terms.replacement(ask.account, order, change)
        answer = order_document(new, self.exchange.books.orders.__getitem__)
        self.races.replace(order, new, ask.faults)
        return Reply(answer)

    def cancel(self, ask: Ask) -> Reply:
        """`DELETE /v2/orders/{id}`."""
        order = order_of(self.exchange.books, ask.account, ask.path["order_id"])
        self.races.cancel(order, ask.faults)
        return Reply(status=HTTPStatus.NO_CONTENT)

    def cancel_all(self, ask: Ask) -> Reply:
        """`DELETE /v2/orders`."""
        answers = []
        for order in self.exchange.books.working_of(ask.account.account_id):
            if not order.working:  # it went with one that it depended on
                continue
            error = self._cancel_quietly(order)
            status = HTTPStatus.OK if error is None else error.status_code
            answers.append({"id": order.order_id, "status": status, "body": error and error.body()})
        return Reply(answers, _MULTI_STATUS)

    # --- parts

    def _take_in(self, ask: Ask, order: PaperOrder, legs: list[PaperOrder]) -> dict[str, object]:
        known = {leg.order_id: leg for leg in legs}
        answer = order_document(order, known.__getitem__)
        scripted = one_of(ask.faults, FaultKind.PARTIAL_FILLS)
        script = None
        if scripted is not None and not legs:
            script = Script(scripted.quantities, scripted.price, scripted.then_match)
        self.exchange.submit(order, legs, script)
        return answer

    def _close(self, ask: Ask, symbol: Symbol, quantity: Decimal) -> dict[str, object]:
        new = NewOrder.model_validate(market_order(symbol, quantity))
        order, legs = self.terms.new_order(ask.account, new)
        return self._take_in(ask, order, legs)

    def _close_one(self, ask: Ask, symbol: Symbol, quantity: Decimal) -> dict[str, object]:
        try:
            body, status = self._close(ask, symbol, quantity), int(HTTPStatus.OK)
        except BrokerError as error:
            body, status = error.body(), error.status_code
        return {"symbol": symbol, "status": status, "body": body}

    def _cancel_quietly(self, order: PaperOrder) -> BrokerError | None:
        try:
            self.exchange.cancel(order)
        except UnprocessableError as error:
            return error
        return None

    def _symbol(self, ask: Ask) -> Symbol:
        """A ticker, or the id of an asset."""
        given = str(ask.path["symbol"])
        by_id = (symbol for symbol in self.exchange.instruments if asset_id(symbol) == given.lower())
        return next(by_id, symbol_of(given)) if len(given) == len(asset_id("A")) else symbol_of(given)

    def _held(self, account: PaperAccount, symbol: Symbol) -> Symbol:
        if not account.money.quantity(symbol):
            raise MissingError(_NO_POSITION)
        return symbol
