"""A wrapping key derived from a passphrase, with Argon2id (RFC 9106)."""

import base64
import os
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from services.auth.errors import WeakPassphraseError, WrongKeyError
from services.auth.secret import Secret
from services.auth.vault.keys import KEY_BYTES, LocalKey, NewKey, Parameters

SHORTEST_PASSPHRASE: Final = 12
_SALT_BYTES: Final = 16
_MOST_MEMORY_KIB: Final = 1024 * 1024
_MOST_ITERATIONS: Final = 16
_MOST_LANES: Final = 16


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess costs. The default is RFC 9106's second recommendation: 64 MiB, about 0.1 s on one machine."""

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4


class PassphraseProvider:
    """Derives the key from a passphrase and a salt that is stored with the key's description.

    Raises:
        WeakPassphraseError: The passphrase is shorter than `SHORTEST_PASSPHRASE` characters.
    """

    name: Final = "passphrase"

    def __init__(self, passphrase: Secret, cost: Cost | None = None) -> None:
        if passphrase.use(len) < SHORTEST_PASSPHRASE:
            raise WeakPassphraseError(
                f"Use at least {SHORTEST_PASSPHRASE} characters; six random words are easier to keep than that."
            )
        self._passphrase = passphrase
        self._cost = cost or Cost()

    def create(self) -> NewKey:
        salt = os.urandom(_SALT_BYTES)
        kek_id = f"passphrase-{secrets.token_hex(8)}"
        parameters: Parameters = {
            "salt": base64.b64encode(salt).decode(),
            "memory_kib": self._cost.memory_kib,
            "iterations": self._cost.iterations,
            "lanes": self._cost.lanes,
        }
        return NewKey(LocalKey(kek_id, self._derive(salt, self._cost)), parameters)

    def load(self, kek_id: str, parameters: Parameters) -> LocalKey:
        try:
            salt = base64.b64decode(str(parameters["salt"]), validate=True)
            cost = Cost(
                memory_kib=int(parameters["memory_kib"]),
                iterations=int(parameters["iterations"]),
                lanes=int(parameters["lanes"]),
            )
            _refuse_excess(cost)
            return LocalKey(kek_id, self._derive(salt, cost))
        except (KeyError, ValueError):
            raise WrongKeyError("The stored description of this key is damaged. Restore the database.") from None

    def _derive(self, salt: bytes, cost: Cost) -> bytes:
        derivation = Argon2id(
            salt=salt, length=KEY_BYTES, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory_kib
        )
        return self._passphrase.use(lambda text: derivation.derive(text.encode()))


def _refuse_excess(cost: Cost) -> None:
    # The description lies in the database: an edit there must not take all memory of the machine.
    if cost.memory_kib > _MOST_MEMORY_KIB or cost.iterations > _MOST_ITERATIONS or cost.lanes > _MOST_LANES:
        raise ValueError("the cost is beyond what Sightline ever writes")
