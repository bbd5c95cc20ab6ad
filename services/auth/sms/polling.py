"""Asks Twilio for messages, for a host that Twilio cannot call. Only while a login waits for one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import perf_counter
from typing import ClassVar, Final, Protocol

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from services.auth.errors import AuthError
from services.auth.secret import Secret
from services.auth.sms.correlator import LIFE, SmsCorrelator, SmsMessage
from services.auth.sms.receiver import SmsReceiver
from services.auth.sms.seen import Channel
from services.kit.clock import Clock
from telemetry.catalogue import HTTP_CLIENT_DURATION
from telemetry.emit.metrics import Metrics

EVERY_SECONDS: Final = 3.0
DEPENDENCY: Final = "twilio"
_MOST_MESSAGES: Final = 50
_RESOLUTION: Final = timedelta(seconds=1)
_TIMEOUT_SECONDS: Final = 5.0


class SmsPollingError(AuthError):
    """Twilio did not list its messages. The text says how the call ended and nothing that Twilio sent."""

    status_code: ClassVar[int] = HTTPStatus.BAD_GATEWAY
    code = "sms_polling_failed"
    title = "Text messages cannot be asked for"


class MessageList(Protocol):
    """Lists messages; `TwilioMessages` is the one."""

    def since(self, moment: datetime) -> Sequence[SmsMessage]:
        """Messages that came to our numbers since `moment`, the oldest first. Raises `SmsPollingError`."""


class SmsPolling:
    """One look at a time; `look` is for `services.kit.repeating`."""

    def __init__(self, messages: MessageList, correlator: SmsCorrelator, receiver: SmsReceiver, clock: Clock) -> None:
        self._messages = messages
        self._correlator = correlator
        self._receiver = receiver
        self._clock = clock

    def look(self) -> None:
        """Take in what came lately, if a login waits.

        Raises:
            SmsPollingError: Twilio did not answer.
            DatabaseError: A message cannot be noted down.
        """
        if not self._correlator.pending():
            return
        # Older messages than any challenge that is open can be nobody's, so they are not even counted.
        oldest = self._clock.now() - LIFE - _RESOLUTION
        for message in self._messages.since(oldest):
            if message.received_at >= oldest:
                self._receiver.take(message, Channel.POLLING)


class _Listed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sid: str = Field(pattern=r"^(?:SM|MM)[0-9a-f]{32}$")
    to: str = Field(max_length=64)
    body: str
    direction: str
    date_created: datetime

    @field_validator("date_created", mode="before")
    @classmethod
    def _in_words(cls, value: object) -> datetime:
        # RFC 2822: "Mon, 02 Mar 2026 12:00:00 +0000".
        if not isinstance(value, str):
            raise ValueError("a date is a text")  # noqa: TRY004 -- pydantic turns only ValueError into its own
        moment = parsedate_to_datetime(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Page(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    messages: list[_Listed]


class TwilioMessages:
    """Twilio's list of messages over its REST interface, version 2010-04-01. Synchronous; `close` it at the end.

    Args:
        base_url: Where the interface is, without a slash at the end.
        account_id: The Twilio account.
        auth_token: Its token.
        metrics: For the time that calls take.
        transport: Where requests go instead of to the network, for tests.
    """

    def __init__(
        self,
        base_url: str,
        account_id: str,
        auth_token: Secret,
        *,
        metrics: Metrics,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._path = f"/2010-04-01/Accounts/{account_id}/Messages.json"
        self._metrics = metrics
        metrics.declare(HTTP_CLIENT_DURATION, "dependency", [DEPENDENCY])
        self._client = httpx.Client(
            base_url=base_url,
            auth=auth_token.use(lambda token: httpx.BasicAuth(account_id, token)),
            timeout=_TIMEOUT_SECONDS,
            follow_redirects=False,
            transport=transport,
        )

    def since(self, moment: datetime) -> Sequence[SmsMessage]:
        query = {"PageSize": str(_MOST_MESSAGES), "DateSent>": moment.astimezone(UTC).date().isoformat()}
        response = self._get(query)
        if response.status_code != HTTPStatus.OK:
            raise SmsPollingError(f"Twilio answered {response.status_code}. Check the account's id and its token.")
        try:
            page = _Page.model_validate_json(response.content)
        except ValidationError:
            raise SmsPollingError("Twilio's answer is not the list that version 2010-04-01 describes.") from None
        incoming = [each for each in page.messages if each.direction == "inbound"]
        found = [SmsMessage(each.sid, each.to, each.body, each.date_created, _RESOLUTION) for each in incoming]
        return sorted(found, key=lambda message: message.received_at)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _get(self, query: dict[str, str]) -> httpx.Response:
        started, outcome = perf_counter(), "error"
        try:
            response = self._client.get(self._path, params=query)
            outcome = f"{response.status_code // 100}xx" if response.status_code in range(200, 600) else "error"
        except httpx.TimeoutException:
            outcome = "timeout"
            raise SmsPollingError("Twilio did not answer in time.") from None
        except httpx.ConnectError:
            outcome = "connect_error"
            raise SmsPollingError("Twilio cannot be reached.") from None
        except httpx.HTTPError as error:
            raise SmsPollingError(f"Twilio broke the connection ({type(error).__name__}).") from None
        finally:
            timed = self._metrics.histogram(HTTP_CLIENT_DURATION, dependency=DEPENDENCY, outcome=outcome)
            timed.observe(perf_counter() - started)
        return response
