"""TOTP seeds (RFC 6238), computed by pyotp; the short seeds that brokers hand out among them."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

import pyotp

from services.auth.errors import EnrolmentError, EnrolmentFault
from services.auth.secret import OneTimeCode, Secret

SHORTEST_SEED_BYTES: Final = 10
_LONGEST_SEED_BYTES: Final = 128
_RECOMMENDED_SEED_BYTES: Final = 14  # 112 bits, NIST SP 800-63B-4; pyotp refuses fewer
_LONGEST_PERIOD_SECONDS: Final = 120
_DIGITS: Final = range(6, 9)
_FILLING: Final = re.compile(r"[\s\-=]+")
_BASE32: Final = re.compile(r"[A-Z2-7]+")


class Algorithm(StrEnum):
    """The hash that codes are made with."""

    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"


_DIGESTS: Final[dict[Algorithm, Callable[..., Any]]] = {
    Algorithm.SHA1: hashlib.sha1,
    Algorithm.SHA256: hashlib.sha256,
    Algorithm.SHA512: hashlib.sha512,
}


class _AnyLengthTotp(pyotp.TOTP):
    """pyotp refuses seeds under 112 bits since 2.10; brokers' usual 16 characters are 80."""

    def byte_secret(self) -> bytes:
        return _decoded(self.secret)


@dataclass(frozen=True, slots=True)
class TotpSeed:
    """A seed and how codes come from it.

    Attributes:
        secret: Base32 without padding, capital letters.
        digits: Length of a code, 6-8.
        period_seconds: Length of a time step, 1-120 s.
    """

    secret: Secret
    digits: int = 6
    period_seconds: int = 30
    algorithm: Algorithm = Algorithm.SHA1

    def __post_init__(self) -> None:
        if self.digits not in _DIGITS or not 1 <= self.period_seconds <= _LONGEST_PERIOD_SECONDS:
            raise EnrolmentError(EnrolmentFault.BAD_PARAMETER)

    @classmethod
    def from_bytes(
        cls, seed: bytes, *, digits: int = 6, period_seconds: int = 30, algorithm: Algorithm = Algorithm.SHA1
    ) -> Self:
        """Take in a seed as bytes.

        Raises:
            EnrolmentError: It is too short or too long, or a parameter is none that codes can be made with.
        """
        if len(seed) < SHORTEST_SEED_BYTES:
            raise EnrolmentError(EnrolmentFault.SEED_TOO_SHORT)
        if len(seed) > _LONGEST_SEED_BYTES:
            raise EnrolmentError(EnrolmentFault.BAD_SEED)
        text = base64.b32encode(seed).decode().rstrip("=")
        return cls(Secret(text), digits, period_seconds, algorithm)

    @classmethod
    def from_text(
        cls, text: str, *, digits: int = 6, period_seconds: int = 30, algorithm: Algorithm = Algorithm.SHA1
    ) -> Self:
        """Take in a seed as a broker shows it: base32 in any case, with spaces and hyphens. Raises `EnrolmentError`."""
        seed = _decoded(_FILLING.sub("", text).upper())
        return cls.from_bytes(seed, digits=digits, period_seconds=period_seconds, algorithm=algorithm)

    @classmethod
    def from_vault(cls, stored: Secret) -> Self:
        """Read what `to_vault` made. Raises `EnrolmentError` if it is something else."""
        try:
            fields = stored.use(json.loads)
            return cls.from_text(
                fields["seed"],
                digits=fields["digits"],
                period_seconds=fields["period_seconds"],
                algorithm=Algorithm(fields["algorithm"]),
            )
        except (ValueError, KeyError, TypeError):
            raise EnrolmentError(EnrolmentFault.BAD_SEED) from None

    def to_vault(self) -> Secret:
        """The seed and its parameters as one secret."""
        fields = {"digits": self.digits, "period_seconds": self.period_seconds, "algorithm": self.algorithm}
        return Secret(self.secret.use(lambda seed: json.dumps({"seed": seed, **fields})))

    @property
    def short(self) -> bool:
        """Whether it has fewer than the 112 bits that are recommended."""
        return self.secret.use(lambda text: len(_decoded(text))) < _RECOMMENDED_SEED_BYTES

    def code(self, step: int) -> OneTimeCode:
        """The code of a time step. Whoever calls this has claimed the step before."""
        digest = _DIGESTS[self.algorithm]
        return OneTimeCode(
            self.secret.use(
                lambda text: _AnyLengthTotp(
                    text, digits=self.digits, digest=digest, interval=self.period_seconds
                ).generate_otp(step)
            )
        )

    def step_at(self, unix_seconds: float) -> int:
        """The time step that holds a moment."""
        return int(unix_seconds // self.period_seconds)


def _decoded(text: str) -> bytes:
    if not _BASE32.fullmatch(text):
        raise EnrolmentError(EnrolmentFault.BAD_SEED)
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        raise EnrolmentError(EnrolmentFault.BAD_SEED) from None
