"""What every login works with."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from opentelemetry.trace import Span, StatusCode, Tracer

from services.auth.accounts import Account
from services.auth.logins.port import BrokerLogin
from services.auth.secret import OneTimeCode
from services.auth.sessions.journal import Journal
from services.auth.sessions.threads import Threads
from services.auth.totp.issuer import CodeIssuer
from services.contracts.auth import AccountId, Broker
from services.kit.clock import Clock
from services.kit.ids import Randomness


class CodeInbox(Protocol):
    """Where codes arrive that others send; `services.auth.sms.correlator.SmsCorrelator` is one."""

    def open(self, account: AccountId, number: str, broker: Broker) -> str:
        """Expect a code; returns the challenge's id. Raises `ChallengeClosedError`."""

    def enter(self, challenge_id: str, code: str) -> None:
        """Take a code that an operator typed. Raises `ChallengeClosedError`."""

    def wait(self, challenge_id: str, timeout_seconds: float) -> OneTimeCode:
        """Wait for the code and take it. Raises `SmsCodeMissingError` or `ChallengeClosedError`."""

    def cancel(self, challenge_id: str) -> None:
        """Expect no code any more."""

    def pending(self) -> list[tuple[str, AccountId, Broker, datetime]]:
        """Challenges without a code: id, account, broker and when each expires."""


class Pauses(Protocol):
    """Lets time pass between two questions."""

    async def pause(self, seconds: float) -> None:
        """Return after `seconds`."""


class TimedPauses:
    """As long as the machine's clock takes. A shutdown cancels it."""

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person is being asked."""

    instruction: str
    deadline: datetime
    takes_code: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginParts:
    """The parts.

    Attributes:
        sms_wait_seconds: How long a code by text message, or from an operator, is waited for.
        asked: Requests to persons that are open now; each login keeps its own up to date.
    """

    logins: Mapping[Broker, BrokerLogin]
    journal: Journal
    issuer: CodeIssuer
    inbox: CodeInbox
    clock: Clock
    randomness: Randomness
    tracer: Tracer
    pauses: Pauses
    threads: Threads
    sms_wait_seconds: float = 120.0
    asked: dict[AccountId, Asked] = field(default_factory=dict)

    @contextmanager
    def span(self, name: str, account: Account) -> Iterator[Span]:
        """A step of a login. What goes wrong in it is told by its kind alone: a text could hold what was sent."""
        attributes = {"sightline.dependency": account.broker.value}
        with self.tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise
