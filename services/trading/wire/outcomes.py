"""What can become of a request to a venue besides an answer of success. What counts is whether it can have acted."""

from http import HTTPStatus
from typing import Final

from services.kit.errors import SightlineError

_KEYS_REFUSED: Final = "forbidden."  # Alpaca's words for a key id that it does not know


class CallError(SightlineError):
    """Root of what became of a request.

    Attributes:
        transient: The same question may be answered a moment later.
        unanswered_before: An earlier attempt of the same call was sent and got no answer: it may have been acted on.
        retry_after_seconds: How long the venue wants to be left alone, None when it did not say.
    """

    status_code = HTTPStatus.BAD_GATEWAY
    code = "venue_call_failed"
    title = "A call to the venue failed"
    transient: bool = True

    def __init__(self, detail: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds
        self.unanswered_before = False


class NotSentError(CallError):
    """Not a byte of the request was handed to the network."""

    code = "not_sent"
    title = "Nothing was sent to the venue"


class BudgetUsedUpError(NotSentError):
    """The venue takes so few more calls at present that the rest is kept for cancels."""

    code = "rate_budget_used_up"
    title = "The venue takes no more calls at present"


class NoKeysError(NotSentError):
    """There are no keys that may be sent to this venue."""

    code = "no_keys"
    title = "There are no keys for the venue"
    transient = False


class NoAnswerError(CallError):
    """The request was sent, at least in part, and no answer that can be trusted came back."""

    code = "no_answer"
    title = "The venue gave no answer"


class RefusedError(CallError):
    """The venue answered that it will not do what was asked.

    Attributes:
        status: The HTTP status, from 400 to 499.
        venue_code: The venue's own code, or "http-403" where it sent none.
        coded: The venue sent a code, so it was the venue that answered and nothing before it.
        limited: The venue's rate limiter turned the request away before anything looked at it.
    """

    code = "refused"
    title = "The venue refuses"

    def __init__(
        self, status: int, venue_code: str | None, message: str, *, limited: bool, retry_after_seconds: float | None
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.status = status
        self.coded = venue_code is not None
        self.venue_code = venue_code or f"http-{status}"
        self.limited = limited
        self.transient = status == HTTPStatus.TOO_MANY_REQUESTS

    @property
    def unauthorised(self) -> bool:
        """Whether it is the keys that are refused. A 403 with a code and words of its own is about the order."""
        if self.status == HTTPStatus.UNAUTHORIZED:
            return True
        return self.status == HTTPStatus.FORBIDDEN and (not self.coded or self.detail == _KEYS_REFUSED)
