"""The verdict: auth's signed word that an account may be traded now, and how its receiver checks that word.

A token is `v1.<key id>.<payload>.<signature>`, the last two in base64url without padding. The Ed25519 signature covers
everything before its own dot, so neither the version nor the key id can be exchanged. There is one algorithm and no
header that could name another.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, NewType, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

LONGEST_LIFE: Final = timedelta(seconds=120)
CLOCK_LEEWAY: Final = timedelta(seconds=2)

_VERSION: Final = "v1"
_LONGEST_TOKEN: Final = 8_192  # characters
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

SettingsDigest = NewType("SettingsDigest", str)
"""SHA-256 of the trading settings that were in force when the checks ran, in 64 hexadecimal digits."""


class Environment(StrEnum):
    """Which money an account moves."""

    PAPER = "paper"
    LIVE = "live"


class Verdict(BaseModel):
    """What auth vouches for: this account, in this environment, under these settings, until `expires_at`.

    Attributes:
        verdict_id: Names the verdict in logs and audit rows.
        warnings: Ids of the checks that passed with a warning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict_id: str = Field(min_length=1, max_length=64)
    account: str = Field(min_length=1, max_length=200)
    environment: Environment
    settings_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    issued_at: AwareDatetime
    expires_at: AwareDatetime
    warnings: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _lives_briefly(self) -> Self:
        if not timedelta(0) < self.expires_at - self.issued_at <= LONGEST_LIFE:
            raise ValueError(f"a verdict lives more than 0 and at most {LONGEST_LIFE.total_seconds():.0f} seconds")
        return self


class VerdictError(Exception):
    """A token does not vouch for what its receiver is about to do. `code` is a stable word for why."""

    code: ClassVar[str] = "VERDICT_INVALID"


class VerdictMalformedError(VerdictError):
    """It is not a verdict's token."""

    code = "VERDICT_MALFORMED"


class VerdictForgedError(VerdictError):
    """Its signature is not one of auth's."""

    code = "VERDICT_FORGED"


class VerdictExpiredError(VerdictError):
    """Its life is over."""

    code = "VERDICT_EXPIRED"


class VerdictNotYetValidError(VerdictError):
    """It was signed in the future: one of the two clocks is wrong."""

    code = "VERDICT_NOT_YET_VALID"


class VerdictForeignError(VerdictError):
    """It is about another account, environment or set of settings."""

    code = "VERDICT_FOREIGN"


class VerdictRevokedError(VerdictError):
    """Auth took it back."""

    code = "VERDICT_REVOKED"


def sign(verdict: Verdict, key: Ed25519PrivateKey, *, key_id: str) -> str:
    """Make the token of a verdict. `key_id` says which public key checks it: 1-64 letters, digits, "_" or "-".

    Raises:
        ValueError: The key id has another form.
    """
    if not _KEY_ID.fullmatch(key_id):
        raise ValueError("a verdict's key id is 1-64 letters, digits, underscores or hyphens")
    signed = f"{_VERSION}.{key_id}.{_encode(verdict.model_dump_json().encode())}"
    return f"{signed}.{_encode(key.sign(signed.encode()))}"


class VerdictVerifier:
    """Checks tokens against auth's public keys, by key id. Holds no other state and asks nobody."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._keys = dict(keys)

    def verify(  # noqa: PLR0913 -- everything that a verdict is bound to, each by its name
        self,
        token: str,
        *,
        account: str,
        environment: Environment,
        settings_digest: str,
        now: datetime,
        revoked_until: datetime | None = None,
    ) -> Verdict:
        """Return the verdict if it vouches for exactly this, now.

        Args:
            token: What auth handed out.
            account: The account about to be traded.
            environment: The environment that its orders would go to.
            settings_digest: Digest of the settings now in force.
            now: The present moment; a verdict may lie up to `CLOCK_LEEWAY` in the future.
            revoked_until: Verdicts signed at or before this moment were taken back.

        Raises:
            VerdictError: One of its leaves, named after what is wrong.
        """
        verdict = self._open(token)
        asked = (account, environment, settings_digest)
        if (verdict.account, verdict.environment, verdict.settings_digest) != asked:
            raise VerdictForeignError(_difference(verdict, asked))
        if verdict.issued_at - now > CLOCK_LEEWAY:
            raise VerdictNotYetValidError("The verdict was signed in the future. Check the clocks of both hosts.")
        if now >= verdict.expires_at:
            raise VerdictExpiredError("The verdict has expired. Ask auth for a new preflight.")
        if revoked_until is not None and verdict.issued_at <= revoked_until:
            raise VerdictRevokedError("The verdict was revoked. Ask auth for a new preflight.")
        return verdict

    def _open(self, token: str) -> Verdict:
        signed, _, signature = token.rpartition(".")
        parts = signed.split(".")
        if len(token) > _LONGEST_TOKEN or len(parts) != 3 or parts[0] != _VERSION:  # noqa: PLR2004 -- version.key.payload
            raise VerdictMalformedError("This is not a verdict of version 1.")
        key = self._keys.get(parts[1])
        if key is None:
            raise VerdictForgedError("The verdict is signed by a key that auth has not published.")
        try:
            key.verify(_decode(signature), signed.encode())
        except InvalidSignature:
            raise VerdictForgedError("The verdict's signature is wrong.") from None
        try:
            return Verdict.model_validate_json(_decode(parts[2]))
        except ValidationError:
            raise VerdictMalformedError("The verdict's fields do not fit version 1.") from None


def _difference(verdict: Verdict, asked: tuple[str, Environment, str]) -> str:
    if verdict.account != asked[0]:
        return "The verdict is about another account."
    if verdict.environment != asked[1]:
        return f"The verdict is about {verdict.environment} trading, not {asked[1]}."
    return "The trading settings have changed since the verdict. Ask auth for a new preflight."


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
        decoded = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise VerdictMalformedError("The verdict is not base64url.") from None
    if _encode(decoded) != text:
        # The last character has unused bits: without this, several tokens would stand for one signature.
        raise VerdictMalformedError("The verdict is not base64url in its one canonical form.")
    return decoded
