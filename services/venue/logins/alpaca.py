"""Alpaca's account read: https://docs.alpaca.markets/reference/getaccount-1."""

import hmac
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.contracts.auth import Broker
from services.venue.logins.customers import Customers
from services.venue.logins.faults import Faults


class AlpacaSimulator:
    """Knows its customers by their key ids."""

    def __init__(self, customers: Customers, faults: Faults) -> None:
        self._customers = customers
        self._faults = faults

    def routes(self) -> list[Route]:
        """What it serves."""
        return [Route("/v2/account", self._faults.around(Broker.ALPACA, self._account), methods=["GET"])]

    async def _account(self, request: Request) -> Response:
        customer = self._customers.find(Broker.ALPACA, request.headers.get("apca-api-key-id", ""))
        if customer is None:
            return JSONResponse({"code": 40110000, "message": "request is not authorized"}, HTTPStatus.UNAUTHORIZED)
        customer.submissions += 1
        given = request.headers.get("apca-api-secret-key", "").encode()
        if customer.closed or not hmac.compare_digest(given, customer.secret.encode()):
            return JSONResponse({"code": 40310000, "message": "forbidden."}, HTTPStatus.FORBIDDEN)
        return JSONResponse(
            {
                "id": "904837e3-3b76-47ec-b432-046db621571b",
                "account_number": "PA0000000001",
                "status": "ACTIVE",
                "currency": "USD",
                "cash": "100000",
                "buying_power": "200000",
                "pattern_day_trader": False,
                "trading_blocked": customer.restricted,
                "transfers_blocked": False,
                "account_blocked": False,
                "trade_suspended_by_user": False,
            }
        )
