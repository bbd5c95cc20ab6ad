"""Caller tokens: Ed25519 signatures of 60 seconds, bound to one request and good for one use."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from services.contracts.ids import CallerName
from services.kit.callers import Callers, KnownCaller
from services.kit.clock import Clock
from services.kit.identity_errors import (
    TokenBadSignatureError,
    TokenExpiredError,
    TokenMalformedError,
    TokenNotYetValidError,
    TokenReplayedError,
    TokenUnknownCallerError,
    TokenWrongRequestError,
)
from services.kit.ids import Randomness, SystemRandomness

LIFE_SECONDS: Final = 60
LEEWAY_SECONDS: Final = 5
_ALGORITHM: Final = "EdDSA"
# A type of its own: nothing else that these keys may ever sign can be taken for a caller token.
_HEADER: Final = {"alg": _ALGORITHM, "typ": "sightline-caller+jwt"}
_MAX_TOKEN_CHARACTERS: Final = 4096
_SEGMENTS: Final = 3
# The claims are compared by `_CallerClaims` and against our own clock, so PyJWT checks the signature only.
_SIGNATURE_ONLY: Final[Any] = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
    "require": [],
}


class _CallerClaims(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    iss: str
    aud: str
    iat: int
    exp: int
    jti: Annotated[str, StringConstraints(min_length=16, max_length=64)]
    htm: str
    htp: str
    bh: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made a request. `token_name` is set when a fixed bearer token, not a signature, said so."""

    name: CallerName
    scopes: frozenset[str]
    token_name: str = ""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token whose signature, time and request are right; its body and its first use are still to be checked."""

    caller: KnownCaller
    token_id: str
    body_hash: str
    expires_at: int


class SpentTokens(Protocol):
    """What the verifier needs to know of earlier tokens."""

    def spend(self, token_id: str, expires_at: float) -> bool:
        """Use a token up. False when it was used before.

        Args:
            token_id: At most 64 characters.
            expires_at: Unix seconds from which on nobody would accept the token anyway.
        """


class CallerSigner:
    """Signs the requests that one caller makes."""

    def __init__(
        self, name: str, private_key: Ed25519PrivateKey, clock: Clock, randomness: Randomness | None = None
    ) -> None:
        self._name = name
        self._private_key = private_key
        self._clock = clock
        self._randomness = randomness or SystemRandomness()

    def headers(self, method: str, target: str, body: bytes, *, audience: str) -> dict[str, str]:
        """Headers that prove who sends one request.

        Args:
            method: The HTTP method.
            target: Path and query exactly as they are sent, "/alerts?state=firing".
            body: The body, b"" for none.
            audience: Name of the service that is called.
        """
        issued = int(self._clock.now().timestamp())
        claims = {
            "iss": self._name,
            "aud": audience,
            "iat": issued,
            "exp": issued + LIFE_SECONDS,
            "jti": self._randomness.token(),
            "htm": method,
            "htp": target,
            "bh": hash_of(body),
        }
        token = jwt.encode(claims, self._private_key, algorithm=_ALGORITHM, headers={"typ": _HEADER["typ"]})
        return {"authorization": f"Bearer {token}"}


class CallerVerifier:
    """Checks caller tokens for the service named `audience`."""

    def __init__(self, callers: Callers, spent_tokens: SpentTokens, clock: Clock, *, audience: str) -> None:
        self._callers = callers
        self._spent_tokens = spent_tokens
        self._clock = clock
        self._audience = audience

    def verify(self, token: str, method: str, target: str) -> VerifiedToken:
        """Check everything but the body, so that nobody without a key can make us read one.

        Raises:
            CallerRefusedError: One of its subclasses for each way a token can be wrong.
        """
        caller = self._caller_of(token)
        claims = _claims_of(token, caller)
        self._check_time(claims)
        if (claims.aud, claims.htm, claims.htp) != (self._audience, method, target):
            raise TokenWrongRequestError
        # Of the caller and its id together, so that no caller can spend what belongs to another.
        token_id = hashlib.sha256(f"{claims.iss}\n{claims.jti}".encode()).hexdigest()
        return VerifiedToken(caller, token_id, claims.bh, claims.exp)

    def accept(self, token: VerifiedToken, body: bytes) -> Caller:
        """Check the body and spend the token. Writes to the database: call it off the event loop.

        Raises:
            TokenWrongRequestError: The body is not the one that was signed.
            TokenReplayedError: The token was accepted before, by this process or another.
        """
        if not hmac.compare_digest(token.body_hash.encode(), hash_of(body).encode()):
            raise TokenWrongRequestError
        if not self._spent_tokens.spend(token.token_id, token.expires_at + LEEWAY_SECONDS):
            raise TokenReplayedError
        return Caller(token.caller.name, token.caller.scopes)

    def _caller_of(self, token: str) -> KnownCaller:
        if not _is_canonical(token):
            raise TokenMalformedError
        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise TokenMalformedError from None
        if unverified["header"] != _HEADER:
            raise TokenMalformedError
        issuer = unverified["payload"].get("iss")
        caller = self._callers.find(issuer) if isinstance(issuer, str) else None
        if caller is None:
            raise TokenUnknownCallerError
        return caller

    def _check_time(self, claims: _CallerClaims) -> None:
        now = self._clock.now().timestamp()
        if not 0 < claims.exp - claims.iat <= LIFE_SECONDS:
            raise TokenMalformedError
        if claims.iat > now + LEEWAY_SECONDS:
            raise TokenNotYetValidError
        if now >= claims.exp + LEEWAY_SECONDS:
            raise TokenExpiredError


def hash_of(body: bytes) -> str:
    """SHA-256 of a body in URL-safe base64 without padding, the form of the claim `bh`."""
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


def _claims_of(token: str, caller: KnownCaller) -> _CallerClaims:
    try:
        payload = jwt.decode(token, caller.public_key, algorithms=[_ALGORITHM], options=_SIGNATURE_ONLY)
    except jwt.InvalidSignatureError:
        raise TokenBadSignatureError from None
    except (jwt.PyJWTError, ValueError):
        raise TokenMalformedError from None
    try:
        return _CallerClaims.model_validate(payload)
    except ValidationError:
        raise TokenMalformedError from None


def _is_canonical(token: str) -> bool:
    """Whether each segment is what its bytes encode to.

    Base64 leaves bits unused in a last character and decoders pass over padding: without this check several texts
    would carry one signature.
    """
    if len(token) > _MAX_TOKEN_CHARACTERS or not token.isascii():
        return False
    segments = token.split(".")
    return len(segments) == _SEGMENTS and all(_segment_is_canonical(segment) for segment in segments)


def _segment_is_canonical(segment: str) -> bool:
    try:
        raw = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return False
    return bool(raw) and base64.urlsafe_b64encode(raw).decode().rstrip("=") == segment
