"""Brings a text message together with the login that waits for it. Memory only: a restart starts the login again.

A challenge stands for one login at one broker with one receiving number. A message counts for it only if it was
received after the challenge opened and within its life, mentions the broker and holds exactly one code. The code is
taken once.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.auth.errors import ChallengeClosedError, SmsCodeMissingError
from services.auth.secret import OneTimeCode
from services.auth.sms.patterns import BrokerPattern, Reading
from services.contracts.auth import AccountId, Broker, UnmatchedSms
from services.kit.clock import Clock
from services.kit.ids import Randomness

LIFE: Final = timedelta(minutes=5)
_MOST_REMEMBERED: Final = 2_000


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """A text message, by webhook or by polling.

    Attributes:
        message_id: The carrier's id; the same message may come both ways.
        number: The receiving number.
        body: The text.
        received_at: When it was received.
        resolution: How exact that is: polling tells whole seconds only.
    """

    message_id: str
    number: str = field(repr=False)
    body: str = field(repr=False)
    received_at: datetime
    resolution: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Matched:
    """The message carried the code that this login waits for; `waited` since the challenge opened."""

    account: AccountId
    broker: Broker
    waited: timedelta


@dataclass(slots=True)
class _Challenge:
    challenge_id: str
    account: AccountId
    number: str
    pattern: BrokerPattern
    opened_at: datetime
    expires_at: datetime
    code: OneTimeCode | None = None


class SmsCorrelator:
    """Pending challenges; safe to use from several threads.

    Args:
        patterns: One for each broker that sends codes.
        clock: Says what has expired.
        randomness: Makes the challenges' ids.
        life: How long a challenge waits.
    """

    def __init__(
        self, patterns: Sequence[BrokerPattern], clock: Clock, randomness: Randomness, *, life: timedelta = LIFE
    ) -> None:
        self._patterns = {pattern.broker: pattern for pattern in patterns}
        self._clock = clock
        self._randomness = randomness
        self._life = life
        self._changed = threading.Condition()
        self._challenges: dict[tuple[str, Broker], _Challenge] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()

    def open(self, account: AccountId, number: str, broker: Broker) -> str:
        """Expect a code, before the broker is asked to send one; returns the challenge's id.

        One challenge for a number and a broker: a new one closes the one before it.

        Raises:
            ChallengeClosedError: No pattern is known for this broker.
        """
        pattern = self._patterns.get(broker)
        if pattern is None:
            raise ChallengeClosedError
        now = self._clock.now()
        challenge_id = self._randomness.token()
        with self._changed:
            self._challenges[number, broker] = _Challenge(challenge_id, account, number, pattern, now, now + self._life)
            self._changed.notify_all()
        return challenge_id

    def offer(self, message: SmsMessage) -> Matched | UnmatchedSms:
        """Hand in a message. Whatever it holds, this does not raise."""
        with self._changed:
            if self._is_repeated(message.message_id):
                return UnmatchedSms.DUPLICATE
            waiting = [each for each in self._challenges.values() if each.number == message.number and not each.code]
            if not waiting:
                return UnmatchedSms.NO_CHALLENGE
            found = [(each, self._judge(each, message)) for each in waiting]
            codes = [(each, code) for each, code in found if not isinstance(code, UnmatchedSms)]
            if len(codes) > 1:
                return UnmatchedSms.AMBIGUOUS
            if not codes:
                return _nearest([reason for _, reason in found if isinstance(reason, UnmatchedSms)])
            challenge, code = codes[0]
            self._fill(challenge, code)
        return Matched(challenge.account, challenge.pattern.broker, message.received_at - challenge.opened_at)

    def enter(self, challenge_id: str, code: str) -> None:
        """Take a code that an operator typed.

        Raises:
            ChallengeClosedError: It has its code already, was superseded, or has expired.
        """
        with self._changed:
            challenge = self._pending(challenge_id)
            if challenge is None or challenge.code or self._clock.now() >= challenge.expires_at:
                raise ChallengeClosedError
            self._fill(challenge, "".join(code.split()))

    def wait(self, challenge_id: str, timeout_seconds: float) -> OneTimeCode:
        """Wait for the code and take it; the challenge is over then.

        Raises:
            SmsCodeMissingError: None came within the time or the challenge's life.
            ChallengeClosedError: The challenge was superseded, or its code was taken.
        """
        with self._changed:
            challenge = self._pending(challenge_id)
            if challenge is None:
                raise ChallengeClosedError
            left_seconds = (challenge.expires_at - self._clock.now()).total_seconds()
            self._changed.wait_for(lambda: self._settled(challenge_id), max(0.0, min(timeout_seconds, left_seconds)))
            if self._pending(challenge_id) is None:
                raise ChallengeClosedError
            self._close(challenge)
            if challenge.code is None or self._clock.now() >= challenge.expires_at:
                raise SmsCodeMissingError
            return challenge.code

    def cancel(self, challenge_id: str) -> None:
        """Expect no code any more; nothing happens if the challenge is over."""
        with self._changed:
            challenge = self._pending(challenge_id)
            if challenge is not None:
                self._close(challenge)

    def pending(self) -> list[tuple[str, AccountId, Broker, datetime]]:
        """Challenges without a code: id, account, broker and when each expires, for the operator who enters codes."""
        now = self._clock.now()
        with self._changed:
            return [
                (each.challenge_id, each.account, each.pattern.broker, each.expires_at)
                for each in self._challenges.values()
                if each.code is None and now < each.expires_at
            ]

    def _is_repeated(self, message_id: str) -> bool:
        if message_id in self._seen:
            return True
        self._seen[message_id] = None
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return False

    def _judge(self, challenge: _Challenge, message: SmsMessage) -> str | UnmatchedSms:
        if message.received_at + message.resolution < challenge.opened_at:
            return UnmatchedSms.TOO_EARLY
        if max(message.received_at, self._clock.now()) >= challenge.expires_at:
            return UnmatchedSms.TOO_LATE
        code = challenge.pattern.read(message.body)
        return UnmatchedSms(code.value) if isinstance(code, Reading) else code

    def _fill(self, challenge: _Challenge, code: str) -> None:
        challenge.code = OneTimeCode(code)
        self._changed.notify_all()

    def _close(self, challenge: _Challenge) -> None:
        del self._challenges[challenge.number, challenge.pattern.broker]
        self._changed.notify_all()

    def _pending(self, challenge_id: str) -> _Challenge | None:
        return next((each for each in self._challenges.values() if each.challenge_id == challenge_id), None)

    def _settled(self, challenge_id: str) -> bool:
        challenge = self._pending(challenge_id)
        return challenge is None or challenge.code is not None


def _nearest(reasons: Sequence[UnmatchedSms]) -> UnmatchedSms:
    # Of several challenges for one number, what the likeliest one says.
    order = (UnmatchedSms.AMBIGUOUS, UnmatchedSms.NO_CODE, UnmatchedSms.TOO_EARLY, UnmatchedSms.TOO_LATE)
    return min(reasons, key=order.index)
