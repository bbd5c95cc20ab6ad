"""Schwab's OAuth: an authorisation code for 30 seconds, access for 30 minutes, refreshing for 7 days and no longer."""

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from services.contracts.auth import Broker
from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.venue.logins.answers import bearer_of, detail, form_of, give_tokens
from services.venue.logins.customers import Customer, Customers, Decision
from services.venue.logins.faults import Faults

CODE_LIFE: Final = timedelta(seconds=30)
ACCESS_LIFE: Final = timedelta(minutes=30)
REFRESH_LIFE: Final = timedelta(days=7)


class SchwabSimulator:
    """Knows its customers by their apps' keys. The browser's login is `Customer.decision`: approved or not."""

    def __init__(self, customers: Customers, faults: Faults, clock: Clock, randomness: Randomness) -> None:
        self._customers = customers
        self._faults = faults
        self._clock = clock
        self._randomness = randomness
        self._codes: dict[str, tuple[Customer, datetime]] = {}

    def routes(self) -> list[Route]:
        """What it serves."""
        around = self._faults.around
        return [
            Route("/v1/oauth/authorize", self._authorize, methods=["GET"]),
            Route("/v1/oauth/token", around(Broker.SCHWAB, self._token), methods=["POST"]),
            Route("/trader/v1/accounts", around(Broker.SCHWAB, self._accounts), methods=["GET"]),
        ]

    async def _authorize(self, request: Request) -> Response:
        """Stands for the pages on which a person logs in: goes straight to where they end."""
        query = request.query_params
        customer = self._customers.find(Broker.SCHWAB, query.get("client_id", ""))
        callback = query.get("redirect_uri", "")
        if customer is None or not callback.startswith(("https://127.0.0.1", "http://127.0.0.1")):
            return detail("unknown app or callback", HTTPStatus.BAD_REQUEST)
        if customer.decision is not Decision.APPROVED:
            return RedirectResponse(f"{callback}?{urlencode({'error': 'access_denied'})}", HTTPStatus.FOUND)
        code = f"C0.{self._randomness.token()}@"
        self._codes[code] = (customer, self._clock.now() + CODE_LIFE)
        answer = {"code": code, "session": self._randomness.token(), "state": query.get("state", "")}
        return RedirectResponse(f"{callback}?{urlencode(answer)}", HTTPStatus.FOUND)

    async def _token(self, request: Request) -> Response:
        app_key, app_secret = _basic(request)
        customer = self._customers.find(Broker.SCHWAB, app_key)
        if customer is None or not hmac.compare_digest(app_secret.encode(), customer.secret.encode()):
            return JSONResponse({"error": "invalid_client"}, HTTPStatus.UNAUTHORIZED)
        customer.submissions += 1
        form = await form_of(request)
        if form.get("grant_type") == "authorization_code":
            return self._exchange(customer, form.get("code", ""))
        if form.get("grant_type") == "refresh_token":
            return self._refresh(customer, form.get("refresh_token", ""))
        return JSONResponse({"error": "unsupported_grant_type"}, HTTPStatus.BAD_REQUEST)

    def _exchange(self, customer: Customer, code: str) -> Response:
        now = self._clock.now()
        customer.codes.append(code)
        owner, until = self._codes.pop(code, (None, now))
        if owner is not customer or now >= until:
            return JSONResponse({"error": "invalid_grant"}, HTTPStatus.BAD_REQUEST)
        return give_tokens(
            customer, now, self._randomness, life=ACCESS_LIFE, refresh_until=now + REFRESH_LIFE, more={"scope": "api"}
        )

    def _refresh(self, customer: Customer, token: str) -> Response:
        now = self._clock.now()
        until = customer.refresh_tokens.get(token, now)
        if now >= until:
            description = "Failed refresh token authentication"
            body = {"error": "unsupported_token_type", "error_description": description}
            return JSONResponse(body, HTTPStatus.BAD_REQUEST)
        # The same refresh token again, and not a moment longer.
        return give_tokens(customer, now, self._randomness, life=ACCESS_LIFE, refresh_until=until, refresh_token=token)

    async def _accounts(self, request: Request) -> Response:
        customer = self._customers.by_token(Broker.SCHWAB, bearer_of(request), self._clock.now())
        if customer is None:
            return JSONResponse({"message": "Unauthorized"}, HTTPStatus.UNAUTHORIZED)
        account = {"type": "MARGIN", "accountNumber": "00000001", "isClosingOnlyRestricted": customer.restricted}
        return JSONResponse([{"securitiesAccount": account}])


def _basic(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret
