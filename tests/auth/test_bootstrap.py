"""The service as it is put together: how it starts, sealed or open, and what it refuses."""

import logging
from pathlib import Path

import pytest

from services.auth.bootstrap import build
from services.auth.vault.permissions import StorePermissionsError
from services.kit.secret_files import write_new_secret
from services.kit.settings import SettingsError
from tests.auth.service import AuthHome

PASSPHRASE = "correct horse battery staple"
BY_PASSPHRASE = {"SIGHTLINE_VAULT_KEY_SOURCE": "passphrase"}


@pytest.fixture
def home(tmp_path: Path) -> AuthHome:
    return AuthHome(tmp_path)


def test_start_when_it_is_the_first_with_a_key_file_then_it_is_unsealed_and_the_key_is_private(home: AuthHome) -> None:
    with home.app() as app:
        state = home.client(app).get("/vault").json()
    assert state == {"sealed": False, "initialised": True, "needs_person": False, "reason": ""}
    assert (home.secrets_dir / "vault_key").stat().st_mode & 0o777 == 0o600


def test_start_when_the_key_file_is_there_again_then_the_vault_opens_by_itself(home: AuthHome) -> None:
    with home.app():
        pass
    with home.app() as app:
        assert home.client(app).get("/vault").json()["sealed"] is False


def test_start_when_the_key_file_is_gone_then_the_service_starts_sealed_and_readyz_names_it(home: AuthHome) -> None:
    with home.app():
        pass
    (home.secrets_dir / "vault_key").unlink()
    with home.app() as app:
        vault = home.client(app).get("/readyz").json()["dependencies"]["vault"]
    assert vault["ready"] is False
    assert "sealed" in vault["reason"]
    assert "vault_key" in vault["reason"]


def test_start_when_the_key_file_is_another_then_the_service_starts_sealed(home: AuthHome, tmp_path: Path) -> None:
    with home.app():
        pass
    (home.secrets_dir / "vault_key").unlink()
    other = AuthHome(tmp_path / "other")
    with other.app():
        pass
    (other.secrets_dir / "vault_key").replace(home.secrets_dir / "vault_key")
    with home.app() as app:
        state = home.client(app).get("/vault").json()
    assert state["sealed"] is True
    assert "another key" in state["reason"] or "not the key in use" in state["reason"]


def test_start_when_the_passphrase_lies_in_a_file_then_it_is_unsealed(home: AuthHome) -> None:
    write_new_secret(home.secrets_dir / "vault_passphrase", PASSPHRASE)
    with home.app(**BY_PASSPHRASE) as app:
        assert home.client(app).get("/vault").json()["sealed"] is False


def test_start_when_a_person_has_the_passphrase_then_it_is_sealed_and_says_what_to_do(home: AuthHome) -> None:
    with home.app(**BY_PASSPHRASE) as app:
        state = home.client(app).get("/vault").json()
        ready = home.client(app).get("/readyz")
    assert state["sealed"] is True
    assert state["needs_person"] is True
    assert "sightline auth unseal" in state["reason"]
    assert ready.status_code == 503


@pytest.mark.parametrize("mode", [0o640, 0o644])
def test_start_when_the_key_file_is_open_to_others_then_the_service_refuses(home: AuthHome, mode: int) -> None:
    with home.app():
        pass
    (home.secrets_dir / "vault_key").chmod(mode)
    with pytest.raises(StorePermissionsError, match="vault_key"):
        build(home.settings())


def test_start_when_the_key_file_is_a_symbolic_link_then_the_service_refuses(home: AuthHome) -> None:
    with home.app():
        pass
    key = home.secrets_dir / "vault_key"
    (home.directory / "elsewhere").write_bytes(key.read_bytes())
    key.unlink()
    key.symlink_to(home.directory / "elsewhere")
    with pytest.raises(StorePermissionsError, match="symbolic link"):
        build(home.settings())


def test_start_when_the_database_is_open_to_others_then_the_service_refuses(home: AuthHome) -> None:
    with home.app():
        pass
    (home.directory / "var" / "db" / "auth.db").chmod(0o644)
    with pytest.raises(StorePermissionsError, match=r"chmod 600 .*auth\.db"):
        build(home.settings())


def test_start_when_there_is_no_verdict_key_then_the_setting_is_named(home: AuthHome) -> None:
    (home.secrets_dir / "verdict_key").unlink()
    with pytest.raises(SettingsError, match="SIGHTLINE_VERDICT_KEY_FILE"):
        home.settings()


def test_settings_when_transit_lacks_its_address_then_it_is_named(home: AuthHome) -> None:
    with pytest.raises(SettingsError, match="SIGHTLINE_VAULT_TRANSIT_URL"):
        home.settings(SIGHTLINE_VAULT_KEY_SOURCE="vault_transit")


def test_start_when_the_key_file_is_damaged_then_the_service_starts_sealed_and_says_so(home: AuthHome) -> None:
    write_new_secret(home.secrets_dir / "vault_key", "not a key")
    with home.app() as app:
        state = home.client(app).get("/vault").json()
    assert state["sealed"] is True
    assert "does not hold 32 bytes" in state["reason"]


def test_running_service_when_it_starts_then_it_anchors_the_audit_head_in_the_log(
    home: AuthHome, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="audit.auth"), home.app():
        pass
    (anchor,) = [record for record in caplog.records if record.name == "audit.auth"]
    assert anchor.getMessage().startswith("audit head 1 is ")
