import base64
import os
import stat
from pathlib import Path

import pytest

from services.auth.errors import KeyFileUnfitError, KeyProviderUnavailableError, WrongKeyError
from services.auth.secret import Secret
from services.auth.vault.key_file import KeyFileProvider
from services.auth.vault.keys import KeyProvider, WrappingKey
from services.auth.vault.os_keyring import KeyringProvider, system_keyring
from services.auth.vault.passphrase import PassphraseProvider
from tests.auth.support import CHEAP, PASSPHRASE

DATA_KEY = b"d" * 32


class FakeKeyring:
    """A keyring in memory; `locked` makes each call fail as a backend does."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service_name: str, username: str) -> str | None:
        self._touch()
        return self.entries.get((service_name, username))

    def set_password(self, service_name: str, username: str, password: str) -> None:
        self._touch()
        self.entries[service_name, username] = password

    def _touch(self) -> None:
        if self.locked:
            raise RuntimeError("locked: canary-9")


@pytest.fixture(params=["passphrase", "key_file", "os_keyring"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> KeyProvider:
    return {
        "passphrase": PassphraseProvider(PASSPHRASE, CHEAP),
        "key_file": KeyFileProvider(tmp_path / "keys" / "vault.key"),
        "os_keyring": KeyringProvider(FakeKeyring()),
    }[request.param]


def _opens(one: WrappingKey, other: WrappingKey) -> bool:
    return other.unwrap(one.wrap(DATA_KEY, b"here"), b"here") == DATA_KEY


def test_provider_when_its_key_is_loaded_again_then_it_opens_what_the_first_wrapped(provider: KeyProvider) -> None:
    new = provider.create()
    assert _opens(new.key, provider.load(new.key.kek_id, new.parameters))


def test_provider_when_asked_for_a_key_then_its_description_does_not_hold_it(provider: KeyProvider) -> None:
    new = provider.create()
    assert all(len(str(value)) < 40 or "/" in str(value) for value in new.parameters.values())
    assert PASSPHRASE.use(str) not in repr(new.parameters)


def test_passphrase_when_another_then_its_key_differs() -> None:
    new = PassphraseProvider(PASSPHRASE, CHEAP).create()
    other = PassphraseProvider(Secret("another passphrase"), CHEAP).load(new.key.kek_id, new.parameters)
    with pytest.raises(Exception, match="altered or moved"):
        _opens(new.key, other)


@pytest.mark.parametrize(
    "damage", [{"memory_kib": 2**40}, {"iterations": 10**9}, {"lanes": 0}, {"salt": "%"}, {"salt": ""}], ids=repr
)
def test_passphrase_when_its_stored_cost_is_damaged_then_it_is_refused_at_once(damage: dict[str, str | int]) -> None:
    provider = PassphraseProvider(PASSPHRASE, CHEAP)
    new = provider.create()
    with pytest.raises(WrongKeyError):
        provider.load(new.key.kek_id, {**new.parameters, **damage})


def test_key_file_when_made_then_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "vault.key"
    KeyFileProvider(path).create()
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777], ids=oct)
def test_key_file_when_open_to_others_then_the_message_names_path_and_mode_and_no_content(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "vault.key"
    new = KeyFileProvider(path).create()
    path.chmod(mode)
    with pytest.raises(KeyFileUnfitError, match="chmod 600") as refused:
        KeyFileProvider(path).load(new.key.kek_id, new.parameters)
    assert str(path) in str(refused.value)
    assert path.read_text().strip() not in str(refused.value)


def test_key_file_when_a_symlink_then_it_is_refused(tmp_path: Path) -> None:
    KeyFileProvider(tmp_path / "real.key").create()
    (tmp_path / "vault.key").symlink_to(tmp_path / "real.key")
    with pytest.raises(KeyFileUnfitError, match="symbolic link"):
        KeyFileProvider(tmp_path / "vault.key").create()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_key_file_when_it_belongs_to_another_user_then_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    KeyFileProvider(path).create()
    os.chown(path, 12_345, -1)
    with pytest.raises(KeyFileUnfitError, match="belongs to user 12345"):
        KeyFileProvider(path).create()


@pytest.mark.parametrize("content", ["", "not base64!", base64.b64encode(b"short").decode(), "é"], ids=repr)
def test_key_file_when_it_holds_no_key_then_it_is_refused_without_its_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "vault.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileUnfitError) as refused:
        KeyFileProvider(path).create()
    assert not content or content not in str(refused.value)


def test_key_file_when_missing_at_unsealing_then_none_is_made_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    new = KeyFileProvider(path).create()
    path.unlink()
    with pytest.raises(KeyFileUnfitError, match="does not exist") as refused:
        KeyFileProvider(path).load(new.key.kek_id, new.parameters)
    assert refused.value.status_code == 503
    assert not path.exists()


def test_key_file_when_its_directory_is_a_file_then_the_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(KeyFileUnfitError, match=r"keys/vault\.key cannot be written"):
        KeyFileProvider(tmp_path / "keys" / "vault.key").create()


def test_key_file_when_replaced_then_it_says_that_it_is_another_key(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    new = KeyFileProvider(path).create()
    path.unlink()
    KeyFileProvider(path).create()
    with pytest.raises(WrongKeyError, match="another key"):
        KeyFileProvider(path).load(new.key.kek_id, new.parameters)


def test_keyring_when_its_entry_is_gone_then_it_says_which(tmp_path: Path) -> None:
    new = KeyringProvider(FakeKeyring()).create()
    with pytest.raises(WrongKeyError, match="current"):
        KeyringProvider(FakeKeyring()).load(new.key.kek_id, new.parameters)


def test_keyring_when_locked_then_it_is_away_and_the_backends_text_is_not_repeated() -> None:
    keyring = FakeKeyring()
    keyring.locked = True
    with pytest.raises(KeyProviderUnavailableError, match="RuntimeError") as refused:
        KeyringProvider(keyring).create()
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_keyring_when_the_extra_is_installed_then_it_has_the_two_calls() -> None:
    pytest.importorskip("keyring")
    keyring = system_keyring()
    assert callable(keyring.get_password)
    assert callable(keyring.set_password)
