"""The vault's door: opened by itself where the key is at hand, by a person where it is not."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from services.auth.errors import SealedError, VaultUninitialisedError
from services.auth.key_sources import KeySources
from services.auth.secret import Secret
from services.auth.transactions import Readings
from services.auth.vault import store
from services.auth.vault.vault import Vault
from services.kit.errors import SightlineError
from telemetry.catalogue import AUTH_VAULT_SEALED
from telemetry.emit.metrics import Metrics

_ITSELF: Final = "service"


class VaultDoor:
    """Unseals. Its methods block; safe to call from several threads.

    Args:
        vault: What is behind the door.
        sources: Where keys come from.
        readings: The vault's database, to see which keys are in use.
        metrics: Show whether the vault is sealed.
    """

    def __init__(self, vault: Vault, sources: KeySources, readings: Readings, metrics: Metrics) -> None:
        self._vault = vault
        self._sources = sources
        self._readings = readings
        self._sealed_gauge = metrics.gauge(AUTH_VAULT_SEALED)
        self._reason = "Unseal it with `sightline auth unseal`."
        self._turning = threading.Lock()
        self._sealed_gauge.set(1.0)

    @property
    def open(self) -> bool:
        """Whether the vault is unsealed, with every wrapping key that is in use now."""
        if self._vault.sealed:
            return False
        with self._readings.reading() as connection:
            in_use = store.keys_in_use(connection)
        known = self._vault.open_state().keys
        return all(key.kek_id in known for key in in_use)

    @property
    def needs_person(self) -> bool:
        """Whether only a person can unseal it."""
        return self._sources.needs_person

    def open_at_start(self) -> None:
        """Unseal if the key is at hand; otherwise the service starts sealed, and `check` says why."""
        with suppress(SightlineError):
            self.look()

    def look(self) -> None:
        """Unseal again if need be: the key's provider is back, or the key was rotated by another process.

        Raises:
            SightlineError: Why it stays sealed.
        """
        if self.open:
            self._sealed_gauge.set(0.0)
            return
        self._sealed_gauge.set(1.0)
        if self.needs_person:
            raise SealedError
        self.unseal((), first_time=True, actor=_ITSELF)

    def unseal(self, passphrases: Sequence[Secret], *, first_time: bool, actor: str) -> None:
        """Unseal with the settings' key source and what a person gave.

        Args:
            passphrases: The passphrase, and the one before it while a rotation is unfinished.
            first_time: Give a vault that has no key yet its first one.
            actor: Who does it, for the audit trail.

        Raises:
            SightlineError: Why it stays sealed; also said by `check` from then on.
        """
        with self._turning:
            try:
                self._turn(passphrases, first_time=first_time, actor=actor)
            except SightlineError as error:
                self._reason = error.detail
                raise
        self._sealed_gauge.set(0.0)

    def check(self) -> None:
        """For `/readyz`. Raises `SealedError`, which says why the vault is sealed."""
        if not self.open:
            raise SealedError(f"The vault is sealed. {self._reason}")

    def _turn(self, passphrases: Sequence[Secret], *, first_time: bool, actor: str) -> None:
        if self.open:
            return
        try:
            self._vault.unseal(self._sources.providers(passphrases), actor=actor)
        except VaultUninitialisedError:
            if not first_time:
                raise
            self._vault.initialise(self._sources.first(passphrases[0] if passphrases else None), actor=actor)
