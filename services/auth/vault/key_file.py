"""A wrapping key in a file that only its owner can read."""

import base64
import binascii
import os
from pathlib import Path
from typing import Final

from services.auth.errors import KeyFileUnfitError, WrongKeyError
from services.auth.vault.keys import KEY_BYTES, LocalKey, NewKey, Parameters, fingerprint
from services.kit.secret_files import SecretFileError, SecretFileMissingError, read_secret, write_new_secret


class KeyFileProvider:
    """Reads the key from `path`; `create` writes a random one there if there is no file yet.

    A file that others can read, that belongs to another user or that is a symbolic link is refused with
    `KeyFileUnfitError`, which names the path and the wanted mode.
    """

    name: Final = "key_file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> NewKey:
        key = self._read() if self._path.exists() or self._path.is_symlink() else self._made()
        return NewKey(LocalKey(_kek_id(key), key), {"path": str(self._path)})

    def load(self, kek_id: str, parameters: Parameters) -> LocalKey:
        key = self._read()
        if _kek_id(key) != kek_id:
            raise WrongKeyError(
                f"{self._path} holds another key than the one in use, which was made in {parameters.get('path')}."
            )
        return LocalKey(kek_id, key)

    def _made(self) -> bytes:
        key = os.urandom(KEY_BYTES)
        try:
            write_new_secret(self._path, base64.b64encode(key).decode() + "\n")
        except OSError as error:
            raise KeyFileUnfitError(f"{self._path} cannot be written: {error.strerror}.") from None
        return key

    def _read(self) -> bytes:
        try:
            text = read_secret(self._path)
        except SecretFileMissingError:
            raise KeyFileUnfitError(f"{self._path} does not exist. Restore the key file.") from None
        except SecretFileError as error:
            # At start that would end the service; here it is the answer to whoever tries to unseal.
            raise KeyFileUnfitError(error.detail) from None
        return self._decoded(text)

    def _decoded(self, text: str) -> bytes:
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise KeyFileUnfitError(f"{self._path} does not hold {KEY_BYTES} bytes in base64. Restore the key file.")
        return key


def _kek_id(key: bytes) -> str:
    return f"file-{fingerprint(key)}"
