"""The webhook that Twilio calls for each message. Whatever is wrong with a call, the answer is the same 403."""

import asyncio
import re
from http import HTTPStatus
from typing import ClassVar, Final, Literal

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from services.auth.errors import AuthError
from services.auth.sms import form
from services.auth.sms.correlator import SmsMessage
from services.auth.sms.receiver import SmsReceiver
from services.auth.sms.seen import Channel
from services.auth.sms.signatures import SignatureCheck
from services.kit.clock import Clock
from services.kit.openapi import problem_responses
from telemetry.catalogue import AUTH_SMS_REFUSED
from telemetry.emit.metrics import Metrics

PATH: Final = "/sms/twilio"
_SIGNATURE: Final = re.compile(r"[A-Za-z0-9+/]{27}=")  # 20 bytes in base64
_FORM: Final = {
    "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}
}

Reason = Literal["not_a_form", "too_large", "malformed", "bad_signature", "foreign_account", "repeated"]


class SmsCallRefusedError(AuthError):
    """A call of the webhook is not taken. Its sender is told no more than that; the metric says why."""

    status_code: ClassVar[int] = HTTPStatus.FORBIDDEN
    code = "sms_call_refused"
    title = "The call is not taken"

    def __init__(self, reason: Reason) -> None:
        super().__init__("Only Twilio's own calls are taken, each once. docs/runbooks/auth.md says what to look at.")
        self.reason: Reason = reason


class SmsWebhook:
    """Checks calls and hands their messages on.

    Args:
        signature: Checks who called.
        account_id: Our Twilio account, "AC" and 32 hexadecimal digits.
        receiver: Takes the messages.
        metrics: Counts refusals by reason.
        clock: Says when a message came: Twilio's call tells no time.
    """

    def __init__(
        self, signature: SignatureCheck, account_id: str, receiver: SmsReceiver, metrics: Metrics, clock: Clock
    ) -> None:
        self._signature = signature
        self._account_id = account_id
        self._receiver = receiver
        self._metrics = metrics
        self._clock = clock

    async def take(self, request: Request) -> None:
        """Take one call in.

        Raises:
            SmsCallRefusedError: It is forged, repeated, or not a message.
            DatabaseError: Whether it is repeated cannot be told.
        """
        received_at = self._clock.now()
        try:
            sms = await self._genuine(request)
            message = SmsMessage(sms.message_id, sms.number, sms.body, received_at)
            await asyncio.to_thread(self._hand_on, message)
        except SmsCallRefusedError as refused:
            self._metrics.counter(AUTH_SMS_REFUSED, reason=refused.reason).inc()
            raise

    def _hand_on(self, message: SmsMessage) -> None:
        if self._receiver.take(message, Channel.WEBHOOK) is None:
            raise SmsCallRefusedError("repeated")

    async def _genuine(self, request: Request) -> form.IncomingSms:
        if not form.is_form(request.headers.get("content-type", "")):
            raise SmsCallRefusedError("not_a_form")
        raw = await _body(request)
        signatures = request.headers.getlist("x-twilio-signature")
        try:
            fields = form.read_fields(raw)
            # Before the fields are looked at: a stranger learns nothing about which of them are right.
            if len(signatures) != 1 or not _SIGNATURE.fullmatch(signatures[0]):
                raise SmsCallRefusedError("bad_signature")
            if not self._signature.passes(fields, signatures[0]):
                raise SmsCallRefusedError("bad_signature")
            sms = form.read_message(fields)
        except form.FormError:
            raise SmsCallRefusedError("malformed") from None
        if sms.account_id != self._account_id:
            raise SmsCallRefusedError("foreign_account")
        return sms


async def _body(request: Request) -> bytes:
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > form.MOST_BYTES:
                raise SmsCallRefusedError("too_large")
    except ClientDisconnect:
        raise SmsCallRefusedError("malformed") from None
    return bytes(raw)


def sms_router(webhook: SmsWebhook) -> APIRouter:
    """The webhook's route; its path is open, since Twilio's signature says who calls."""
    router = APIRouter(tags=["sms"])

    @router.post(PATH, status_code=HTTPStatus.NO_CONTENT, responses=problem_responses(403, 503), openapi_extra=_FORM)
    async def take(request: Request) -> Response:
        """Take a text message in from Twilio."""
        await webhook.take(request)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router
