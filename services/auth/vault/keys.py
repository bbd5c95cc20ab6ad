"""Wrapping keys: what they do, and where they come from."""

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.auth.errors import RecordDoesNotOpenError

KEY_BYTES = 32
NONCE_BYTES = 12

Parameters = Mapping[str, str | int]


class WrappingKey(Protocol):
    """Wraps the data keys of records. Its own bytes may be elsewhere."""

    @property
    def kek_id(self) -> str:
        """Names the key in each record: 1-64 letters, digits, "_" or "-"."""

    def wrap(self, data_key: bytes, binding: bytes) -> bytes:
        """Encrypt a data key, bound to `binding`. Raises `KeyProviderUnavailableError`."""

    def unwrap(self, wrapped: bytes, binding: bytes) -> bytes:
        """Decrypt a data key. Raises `RecordDoesNotOpenError` or `KeyProviderUnavailableError`."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A wrapping key and what its provider needs to give it again; the parameters are not secret."""

    key: WrappingKey
    parameters: Parameters


class KeyProvider(Protocol):
    """A source of wrapping keys."""

    @property
    def name(self) -> str:
        """Which kind of provider: stored with the key, so that `unseal` knows whom to ask."""

    def create(self) -> NewKey:
        """Give the key that new records shall be wrapped by; make it where there is none yet.

        Raises:
            AuthError: The provider is away or its source is not fit.
        """

    def load(self, kek_id: str, parameters: Parameters) -> WrappingKey:
        """Give the key that `create` gave, by what was stored of it.

        Whether it is the right one is for the caller to prove: a wrong passphrase gives a key too.

        Raises:
            WrongKeyError: The provider can tell that it has another key.
            AuthError: The provider is away or its source is not fit.
        """


class LocalKey:
    """A 256-bit wrapping key in this process' memory."""

    __slots__ = ("_cipher", "_kek_id")

    def __init__(self, kek_id: str, key: bytes) -> None:
        self._kek_id = kek_id
        self._cipher = AESGCM(key)

    @property
    def kek_id(self) -> str:
        return self._kek_id

    def wrap(self, data_key: bytes, binding: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, binding)

    def unwrap(self, wrapped: bytes, binding: bytes) -> bytes:
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], binding)
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
            raise RecordDoesNotOpenError from None


def fingerprint(key: bytes) -> str:
    """A name for a random key that tells nothing of it: 16 hexadecimal digits."""
    return hmac.digest(key, b"sightline wrapping key", "sha256").hex()[:16]
