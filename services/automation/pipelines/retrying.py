"""Trying again: which failures, how often, and with which pauses."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from services.automation.pipelines.failures import Failure, RunOverError, failure_of
from services.contracts.pipelines import FailureClass
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.kit.ids import Randomness

_log = logging.getLogger("services.automation.pipelines")

_TRIES: Mapping[FailureClass, int] = MappingProxyType(
    {
        FailureClass.TRANSIENT: 10,
        FailureClass.THROTTLED: 6,
        FailureClass.AUTH: 2,  # once more, after the session was recovered
        FailureClass.DEFINITIVE: 1,
        FailureClass.UNKNOWN: 1,  # never: it may have happened
    }
)


class Waiter(Protocol):
    """Lets time pass."""

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or earlier when the platform stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patiently a step is tried.

    Attributes:
        tries: How many tries there are in all before a failure of a class is final.
        first_seconds: Upper end of the first pause; each pause is drawn evenly from nothing to an end that doubles.
        most_seconds: Where the doubling ends.
        recover: Called before the second try after a failure of class AUTH; None tries again no more.
    """

    tries: Mapping[FailureClass, int] = field(default_factory=lambda: _TRIES)
    first_seconds: float = 0.5
    most_seconds: float = 20.0
    recover: Callable[[], None] | None = None

    def pause_seconds(self, failure: Failure, tries: int, randomness: Randomness) -> float:
        """How long to wait after the try number `tries`, counted from 1."""
        if failure.wait_seconds is not None:
            return failure.wait_seconds
        end = min(self.most_seconds, self.first_seconds * 2.0 ** (tries - 1))
        return end * randomness.fraction()

    def may_try_again(self, failure: Failure, tries: int) -> bool:
        """Whether another try may help after `tries` of them."""
        if failure.kind is FailureClass.AUTH and self.recover is None:
            return False
        return tries < self.tries.get(failure.kind, 1)


ONCE = RetryPolicy(tries=MappingProxyType({}))
"""Tries once, whatever happens."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How a step went: its result, or the failure that was final; and how many tries it took."""

    result: Any
    failure: Failure | None
    tries: int


def tried(  # noqa: PLR0913 -- the policy's surroundings, each of which a test replaces
    function: Callable[[], Any],
    policy: RetryPolicy,
    *,
    timeout_seconds: float,
    clock: Clock,
    randomness: Randomness,
    waiter: Waiter,
    again: Callable[[Failure, int], None],
) -> Tried:
    """Call `function` until it succeeds or its failure is final.

    Args:
        function: What to try.
        policy: How patiently.
        timeout_seconds: No try begins later than this after the first.
        clock: Time.
        randomness: For the pauses.
        waiter: Lets the pauses pass.
        again: Told of every failure that is tried again, with the number of tries so far.

    Raises:
        RunOverError: `function` or `waiter` says that the run is over.
    """
    began, tries = clock.now(), 0
    while True:
        tries += 1
        try:
            return Tried(function(), None, tries)
        except RunOverError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever a step raises is classified, told and stored
            failure = failure_of(error)
            _log.warning(
                "try %s of a step failed: %s", tries, failure.detail, exc_info=not isinstance(error, SightlineError)
            )
        pause = policy.pause_seconds(failure, tries, randomness)
        left = timeout_seconds - (clock.now() - began).total_seconds()
        if not policy.may_try_again(failure, tries) or pause > left:
            return Tried(None, failure, tries)
        again(failure, tries)
        if failure.kind is FailureClass.AUTH and policy.recover is not None:
            try:
                policy.recover()
            except Exception as error:  # noqa: BLE001 -- as above
                return Tried(None, failure_of(error), tries)
        waiter.wait(pause)
