"""The form of a stored secret: `v1.<kek_id>.<wrapped_dek>.<nonce>.<ciphertext>`.

AES-256-GCM with a fresh data key for every write; the wrapping key `kek_id` wraps the data key. Both steps authenticate
where the record belongs, so a record that is moved to another row, or an older one put back under a newer generation,
does not open. The three last parts are base64url without padding.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.auth.errors import KeyMissingError, RecordDoesNotOpenError
from services.auth.vault.keys import KEY_BYTES, NONCE_BYTES, WrappingKey

_VERSION: Final = "v1"
_PARTS: Final = 5
_KEK_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a record belongs."""

    table: str
    record_id: str
    account: str
    kind: str
    generation: int

    def encode(self, purpose: str) -> bytes:
        """The same, unambiguous, as bytes to authenticate; `purpose` keeps the two layers apart."""
        parts = (_VERSION, purpose, self.table, self.record_id, self.account, self.kind, str(self.generation))
        return framed(parts)


@dataclass(frozen=True, slots=True)
class _Record:
    kek_id: str
    wrapped: bytes
    nonce: bytes
    ciphertext: bytes

    def __str__(self) -> str:
        parts = (self.wrapped, self.nonce, self.ciphertext)
        return ".".join((_VERSION, self.kek_id, *(_encode(part) for part in parts)))


def framed(parts: tuple[str, ...]) -> bytes:
    """The parts, each after its length in bytes, so that no two sequences give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def seal(key: WrappingKey, binding: Binding, plaintext: bytes) -> str:
    """Encrypt under a fresh data key and wrap that.

    Raises:
        KeyProviderUnavailableError: The wrapping key is elsewhere and does not answer.
    """
    if not _KEK_ID.fullmatch(key.kek_id):
        raise ValueError("a wrapping key's id is 1-64 letters, digits, underscores or hyphens")
    data_key = AESGCM.generate_key(KEY_BYTES * 8)
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, binding.encode("data"))
    return str(_Record(key.kek_id, key.wrap(data_key, _key_binding(key.kek_id, binding)), nonce, ciphertext))


def unseal(keys: Mapping[str, WrappingKey], binding: Binding, record: str) -> bytes:
    """Decrypt a record that belongs to `binding`.

    Raises:
        RecordDoesNotOpenError: It was altered, moved, or is no record.
        KeyMissingError: Its wrapping key is not among `keys`.
        KeyProviderUnavailableError: The wrapping key is elsewhere and does not answer.
    """
    parsed = _parse(record)
    data_key = _unwrapped(keys, binding, parsed)
    try:
        return AESGCM(data_key).decrypt(parsed.nonce, parsed.ciphertext, binding.encode("data"))
    except (InvalidTag, ValueError):
        raise RecordDoesNotOpenError from None


def rewrap(keys: Mapping[str, WrappingKey], new_key: WrappingKey, binding: Binding, record: str) -> str:
    """The same record with its data key wrapped by `new_key`; the secret itself is not decrypted.

    Raises:
        AuthError: As for `unseal`.
    """
    parsed = _parse(record)
    data_key = _unwrapped(keys, binding, parsed)
    wrapped = new_key.wrap(data_key, _key_binding(new_key.kek_id, binding))
    return str(_Record(new_key.kek_id, wrapped, parsed.nonce, parsed.ciphertext))


def kek_id_of(record: str) -> str:
    """Name of the key that wraps the record. Raises `RecordDoesNotOpenError`."""
    return _parse(record).kek_id


def _unwrapped(keys: Mapping[str, WrappingKey], binding: Binding, record: _Record) -> bytes:
    key = keys.get(record.kek_id)
    if key is None:
        raise KeyMissingError("The record is wrapped by a key that is not loaded. Unseal with every key in use.")
    data_key = key.unwrap(record.wrapped, _key_binding(record.kek_id, binding))
    if len(data_key) != KEY_BYTES:
        raise RecordDoesNotOpenError
    return data_key


def _key_binding(kek_id: str, binding: Binding) -> bytes:
    return binding.encode(f"key {kek_id}")


def _parse(record: str) -> _Record:
    parts = record.split(".")
    if len(parts) != _PARTS or parts[0] != _VERSION or not _KEK_ID.fullmatch(parts[1]):
        raise RecordDoesNotOpenError
    return _Record(parts[1], _decode(parts[2]), _decode(parts[3]), _decode(parts[4]))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
        decoded = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise RecordDoesNotOpenError from None
    if _encode(decoded) != text:
        raise RecordDoesNotOpenError  # one record, one spelling
    return decoded
