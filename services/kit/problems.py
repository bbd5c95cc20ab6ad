"""Turns every error into problem details (RFC 9457), counts it and logs it, in one place."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from opentelemetry import trace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.kit.errors import (
    PROBLEM_MEDIA_TYPE,
    InvalidField,
    InvalidRequestError,
    Problem,
    RequestRefusedError,
    SightlineError,
    UnsupportedMediaTypeError,
)
from telemetry.catalogue import REQUEST_REFUSALS
from telemetry.emit.metrics import Metrics

_log = logging.getLogger("services.requests")
_MAX_FIELDS = 50
_MAX_LOCATION = 200
# Parts of pydantic's messages that are made from the value that was sent.
_QUOTES_THE_INPUT = frozenset({"error", "tag", "discriminator"})
_NO_BODY_STATUSES = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
_WANTS_AN_OBJECT = frozenset({"model_attributes_type", "dict_type", "model_type", "list_type", "dataclass_type"})

# What the framework itself answers, in our words. Its own details are not passed on: they may change with a release.
_FRAMEWORK_DETAILS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "The request could not be read; check its body and headers.",
    HTTPStatus.NOT_FOUND: "Nothing is served at this path; /openapi.json lists what is.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path does not take the method; the header `allow` lists those it takes.",
}


class CarriedRefusalError(HTTPException):
    """Carries a refusal through the framework, which makes status 400 of other errors while it reads a body."""

    def __init__(self, refusal: RequestRefusedError) -> None:
        super().__init__(int(refusal.status_code))
        self.refusal = refusal


class Problems:
    """Answers errors. Refusals are counted by reason and logged as warnings, failures as errors with traceback."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def answer(self, error: Exception) -> Response:
        """The response to an error. Counts and logs it, so call it once for each."""
        if isinstance(error, CarriedRefusalError):
            return self._refused(error.refusal)
        if isinstance(error, RequestRefusedError):
            return self._refused(error)
        if isinstance(error, SightlineError):
            return self._told(error)
        if isinstance(error, HTTPException):
            return self._of_framework(error)
        return self._failed(error)

    async def handle(self, request: Request, error: Exception) -> Response:
        """Handler for the framework's table of exception handlers."""
        if isinstance(error, RequestValidationError):
            return self.answer(refusal_of(error, request.headers.get("content-type")))
        return self.answer(error)

    def _refused(self, error: RequestRefusedError) -> Response:
        self._metrics.counter(REQUEST_REFUSALS, reason=error.reason).inc()
        _log.warning("request refused: %s", error.reason, extra={"fields": {"code": error.code}})
        errors = error.fields if isinstance(error, InvalidRequestError) else None
        return _problem_of(error, errors)

    def _told(self, error: SightlineError) -> Response:
        if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            # Foreseen, and told in words: where it was raised does not matter.
            _log.warning("request failed: %s: %s", error.code, error.detail)
        elif error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("request failed: %s", error.code, exc_info=error)
        return _problem_of(error, None)

    def _of_framework(self, error: HTTPException) -> Response:
        status = error.status_code
        headers = dict(error.headers or {})
        if status in _NO_BODY_STATUSES:
            return Response(status_code=status, headers=headers)
        phrase = _phrase(status)
        detail = _FRAMEWORK_DETAILS.get(status, f"{phrase}.")
        return problem_response(status, phrase.lower().replace(" ", "_"), phrase, detail, headers=headers)

    def _failed(self, error: Exception) -> Response:
        self._metrics.counter(REQUEST_REFUSALS, reason="unhandled_error").inc()
        trace.get_current_span().set_attribute("exception.type", type(error).__qualname__)
        _log.error("request failed: %s", type(error).__qualname__, exc_info=error)
        trace_id = current_trace_id()
        where = f"run `sightline trace {trace_id}`" if trace_id else "see the service's log"
        return problem_response(
            SightlineError.status_code,
            SightlineError.code,
            SightlineError.title,
            f"This is a fault of the service, not of the request; to find out what happened, {where}.",
        )


def current_trace_id() -> str:
    """The trace id of the current span, 32 hexadecimal digits, or "" outside a span."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


def problem_response(  # noqa: PLR0913 -- one argument for each member of a problem
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    errors: Sequence[InvalidField] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response of media type application/problem+json."""
    problem = Problem(
        type=f"urn:sightline:problem:{code.replace('_', '-')}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        trace_id=current_trace_id(),
        errors=tuple(errors) if errors is not None else None,
    )
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers={"cache-control": "no-store", **(headers or {})},
    )


def refusal_of(error: RequestValidationError, content_type: str | None) -> RequestRefusedError:
    """What a failed validation means: the wrong media type, or fields that do not fit."""
    details: Sequence[Any] = error.errors()
    if any(_body_was_not_parsed(detail) for detail in details) and not _is_json(content_type):
        return UnsupportedMediaTypeError()
    return InvalidRequestError([_field(detail) for detail in details[:_MAX_FIELDS]])


def _problem_of(error: SightlineError, errors: Sequence[InvalidField] | None) -> Response:
    return problem_response(
        int(error.status_code),
        error.code,
        error.title,
        error.detail or f"{error.title}.",
        errors=errors,
        headers=error.headers,
    )


def _field(detail: Mapping[str, Any]) -> InvalidField:
    kind = str(detail["type"])
    message = str(detail["msg"])
    if kind == "json_invalid":
        # Its location is a position in the text that was sent.
        return InvalidField(location="body", message="This is not valid JSON")
    if kind == "extra_forbidden":
        message = "There is no such field"
    elif not _QUOTES_THE_INPUT.isdisjoint(detail.get("ctx", {})):
        message = f"The value is not acceptable ({kind.replace('_', ' ')})"
    return InvalidField(location=_dotted(detail["loc"]), message=message)


def _dotted(location: Sequence[object]) -> str:
    return ".".join(str(part) for part in location)[:_MAX_LOCATION]


def _body_was_not_parsed(detail: Mapping[str, Any]) -> bool:
    return tuple(detail["loc"]) == ("body",) and detail["type"] in _WANTS_AN_OBJECT


def _is_json(content_type: str | None) -> bool:
    essence = (content_type or "").partition(";")[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
