"""The root of every error, and what a caller is told of it: problem details (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

PROBLEM_MEDIA_TYPE = "application/problem+json"


class InvalidField(BaseModel):
    """One field of a request that was refused. Never holds the value that was sent."""

    model_config = ConfigDict(frozen=True)

    location: str
    message: str


class Problem(BaseModel):
    """The body of every error response.

    Attributes:
        type: A URN made of the code, for programs that sort problems.
        title: What happened, the same for every occurrence of the code.
        status: The HTTP status.
        detail: What happened this time and what to do about it.
        code: A stable word for the problem.
        trace_id: The trace that holds the request; `sightline trace ID` shows it. Empty outside a trace.
        errors: The fields that were refused, for `invalid_request` only.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    errors: tuple[InvalidField, ...] | None = None


class SightlineError(Exception):
    """Root of Sightline's errors. A subclass is named after the fact and sets the three class attributes.

    The message is shown to the caller: it says what to do and never holds a secret or, in authentication, anything
    that the caller sent.
    """

    status_code: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "The service failed"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the response carries, such as Retry-After."""
        return {}


class RequestRefusedError(SightlineError):
    """Root of what turns a request away before a handler runs.

    Attributes:
        reason: A value of the reason label of REQUEST_REFUSALS.
    """

    status_code = HTTPStatus.BAD_REQUEST
    code = "request_refused"
    title = "The request was refused"
    reason: ClassVar[str] = "invalid_request"


class BodyTooLargeError(RequestRefusedError):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body_too_large"
    title = "The body is too large"
    reason = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"Send at most {limit_bytes} bytes in one request.")


class InvalidRequestError(RequestRefusedError):
    """The request does not fit the interface; `fields` says where."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_request"
    title = "The request does not fit the interface"
    reason = "invalid_request"

    def __init__(self, fields: Sequence[InvalidField]) -> None:
        count = len(fields)
        super().__init__(
            f"{count} field{'' if count == 1 else 's'} refused; `errors` names each, /openapi.json describes all."
        )
        self.fields = tuple(fields)


class UnsupportedMediaTypeError(RequestRefusedError):
    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"
    title = "The body's media type is not understood"
    reason = "invalid_request"

    def __init__(self) -> None:
        super().__init__("Send JSON with the header `content-type: application/json`.")


class NotFoundError(SightlineError):
    """What was asked for does not exist."""

    status_code = HTTPStatus.NOT_FOUND
    code = "not_found"
    title = "There is no such thing"


class ConflictError(SightlineError):
    """The present state does not allow what was asked."""

    status_code = HTTPStatus.CONFLICT
    code = "conflict"
    title = "The present state does not allow this"


class UnavailableError(SightlineError):
    """Something that the request needs is away; the same request may succeed later."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    title = "Something this needs is away"


class StartError(SightlineError):
    """The service cannot start. The message says what to change; `exit_status` follows sysexits.h.

    78 (EX_CONFIG) is for what a person must change first; a supervisor does not help by trying again.
    """

    code = "cannot_start"
    title = "The service cannot start"
    exit_status: ClassVar[int] = 78
