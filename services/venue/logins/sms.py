"""Text messages, delivered as Twilio delivers them: a form posted to a webhook, with Twilio's signature.

The signature is described at https://www.twilio.com/docs/usage/security#validating-requests: HMAC-SHA-1, under the
account's auth token, of the URL followed by the form's fields sorted by name, each name directly before its value.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import Mapping
from typing import Protocol

import httpx

from services.kit.ids import Randomness

SENDER = "+15005550006"  # one of Twilio's numbers for tests
_ACCOUNT_SID = "AC" + "0" * 32
_log = logging.getLogger("services.venue.sms")


class SmsSender(Protocol):
    """Sends text messages."""

    async def send(self, number: str, body: str) -> None:
        """Deliver a message. Does not raise: a broker does not learn whether its message arrived."""


class NoSms:
    """Loses every message."""

    async def send(self, number: str, body: str) -> None:  # noqa: ARG002 -- that is what it does
        _log.warning("a text message was lost: no webhook is set")


class TwilioSimulator:
    """Posts each message to a webhook."""

    def __init__(self, client: httpx.AsyncClient, webhook_url: str, auth_token: str, randomness: Randomness) -> None:
        self._client = client
        self._url = webhook_url
        self._auth_token = auth_token
        self._randomness = randomness

    async def send(self, number: str, body: str) -> None:
        fields = {
            "MessageSid": f"SM{self._randomness.bits(128):032x}",
            "AccountSid": _ACCOUNT_SID,
            "From": SENDER,
            "To": number,
            "Body": body,
            "NumMedia": "0",
            "NumSegments": "1",
        }
        headers = {"x-twilio-signature": signature(self._auth_token, self._url, fields)}
        try:
            response = await self._client.post(self._url, data=fields, headers=headers)
        except httpx.HTTPError as error:
            _log.warning("a text message was not delivered: %s", type(error).__name__)
            return
        if not response.is_success:
            _log.warning("the webhook for text messages answered %d", response.status_code)


class SlowSms:
    """Holds each message back for as long as a slow carrier would, then hands it on.

    Attributes:
        delay_seconds: How long messages that are sent from now on are under way.
    """

    def __init__(self, sender: SmsSender) -> None:
        self._sender = sender
        self.delay_seconds = 0.0

    async def send(self, number: str, body: str) -> None:
        await asyncio.sleep(self.delay_seconds)
        await self._sender.send(number, body)


def signature(auth_token: str, url: str, fields: Mapping[str, str]) -> str:
    """Twilio's signature of a form."""
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()
