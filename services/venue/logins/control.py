"""The other side of the simulated brokers: opens accounts, answers requests for approval, plans faults."""

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.contracts.auth import Broker
from services.venue.logins.answers import detail
from services.venue.logins.customers import Customer, Customers, Decision, Factor
from services.venue.logins.faults import Fault, Faults
from services.venue.logins.sms import SlowSms


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    broker: Broker
    name: str = Field(min_length=1, max_length=200)


class NewCustomer(_Body):
    """An account to open."""

    secret: str = Field(default="", max_length=200)
    factor: Factor = Factor.NONE
    totp_seed: str = Field(default="", max_length=200, pattern=r"^[A-Z2-7]*$")
    phone: str = Field(default="", max_length=20)


class NewDecision(_Body):
    """What a customer says to requests for approval from now on."""

    decision: Decision


class NewFaults(BaseModel):
    """What a broker does wrong at its next requests."""

    model_config = ConfigDict(extra="forbid")

    broker: Broker
    faults: list[Fault] = Field(max_length=100)


class NewDelay(BaseModel):
    """How long text messages are under way from now on."""

    model_config = ConfigDict(extra="forbid")

    delay_seconds: float = Field(ge=0, le=600, allow_inf_nan=False)


def control_routes(customers: Customers, faults: Faults, sms: SlowSms) -> list[Route]:
    """What stands under /local. It opens no real account: whoever reaches this host may use it."""

    async def open_account(request: Request) -> Response:
        new = NewCustomer.model_validate_json(await request.body())
        customers.put(Customer(new.broker, new.name, new.secret, new.factor, new.totp_seed, new.phone))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def end_sessions(request: Request) -> Response:
        asked = _Body.model_validate_json(await request.body())
        if not customers.end_sessions(asked.broker, asked.name):
            return detail("There is no such customer.", HTTPStatus.NOT_FOUND)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def decide(request: Request) -> Response:
        new = NewDecision.model_validate_json(await request.body())
        customer = customers.find(new.broker, new.name)
        if customer is None:
            return detail("There is no such customer.", HTTPStatus.NOT_FOUND)
        customer.decision = new.decision
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def plan(request: Request) -> Response:
        new = NewFaults.model_validate_json(await request.body())
        faults.plan(new.broker, *new.faults)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def delay(request: Request) -> Response:
        sms.delay_seconds = NewDelay.model_validate_json(await request.body()).delay_seconds
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def logins(request: Request) -> Response:  # noqa: ARG001 -- the handler's signature
        told = [
            {"broker": each.broker, "name": each.name, "submissions": each.submissions, "codes": len(each.codes)}
            for broker in Broker
            for each in customers.of(broker)
        ]
        return JSONResponse({"customers": told})

    return [
        Route("/customers", open_account, methods=["PUT"]),
        Route("/sessions", end_sessions, methods=["DELETE"]),
        Route("/decisions", decide, methods=["PUT"]),
        Route("/faults", plan, methods=["POST"]),
        Route("/sms", delay, methods=["PUT"]),
        Route("/logins", logins, methods=["GET"]),
    ]


async def refuse_invalid(request: Request, error: Exception) -> Response:  # noqa: ARG001 -- the handler's signature
    """Tell which fields do not fit, without their values."""
    places = [".".join(map(str, each["loc"])) for each in error.errors()] if isinstance(error, ValidationError) else []
    return detail(f"These fields do not fit: {', '.join(places)}.", HTTPStatus.UNPROCESSABLE_ENTITY)
