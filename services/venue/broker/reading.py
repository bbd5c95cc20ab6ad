"""Reads what customers send: bodies of orders and replacements, and the parameters of queries."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from services.contracts.market import OrderClass, OrderType, Side, TimeInForce
from services.venue.broker.errors import BadBodyError, InvalidError
from services.venue.broker.figures import read_time

_LONGEST_NAME: Final = 128
_MOST_ORDERS: Final = 500
_MOST_ACTIVITIES: Final = 100
_MOST_BARS: Final = 10_000

ModelT = TypeVar("ModelT", bound=BaseModel)


def _moment(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("not a time")  # noqa: TRY004 -- pydantic turns this one into its own
    return read_time(value)


Moment = Annotated[datetime, BeforeValidator(_moment)]
Number = Annotated[Decimal, Field(gt=0, max_digits=24, decimal_places=9, allow_inf_nan=False)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_NAME)]
Ticker = Annotated[str, StringConstraints(min_length=1, max_length=32)]


class _Read(BaseModel):
    # Alpaca passes over fields that it does not know.
    model_config = ConfigDict(frozen=True, extra="ignore")


class TakeProfit(_Read):
    """The target of a bracket."""

    limit_price: Number


class StopLoss(_Read):
    """The protective leg of a bracket."""

    stop_price: Number
    limit_price: Number | None = None


class NewOrder(_Read):
    """`POST /v2/orders`."""

    symbol: Ticker
    qty: Number | None = None
    notional: Number | None = None
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    limit_price: Number | None = None
    stop_price: Number | None = None
    extended_hours: bool = False
    client_order_id: Name | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None


class Replacement(_Read):
    """`PATCH /v2/orders/{id}`."""

    qty: Number | None = None
    time_in_force: TimeInForce | None = None
    limit_price: Number | None = None
    stop_price: Number | None = None
    client_order_id: Name | None = None


class OrderQuery(_Read):
    """`GET /v2/orders`."""

    status: Literal["open", "closed", "all"] = "open"
    limit: Annotated[int, Field(ge=1, le=_MOST_ORDERS)] = 50
    after: Moment | None = None
    until: Moment | None = None
    direction: Literal["asc", "desc"] = "desc"
    nested: bool = False
    symbols: str = ""
    side: Side | None = None


class ActivityQuery(_Read):
    """`GET /v2/account/activities`."""

    activity_types: str = ""
    after: Moment | None = None
    until: Moment | None = None
    date: Moment | None = None
    direction: Literal["asc", "desc"] = "desc"
    page_size: Annotated[int, Field(ge=1, le=_MOST_ACTIVITIES)] = _MOST_ACTIVITIES
    page_token: str = ""


class BarQuery(_Read):
    """`GET /v2/stocks/bars`."""

    symbols: str = ""
    timeframe: Annotated[str, StringConstraints(pattern=r"^\d{1,3}(Min|T|Hour|H|Day|D)$")] = "1Min"
    start: Moment | None = None
    end: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=_MOST_BARS)] = 1000
    page_token: str = ""
    sort: Literal["asc", "desc"] = "asc"


class CloseQuery(_Read):
    """`DELETE /v2/positions/{symbol}`."""

    qty: Number | None = None
    percentage: Annotated[Decimal, Field(gt=0, le=100, allow_inf_nan=False)] | None = None


def read_body(model: type[ModelT], body: bytes) -> ModelT:
    """A JSON object as `model`. Raises `BadBodyError` or `InvalidError`."""
    try:
        # Numbers stay exact: 0.1 in the text is Decimal("0.1").
        found = json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadBodyError("request body format is invalid") from None
    if not isinstance(found, dict):
        raise BadBodyError("request body format is invalid")
    return _validated(model, {name: value for name, value in found.items() if value is not None and value != ""})


def read_query(model: type[ModelT], query: Mapping[str, str]) -> ModelT:
    """A query as `model`. Raises `InvalidError`."""
    return _validated(model, {name: value for name, value in query.items() if value})


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _validated(model: type[ModelT], values: dict[str, Any]) -> ModelT:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        missing = first["type"] == "missing"
        raise InvalidError(f"{place} is required" if missing else f"invalid {place}: {first['msg'].lower()}") from None
