"""A wrapping key kept by the operating system's keyring (extra `keyring`)."""

import base64
import binascii
import importlib
import os
from typing import Final, Protocol

from services.auth.errors import KeyProviderUnavailableError, WrongKeyError
from services.auth.vault.keys import KEY_BYTES, LocalKey, NewKey, Parameters, fingerprint

_SERVICE: Final = "sightline-auth"
_CURRENT: Final = "current"


class Keyring(Protocol):
    """The two calls of the `keyring` package that are needed here."""

    def get_password(self, service_name: str, username: str) -> str | None:
        """The stored text, or None."""

    def set_password(self, service_name: str, username: str, password: str) -> None:
        """Store a text."""


def system_keyring() -> Keyring:
    """The machine's keyring.

    Raises:
        KeyProviderUnavailableError: The extra is not installed.
    """
    try:
        # By name: the package is an extra, and a type checker without it must still pass.
        module: Keyring = importlib.import_module("keyring")
    except ImportError:
        raise KeyProviderUnavailableError(
            "Install the keyring support with `pip install sightline[keyring]`."
        ) from None
    return module


class KeyringProvider:
    """Keeps a random key under `entry` in the keyring; to rotate, give another entry."""

    name: Final = "os_keyring"

    def __init__(self, keyring: Keyring, entry: str = _CURRENT) -> None:
        self._keyring = keyring
        self._entry = entry

    def create(self) -> NewKey:
        key = self._stored()
        if key is None:
            key = os.urandom(KEY_BYTES)
            self._store(key)
        return NewKey(LocalKey(_kek_id(key), key), {"entry": self._entry})

    def load(self, kek_id: str, parameters: Parameters) -> LocalKey:
        key = self._stored()
        if key is None or _kek_id(key) != kek_id:
            raise WrongKeyError(f"The keyring does not hold the key in use, made as {parameters.get('entry')!r}.")
        return LocalKey(kek_id, key)

    def _stored(self) -> bytes | None:
        try:
            text = self._keyring.get_password(_SERVICE, self._entry)
        except Exception as error:  # noqa: BLE001 -- backends raise errors of their own, unknown here
            raise _away(error) from None
        if text is None:
            return None
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise WrongKeyError("The keyring's entry is not a wrapping key of Sightline.")
        return key

    def _store(self, key: bytes) -> None:
        try:
            self._keyring.set_password(_SERVICE, self._entry, base64.b64encode(key).decode())
        except Exception as error:  # noqa: BLE001 -- backends raise errors of their own, unknown here
            raise _away(error) from None


def _away(error: Exception) -> KeyProviderUnavailableError:
    # D-Bus, Keychain, Credential Manager: the texts of their errors are not ours to repeat.
    return KeyProviderUnavailableError(
        f"The operating system's keyring does not answer ({type(error).__name__}). Unlock it, or use a key file."
    )


def _kek_id(key: bytes) -> str:
    return f"keyring-{fingerprint(key)}"
