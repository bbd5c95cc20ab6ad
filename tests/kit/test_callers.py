"""The callers' file and the keys of callers."""

import json
import logging
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.contracts.ids import CallerName
from services.kit.callers import (
    CallerEntry,
    Callers,
    CallersFileError,
    IdentityKeyError,
    generate_identity,
    public_key_text,
    read_callers,
    read_private_key,
    write_callers,
)
from services.kit.errors import UnavailableError
from services.kit.secret_files import SecretFileError, read_secret


@pytest.fixture
def key() -> str:
    return public_key_text(Ed25519PrivateKey.generate())


@pytest.fixture
def path(tmp_path: Path, key: str) -> Path:
    path = tmp_path / "callers.json"
    write_callers(path, {"console": CallerEntry(public_key=key, scopes=("alerts:read",))})
    return path


def test_callers_when_the_file_is_right_then_each_is_found_with_its_scopes(path: Path) -> None:
    caller = Callers(path).find("console")
    assert caller is not None
    assert (caller.name, caller.scopes) == (CallerName("console"), frozenset({"alerts:read"}))


def test_callers_when_nobody_of_that_name_is_in_the_file_then_none_is_found(path: Path) -> None:
    assert Callers(path).find("stranger") is None


def test_callers_when_the_file_changes_then_the_next_look_up_counts_it(path: Path, key: str) -> None:
    callers = Callers(path)
    write_callers(path, {"automation": CallerEntry(public_key=key, scopes=())})
    assert (callers.find("console"), callers.find("automation") is not None) == (None, True)


def test_callers_when_the_file_becomes_unusable_then_the_last_good_state_stays_and_check_tells(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callers = Callers(path)
    path.write_text("{")
    with caplog.at_level(logging.ERROR):
        assert [callers.find("console") is not None for _ in range(3)] == [True] * 3
    assert len(caplog.records) == 1
    with pytest.raises(UnavailableError, match="not valid JSON"):
        callers.check()


def test_callers_when_the_file_is_repaired_then_check_is_quiet_again(path: Path, key: str) -> None:
    callers = Callers(path)
    path.unlink()
    callers.find("console")
    write_callers(path, {"console": CallerEntry(public_key=key, scopes=())})
    callers.check()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "not valid JSON"),
        ("[]", "dictionary"),
        ('{"console": {}}', "console.public_key"),
        ('{"console": {"public_key": "AAAA", "scopes": []}}', "console.public_key is not an Ed25519 key"),
        ('{"console": {"public_key": "!", "scopes": []}}', "console.public_key is not an Ed25519 key"),
        ('{"console": {"public_key": "AAAA", "scopes": ["*"]}}', "console.scopes.0"),
        ('{"console": {"public_key": "AAAA", "scopes": [], "admin": true}}', "console.admin"),
        ('{"Not A Name": {"public_key": "AAAA", "scopes": []}}', "Not A Name"),
        ('{"a": {"public_key": "", "scopes": []}, "a": {"public_key": "", "scopes": []}}', "stands twice"),
    ],
)
def test_callers_when_the_file_is_wrong_then_the_message_names_file_and_place(
    tmp_path: Path, content: str, told: str
) -> None:
    path = tmp_path / "callers.json"
    path.write_text(content)
    path.chmod(0o644)
    with pytest.raises(CallersFileError) as caught:
        read_callers(path)
    assert str(path) in caught.value.detail
    assert told in caught.value.detail


def test_callers_when_the_file_is_missing_then_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(CallersFileError, match="sightline up"):
        Callers(tmp_path / "callers.json")


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_callers_when_others_may_write_the_file_then_it_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(CallersFileError, match="chmod 644"):
        read_callers(path)


def test_write_callers_when_done_then_everyone_may_read_and_nothing_else_is_left(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]
    assert json.loads(path.read_text())["console"]["scopes"] == ["alerts:read"]


def test_generate_identity_when_done_then_only_its_owner_can_read_the_key(tmp_path: Path) -> None:
    generate_identity(tmp_path, "console")
    key_file = tmp_path / "identity" / "console.pem"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700


def test_generate_identity_when_repeated_then_the_key_stays(tmp_path: Path) -> None:
    assert generate_identity(tmp_path, "console") == generate_identity(tmp_path, "console")


def test_generate_identity_when_done_then_the_public_key_belongs_to_the_private_one(tmp_path: Path) -> None:
    public = generate_identity(tmp_path, "console")
    assert public_key_text(read_private_key(read_secret(tmp_path / "identity" / "console.pem"))) == public


def test_generate_identity_when_the_key_is_open_to_others_then_it_is_refused(tmp_path: Path) -> None:
    generate_identity(tmp_path, "console")
    (tmp_path / "identity" / "console.pem").chmod(0o644)
    with pytest.raises(SecretFileError, match="chmod 600"):
        generate_identity(tmp_path, "console")


@pytest.mark.parametrize("name", ["", "../console", "Console", "a" * 65, "a/b", "a\n"])
def test_generate_identity_when_the_name_is_not_one_then_it_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(IdentityKeyError):
        generate_identity(tmp_path, name)


def test_read_private_key_when_it_is_of_another_kind_then_it_is_refused() -> None:
    pem = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(IdentityKeyError, match="not an Ed25519 key"):
        read_private_key(pem.decode())


def test_read_private_key_when_it_is_no_key_then_the_message_holds_nothing_of_it() -> None:
    with pytest.raises(IdentityKeyError) as caught:
        read_private_key("canary-not-a-key")
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
