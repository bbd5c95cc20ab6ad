"""The gateway of Interactive Brokers, as its Client Portal API describes it. A person logs in on its page."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.contracts.auth import Broker
from services.kit.clock import Clock
from services.venue.logins.customers import Customer, Customers, Decision
from services.venue.logins.faults import Faults

IDLE: Final = timedelta(minutes=5)
_UNAUTHORIZED: Final = {"error": "not authenticated"}


class IbkrSimulator:
    """One gateway serves one customer: the first. `Customer.decision` is what the person did on the phone."""

    def __init__(self, customers: Customers, faults: Faults, clock: Clock) -> None:
        self._customers = customers
        self._faults = faults
        self._clock = clock
        self._alive_until: datetime | None = None

    def routes(self) -> list[Route]:
        """What it serves."""
        around = self._faults.around
        return [
            Route("/v1/api/iserver/auth/status", around(Broker.IBKR, self._status), methods=["POST"]),
            Route("/v1/api/iserver/auth/ssodh/init", around(Broker.IBKR, self._init), methods=["POST"]),
            Route("/v1/api/tickle", around(Broker.IBKR, self._tickle), methods=["POST"]),
            Route("/v1/api/portfolio/accounts", around(Broker.IBKR, self._accounts), methods=["GET"]),
        ]

    def end_week(self) -> None:
        """Sunday, 01:00 in New York: every session ends."""
        self._alive_until = None
        for customer in self._customers.of(Broker.IBKR):
            customer.decision = Decision.PENDING

    def _alive(self) -> Customer | None:
        """The customer, if logged in; a person's approval logs in."""
        customer = next(iter(self._customers.of(Broker.IBKR)), None)
        if customer is None:
            return None
        now = self._clock.now()
        if self._alive_until is None and customer.decision is Decision.APPROVED:
            self._alive_until = now + IDLE
            customer.submissions += 1
        return customer if self._alive_until is not None and now < self._alive_until else None

    async def _status(self, request: Request) -> Response:  # noqa: ARG002 -- the handler's signature
        return JSONResponse(self._auth_status())

    async def _init(self, request: Request) -> Response:  # noqa: ARG002 -- the handler's signature
        return JSONResponse(self._auth_status())

    def _auth_status(self) -> dict[str, object]:
        alive = self._alive() is not None
        denied = any(customer.decision is Decision.DENIED for customer in self._customers.of(Broker.IBKR))
        return {
            "authenticated": alive,
            "established": alive,
            "competing": False,
            "connected": True,
            "message": "",
            "MAC": "98:F2:B3:23:BF:A0",
            "serverInfo": {"serverName": "simulated", "serverVersion": "Build 10.25.0p"},
            "fail": "login was not approved" if denied else "",
        }

    async def _tickle(self, request: Request) -> Response:  # noqa: ARG002 -- the handler's signature
        if self._alive() is None:
            return JSONResponse(_UNAUTHORIZED, HTTPStatus.UNAUTHORIZED)
        self._alive_until = self._clock.now() + IDLE
        body = {
            "session": "simulated",
            "ssoExpires": int(IDLE.total_seconds() * 1000),
            "collission": False,
            "userId": 1,
            "iserver": {"authStatus": self._auth_status()},
        }
        return JSONResponse(body)

    async def _accounts(self, request: Request) -> Response:  # noqa: ARG002 -- the handler's signature
        customer = self._alive()
        if customer is None:
            return JSONResponse(_UNAUTHORIZED, HTTPStatus.UNAUTHORIZED)
        status = "C" if customer.restricted else "O"
        return JSONResponse([{"id": "DU0000001", "accountId": "DU0000001", "clearingStatus": status, "type": "DEMO"}])
