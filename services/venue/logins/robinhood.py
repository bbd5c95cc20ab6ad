"""The login of Robinhood's web client: password, then an authenticator's code, a text message or a prompt."""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.contracts.auth import Broker
from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.venue.logins.answers import bearer_of, detail, form_of, give_tokens
from services.venue.logins.customers import Customer, Customers, Decision, Factor
from services.venue.logins.faults import Faults
from services.venue.logins.sms import SmsSender
from services.venue.logins.totp import totp_code

SESSION_LIFE: Final = timedelta(days=1)
REFRESH_LIFE: Final = timedelta(days=30)
_BY_DEVICE: Final = frozenset({Factor.PROMPT, Factor.SMS_CHALLENGE})
_BAD_CODE: Final = "Please enter a valid code."
_PROMPT_STATUS: Final = {
    Decision.PENDING: "issued",
    Decision.APPROVED: "validated",
    Decision.DENIED: "denied",
    Decision.EXPIRED: "expired",
}


@dataclass
class _Workflow:
    """A device that is being verified; one id serves as that of workflow, machine and challenge."""

    customer: Customer
    device: str
    code: str = ""
    validated: bool = False


class RobinhoodSimulator:
    """Refuses a code that it has seen before, as the real one does."""

    def __init__(
        self, customers: Customers, faults: Faults, clock: Clock, randomness: Randomness, sms: SmsSender
    ) -> None:
        self._customers = customers
        self._faults = faults
        self._clock = clock
        self._randomness = randomness
        self._sms = sms
        self._expected: dict[str, str] = {}  # customer's name -> the code sent by text message
        self._workflows: dict[str, _Workflow] = {}

    def routes(self) -> list[Route]:
        """What it serves."""
        served = [
            ("/oauth2/token/", self._token, "POST"),
            ("/pathfinder/user_machine/", self._machine, "POST"),
            ("/pathfinder/inquiries/{workflow}/user_view/", self._view, "GET"),
            ("/pathfinder/inquiries/{workflow}/user_view/", self._continue, "POST"),
            ("/push/{workflow}/get_prompts_status/", self._prompt, "GET"),
            ("/challenge/{workflow}/respond/", self._respond, "POST"),
            ("/accounts/", self._accounts, "GET"),
        ]
        around = self._faults.around
        return [Route(path, around(Broker.ROBINHOOD, handler), methods=[method]) for path, handler, method in served]

    async def _token(self, request: Request) -> Response:
        form = await form_of(request)
        if form.get("grant_type") == "refresh_token":
            return self._refresh(form.get("refresh_token", ""))
        customer = self._customers.find(Broker.ROBINHOOD, form.get("username", ""))
        if customer is not None:
            customer.submissions += 1
        if customer is None or not hmac.compare_digest(form.get("password", "").encode(), customer.secret.encode()):
            return detail("Unable to log in with provided credentials.", HTTPStatus.UNAUTHORIZED)
        if customer.closed:
            return detail("Your account has been deactivated.", HTTPStatus.FORBIDDEN)
        if customer.factor in _BY_DEVICE and form.get("device_token", "") not in customer.devices:
            return self._verify_device(customer, form.get("device_token", ""))
        if customer.factor in {Factor.TOTP, Factor.SMS}:
            return await self._second_factor(customer, form.get("mfa_code"))
        return self._tokens(customer)

    async def _second_factor(self, customer: Customer, code: str | None) -> Response:
        if code is not None:
            right = code == self._right_code(customer) and code not in customer.codes
            customer.codes.append(code)
            return self._tokens(customer) if right else detail(_BAD_CODE, HTTPStatus.BAD_REQUEST)
        if customer.factor is Factor.TOTP:
            return JSONResponse({"mfa_required": True, "mfa_type": "app"})
        asked = {"mfa_required": True, "mfa_type": "sms", "phone_number": f"***{customer.phone[-4:]}"}
        self._expected[customer.name] = code = self._new_code()
        return JSONResponse(asked, background=self._message(customer, code))

    def _verify_device(self, customer: Customer, device: str) -> Response:
        workflow = self._randomness.token()
        code = self._new_code() if customer.factor is Factor.SMS_CHALLENGE else ""
        self._workflows[workflow] = _Workflow(customer, device, code)
        body = {"verification_workflow": {"id": workflow, "workflow_status": "workflow_status_internal_pending"}}
        return JSONResponse(body, HTTPStatus.FORBIDDEN)

    async def _machine(self, request: Request) -> Response:
        body: Any = await request.json()
        workflow = body.get("input", {}).get("workflow_id", "")
        found = self._workflows.get(workflow)
        if found is None or found.device != body.get("device_id"):
            return detail("Not found.", HTTPStatus.NOT_FOUND)
        return JSONResponse({"id": workflow}, background=self._message(found.customer, found.code))

    async def _view(self, request: Request) -> Response:
        workflow = request.path_params["workflow"]
        found = self._workflows.get(workflow)
        if found is None:
            return detail("Not found.", HTTPStatus.NOT_FOUND)
        kind = "sms" if found.code else "prompt"
        challenge = {"id": workflow, "type": kind, "status": "validated" if found.validated else "issued"}
        return JSONResponse({"context": {"sheriff_challenge": challenge}})

    async def _prompt(self, request: Request) -> Response:
        found = self._workflows.get(request.path_params["workflow"])
        if found is None:
            return detail("Not found.", HTTPStatus.NOT_FOUND)
        found.validated = found.customer.decision is Decision.APPROVED
        return JSONResponse({"challenge_status": _PROMPT_STATUS[found.customer.decision]})

    async def _respond(self, request: Request) -> Response:
        found = self._workflows.get(request.path_params["workflow"])
        code = (await form_of(request)).get("response", "")
        if found is None:
            return detail("Not found.", HTTPStatus.NOT_FOUND)
        found.validated = bool(found.code) and code == found.code and code not in found.customer.codes
        found.customer.codes.append(code)
        if not found.validated:
            return detail(_BAD_CODE, HTTPStatus.BAD_REQUEST)
        return JSONResponse({"id": request.path_params["workflow"], "status": "validated"})

    async def _continue(self, request: Request) -> Response:
        found = self._workflows.get(request.path_params["workflow"])
        if found is None or not found.validated:
            return JSONResponse({"type_context": {"result": "workflow_status_internal_pending"}})
        found.customer.devices.add(found.device)
        return JSONResponse({"type_context": {"result": "workflow_status_approved"}})

    async def _accounts(self, request: Request) -> Response:
        customer = self._customers.by_token(Broker.ROBINHOOD, bearer_of(request), self._clock.now())
        if customer is None:
            return detail("Incorrect authentication credentials.", HTTPStatus.UNAUTHORIZED)
        account = {"state": "active", "deactivated": False, "only_position_closing_trades": customer.restricted}
        return JSONResponse({"next": None, "previous": None, "results": [account]})

    def _refresh(self, token: str) -> Response:
        now = self._clock.now()
        customer = self._customers.by_refresh_token(Broker.ROBINHOOD, token, now)
        if customer is None:
            return JSONResponse({"error": "invalid_grant"}, HTTPStatus.UNAUTHORIZED)
        del customer.refresh_tokens[token]
        return self._tokens(customer)

    def _tokens(self, customer: Customer) -> Response:
        now = self._clock.now()
        return give_tokens(
            customer,
            now,
            self._randomness,
            life=SESSION_LIFE,
            refresh_until=now + REFRESH_LIFE,
            more={"scope": "internal", "mfa_code": None, "backup_code": None},
        )

    def _right_code(self, customer: Customer) -> str:
        if customer.factor is Factor.SMS:
            return self._expected.pop(customer.name, "")
        return totp_code(customer.totp_seed, self._clock.now())

    def _new_code(self) -> str:
        return f"{self._randomness.bits(64) % 1_000_000:06d}"

    def _message(self, customer: Customer, code: str) -> BackgroundTask | None:
        if not code:
            return None
        text = f"{code} is your Robinhood verification code. Do not share it with anyone."
        return BackgroundTask(self._sms.send, customer.phone, text)
