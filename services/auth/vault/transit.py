"""A wrapping key that never leaves HashiCorp Vault: its Transit engine wraps and unwraps (extra `vault`)."""

import base64
import binascii
import importlib
import re
from types import ModuleType
from typing import Any, Final

from services.auth.errors import KeyProviderUnavailableError, RecordDoesNotOpenError, WrongKeyError
from services.auth.secret import Secret
from services.auth.vault.keys import NewKey, Parameters

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_TIMEOUT_SECONDS: Final = 5


class TransitKey:
    """One version of a Transit key. The key must be of type aes256-gcm96, which takes associated data."""

    def __init__(self, provider: "TransitProvider", version: int) -> None:
        self._provider = provider
        self._version = version

    @property
    def kek_id(self) -> str:
        return f"transit-{self._provider.key_name}-{self._version}"

    def wrap(self, data_key: bytes, binding: bytes) -> bytes:
        answer = self._provider.call(
            "encrypt_data",
            plaintext=base64.b64encode(data_key).decode(),
            associated_data=base64.b64encode(binding).decode(),
            key_version=self._version,
        )
        return str(answer["ciphertext"]).encode()

    def unwrap(self, wrapped: bytes, binding: bytes) -> bytes:
        try:
            answer = self._provider.call(
                "decrypt_data",
                ciphertext=wrapped.decode("ascii"),
                associated_data=base64.b64encode(binding).decode(),
            )
            return base64.b64decode(str(answer["plaintext"]), validate=True)
        except (UnicodeDecodeError, binascii.Error):
            raise RecordDoesNotOpenError from None


class TransitProvider:
    """Uses the key `key_name` of the Transit engine mounted at `mount`.

    To rotate, rotate the key in Vault (`vault write -f transit/keys/NAME/rotate`) and then the records here: `create`
    takes the newest version.

    Raises:
        KeyProviderUnavailableError: The extra is not installed.
        ValueError: The key's name has other characters than letters, digits, "_" and "-", or more than 40.
    """

    name: Final = "vault_transit"

    def __init__(self, url: str, token: Secret, *, key_name: str, mount: str = "transit") -> None:
        if not _NAME.fullmatch(key_name):
            raise ValueError("a Transit key's name is 1-40 letters, digits, underscores or hyphens")
        self._hvac = _hvac()
        self._client = token.use(lambda text: self._hvac.Client(url=url, token=text, timeout=_TIMEOUT_SECONDS))
        self.key_name = key_name
        self._mount = mount

    def create(self) -> NewKey:
        answer = self.call("read_key")
        version = int(answer["latest_version"])
        return NewKey(TransitKey(self, version), {"key": self.key_name, "mount": self._mount, "version": version})

    def load(self, kek_id: str, parameters: Parameters) -> TransitKey:
        if parameters.get("key") != self.key_name or parameters.get("mount") != self._mount:
            raise WrongKeyError(f"The key in use is {parameters.get('key')!r} in {parameters.get('mount')!r}.")
        key = TransitKey(self, int(parameters["version"]))
        if key.kek_id != kek_id:
            raise WrongKeyError("The stored description of this key is damaged. Restore the database.")
        return key

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 -- hvac is untyped
        """Call Transit and return what it answered.

        Raises:
            RecordDoesNotOpenError: Vault refused the ciphertext.
            KeyProviderUnavailableError: Vault is away, sealed, or refuses the token.
        """
        transit = self._client.secrets.transit
        try:
            answer = getattr(transit, method)(name=self.key_name, mount_point=self._mount, **arguments)
            data: dict[str, Any] = answer["data"]
        except self._hvac.exceptions.InvalidRequest as error:
            if method == "decrypt_data":
                raise RecordDoesNotOpenError from None
            raise self._away(error) from None
        except Exception as error:  # noqa: BLE001 -- whatever went wrong on the way to Vault, the key cannot be used
            # Vault's and requests' errors alike: their texts can carry the request, so only their names go on.
            raise self._away(error) from None
        return data

    def _away(self, error: Exception) -> KeyProviderUnavailableError:
        return KeyProviderUnavailableError(
            f"Vault's Transit key {self.key_name!r} cannot be used ({type(error).__name__}). Check that Vault is"
            " unsealed and that the token may read, encrypt and decrypt with the key."
        )


def _hvac() -> ModuleType:
    try:
        return importlib.import_module("hvac")
    except ImportError:
        raise KeyProviderUnavailableError(
            "Install the support for Vault with `pip install sightline[vault]`."
        ) from None
