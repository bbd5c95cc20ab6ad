"""What Alpaca answers when it will not do something: a status and a body of `code` and `message`.

The codes and texts are those of https://docs.alpaca.markets and of answers that users of the API have published.
"""

from http import HTTPStatus
from typing import ClassVar

from services.kit.errors import SightlineError


class BrokerError(SightlineError):
    """Root of the paper broker's refusals.

    Attributes:
        number: Alpaca's code.
        more: Further fields of the body.
    """

    number: ClassVar[int] = 50010000

    def __init__(self, detail: str, **more: object) -> None:
        super().__init__(detail)
        self.more = more

    def body(self) -> dict[str, object]:
        """The body of the answer."""
        return {"code": self.number, "message": self.detail, **self.more}


class BadBodyError(BrokerError):
    status_code = HTTPStatus.BAD_REQUEST
    code = "bad_body"
    title = "The body is no JSON object"
    number = 40010000


class NotAuthorizedError(BrokerError):
    status_code = HTTPStatus.UNAUTHORIZED
    code = "not_authorized"
    title = "The key is not known, or no longer"
    number = 40110000

    def __init__(self) -> None:
        super().__init__("request is not authorized")


class ForbiddenError(BrokerError):
    """The account may not do this, or cannot afford it."""

    status_code = HTTPStatus.FORBIDDEN
    code = "forbidden"
    title = "The account may not do this"
    number = 40310000


class MissingError(BrokerError):
    status_code = HTTPStatus.NOT_FOUND
    code = "not_found"
    title = "There is no such thing"
    number = 40410000


class MethodError(BrokerError):
    status_code = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"
    title = "The path does not take this method"
    number = 40510000


class TooLargeError(BrokerError):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body_too_large"
    title = "The body is too large"
    number = 41310000


class InvalidError(BrokerError):
    """A field does not fit, or the client order id was used before."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid"
    title = "A field does not fit"
    number = 40010001


class UnprocessableError(BrokerError):
    """The request is well formed and the present state, or a rule of trading, does not allow it."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "unprocessable"
    title = "The order does not allow this"
    number = 42210000


class TooManyRequestsError(BrokerError):
    status_code = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_requests"
    title = "The account sends too many requests"
    number = 42910000

    def __init__(self) -> None:
        super().__init__("too many requests.")
