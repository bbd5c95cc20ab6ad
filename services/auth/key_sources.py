"""Which key providers the settings name, and what a person has to give to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.auth.errors import KeyMissingError, KeyProviderUnavailableError
from services.auth.secret import Secret
from services.auth.settings import AuthSettings, VaultKeySource
from services.auth.vault.key_file import KeyFileProvider
from services.auth.vault.keys import KeyProvider
from services.auth.vault.os_keyring import KeyringProvider, system_keyring
from services.auth.vault.passphrase import Cost, PassphraseProvider
from services.auth.vault.transit import TransitProvider

_NEXT: Final = ".next"
_PREVIOUS: Final = ".previous"


class KeySources:
    """Makes providers.

    Args:
        settings: Name the source and where it is.
        cost: What one guess at a passphrase costs; the standard one by default.
    """

    def __init__(self, settings: AuthSettings, cost: Cost | None = None) -> None:
        self._settings = settings
        self._cost = cost

    @property
    def needs_person(self) -> bool:
        """Whether the vault cannot be unsealed before a person gives the passphrase."""
        return self._settings.vault_key_source == "passphrase" and self._settings.vault_passphrase is None

    @property
    def next_key_path(self) -> Path:
        """Where a rotation puts the new key file until everything is wrapped by it."""
        return self._beside(_NEXT)

    def providers(self, passphrases: Sequence[Secret] = ()) -> list[KeyProvider]:
        """Everything that could give a wrapping key in use; the vault asks those of the kinds that it needs.

        Args:
            passphrases: What a person gave: the passphrase, and the one before while a rotation is unfinished.

        Raises:
            AuthError: A provider is away, or a passphrase is too short.
        """
        settings = self._settings
        files = [path for path in (settings.key_path, self.next_key_path) if path.exists()]
        if not files and settings.vault_key_source == "key_file":
            files = [settings.key_path]  # whose absence is then told by name
        found: list[KeyProvider] = [KeyFileProvider(path) for path in files]
        found += [PassphraseProvider(text, self._cost) for text in (*passphrases, *self._stored_passphrase())]
        if settings.vault_key_source == "os_keyring":
            found.append(KeyringProvider(system_keyring(), settings.vault_keyring_entry))
        if settings.vault_transit_url is not None and settings.vault_transit_token is not None:
            found.append(self._transit())
        return found

    def first(self, passphrase: Secret | None = None) -> KeyProvider:
        """What gives a vault without any key its first one.

        Raises:
            KeyMissingError: A passphrase is needed and none was given.
            AuthError: The provider is away, or the passphrase is too short.
        """
        return self.newest(self._settings.vault_key_source, self._settings.key_path, passphrase)

    def newest(self, source: VaultKeySource, key_path: Path, passphrase: Secret | None) -> KeyProvider:
        """A provider of this kind that shall wrap from now on. Raises as `first` does."""
        match source:
            case "key_file":
                return KeyFileProvider(key_path)
            case "os_keyring":
                return KeyringProvider(system_keyring(), self._settings.vault_keyring_entry)
            case "vault_transit":
                return self._transit()
            case "passphrase":
                given = [passphrase] if passphrase is not None else self._stored_passphrase()
                if not given:
                    raise KeyMissingError("Give the passphrase with `sightline auth unseal`.")
                return PassphraseProvider(given[0], self._cost)

    def promote_next_key_file(self) -> Path | None:
        """Put the new key file in place once everything is wrapped by it; where the old one is now, if there was one.

        Backups made before the rotation open with the old one alone.
        """
        if not self.next_key_path.exists():
            return None
        kept = None
        if self._settings.key_path.exists():
            kept = self._settings.key_path.replace(self._beside(_PREVIOUS))
        self.next_key_path.replace(self._settings.key_path)
        return kept

    def _beside(self, suffix: str) -> Path:
        return self._settings.key_path.with_name(self._settings.key_path.name + suffix)

    def _stored_passphrase(self) -> list[Secret]:
        stored = self._settings.vault_passphrase
        return [] if stored is None else [Secret(stored.get_secret_value())]

    def _transit(self) -> TransitProvider:
        settings = self._settings
        if settings.vault_transit_url is None or settings.vault_transit_token is None:
            raise KeyProviderUnavailableError("Set SIGHTLINE_VAULT_TRANSIT_URL and put its token among the secrets.")
        token = Secret(settings.vault_transit_token.get_secret_value())
        return TransitProvider(
            settings.vault_transit_url, token, key_name=settings.vault_transit_key, mount=settings.vault_transit_mount
        )
