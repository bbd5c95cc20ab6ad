"""What the simulated brokers' answers share."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse

from services.kit.ids import Randomness
from services.venue.logins.customers import Customer

_BEARER = "bearer "


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; nothing where the body is no form."""
    body = await request.body()
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def bearer_of(request: Request) -> str:
    """The bearer token of a call; empty without one."""
    value = request.headers.get("authorization", "")
    return value[len(_BEARER) :] if value.lower().startswith(_BEARER) else ""


def detail(text: str, status: HTTPStatus) -> JSONResponse:
    """An error in a sentence."""
    return JSONResponse({"detail": text}, status)


def give_tokens(  # noqa: PLR0913 -- the parts of a token response
    customer: Customer,
    now: datetime,
    randomness: Randomness,
    *,
    life: timedelta,
    refresh_until: datetime,
    refresh_token: str | None = None,
    more: Mapping[str, object] | None = None,
) -> JSONResponse:
    """New tokens for a customer; the refresh token stays the one that is given."""
    access, refresh = f"access-{randomness.token()}", refresh_token or f"refresh-{randomness.token()}"
    customer.tokens[access] = now + life
    customer.refresh_tokens[refresh] = refresh_until
    return JSONResponse(
        {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": int(life.total_seconds()),
            **(more or {}),
        }
    )
