"""Why a caller was turned away. No text here holds anything that the caller sent."""

from collections.abc import Mapping
from http import HTTPStatus

from services.kit.errors import RequestRefusedError


class CallerRefusedError(RequestRefusedError):
    """Root of the refusals of a caller; `remedy` is what the caller can do."""

    status_code = HTTPStatus.UNAUTHORIZED
    code = "caller_refused"
    title = "The caller was not recognised"
    reason = "token_malformed"
    remedy = "Sign the request with the caller's key."

    def __init__(self) -> None:
        super().__init__(self.remedy)

    @property
    def headers(self) -> Mapping[str, str]:
        return {"www-authenticate": 'Bearer realm="sightline"'}


class TokenMissingError(CallerRefusedError):
    code = "token_missing"
    title = "The request carries no caller token"
    reason = "token_missing"
    remedy = "Send a caller token in the header `authorization: Bearer TOKEN`; docs/services.md shows how one is made."


class TokenMalformedError(CallerRefusedError):
    code = "token_malformed"
    title = "The caller token cannot be read"
    reason = "token_malformed"
    remedy = "Sign with EdDSA and exactly the claims that docs/services.md lists; a token lives 60 seconds at most."


class TokenUnknownCallerError(CallerRefusedError):
    code = "token_unknown_caller"
    title = "The caller is not known"
    reason = "token_unknown_caller"
    remedy = "Enter the caller's public key and scopes into the callers' file; it is read again at once."


class TokenBadSignatureError(CallerRefusedError):
    code = "token_bad_signature"
    title = "The caller token's signature is not right"
    reason = "token_bad_signature"
    remedy = "Sign with the private key that belongs to the public key in the callers' file."


class TokenExpiredError(CallerRefusedError):
    code = "token_expired"
    title = "The caller token has expired"
    reason = "token_expired"
    remedy = "Make a new token for each request, and compare the clocks of both machines."


class TokenNotYetValidError(CallerRefusedError):
    code = "token_not_yet_valid"
    title = "The caller token was made in the future"
    reason = "token_not_yet_valid"
    remedy = "Compare the clocks of both machines."


class TokenWrongRequestError(CallerRefusedError):
    code = "token_wrong_request"
    title = "The caller token was made for another request"
    reason = "token_wrong_request"
    remedy = "Sign the service's name, the method, the path with its query and the body exactly as they are sent."


class TokenReplayedError(CallerRefusedError):
    code = "token_replayed"
    title = "The caller token was used before"
    reason = "token_replayed"
    remedy = "Make a new token for each request, also for a retry."


class ScopeMissingError(RequestRefusedError):
    """The caller is known and may not do this. `scope` is the service's own word, not the caller's."""

    status_code = HTTPStatus.FORBIDDEN
    code = "scope_missing"
    title = "The caller may not do this"
    reason = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"Add the scope `{scope}` to the caller in the callers' file, if it is meant to do this.")
