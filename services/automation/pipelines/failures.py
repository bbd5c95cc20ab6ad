"""Which kind of failure an error is: that decides whether trying again may help."""

from dataclasses import dataclass
from http import HTTPStatus

from services.contracts.pipelines import FailureClass
from services.kit.errors import SightlineError, UnavailableError
from services.kit.http_client import RemoteError, RemoteUnavailableError

_LONGEST_DETAIL = 500  # characters


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed try.

    Attributes:
        wait_seconds: How long the server asked to wait, or None when it did not say.
    """

    kind: FailureClass
    detail: str
    wait_seconds: float | None = None


class FailedError(SightlineError):
    """A step's own way to say what kind of failure it met."""

    code = "step_failed"
    title = "A step failed"

    def __init__(self, kind: FailureClass, detail: str, *, wait_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.wait_seconds = wait_seconds


class RunOverError(SightlineError):
    """The run takes no further step; no failure of a step, so it is neither tried again nor kept."""


class LeaseLostError(RunOverError):
    """Another run works on the same target now."""

    code = "lease_lost"
    title = "Another run works on this target"


class RunCanceledError(RunOverError):
    """Somebody ended the run while it was in a step."""

    code = "run_canceled"
    title = "The run was canceled"


def failure_of(error: Exception) -> Failure:
    """What kind of failure `error` is.

    A service that cannot be reached was never asked, and one that answers 503 did nothing. An answer that did not come
    in time may stand for something that was done; the services' own calls are idempotent by their key, so such a call
    is repeated, and what is not says UNKNOWN itself by `FailedError`. What is no failure of the outside is a mistake in
    the step: it ends the run and is told with its type alone, since its words may hold anything.
    """
    if isinstance(error, FailedError):
        return Failure(error.kind, error.detail[:_LONGEST_DETAIL], error.wait_seconds)
    if isinstance(error, RemoteError):
        return Failure(_by_status(error.status), error.detail[:_LONGEST_DETAIL])
    if isinstance(error, RemoteUnavailableError | UnavailableError):
        return Failure(FailureClass.TRANSIENT, error.detail[:_LONGEST_DETAIL])
    if isinstance(error, SightlineError):
        return Failure(FailureClass.DEFINITIVE, error.detail[:_LONGEST_DETAIL])
    return Failure(FailureClass.DEFINITIVE, f"{type(error).__name__}; the log has the traceback")


def _by_status(status: int) -> FailureClass:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return FailureClass.AUTH
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return FailureClass.THROTTLED
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return FailureClass.TRANSIENT
    return FailureClass.DEFINITIVE
