import os
import stat
from pathlib import Path

import pytest

from services.auth.secret import Secret
from services.auth.vault.permissions import StorePermissionsError, fix, problems, require_private, store_paths
from services.contracts.auth import CredentialKind
from tests.auth.support import ACCOUNT, OPERATOR, House


@pytest.fixture
def private(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def test_store_when_used_then_its_own_files_are_private(house: House, private: Path) -> None:
    house.vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret("hunter2"), actor=OPERATOR)
    paths = store_paths(private / "auth.db")
    assert (private / "auth.db-wal").exists()
    assert problems(paths) == []
    require_private(paths)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o610])
def test_file_when_open_to_others_then_the_start_is_refused_with_path_and_wanted_mode(private: Path, mode: int) -> None:
    path = private / "auth.db"
    path.write_text("canary")
    path.chmod(mode)
    with pytest.raises(StorePermissionsError, match=f"chmod 600 {path}") as refused:
        require_private(store_paths(path))
    assert "canary" not in str(refused.value)
    assert refused.value.exit_status == 78


def test_directory_when_open_to_others_then_the_wanted_mode_is_that_of_a_directory(private: Path) -> None:
    private.chmod(0o755)
    assert problems([private]) == [f"{private} is open to others (mode 755); run `chmod 700 {private}`."]


def test_symlink_when_found_then_it_is_refused_and_never_followed_by_the_repair(private: Path) -> None:
    target, path = private / "elsewhere", private / "auth.db"
    target.write_text("")
    target.chmod(0o644)
    path.symlink_to(target)
    assert fix([path]) == [f"{path} is a symbolic link; put the file itself there."]
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_when_it_belongs_to_another_user_then_it_is_refused_and_not_repaired(private: Path) -> None:
    path = private / "auth.db"
    path.write_text("")
    os.chown(path, 12_345, -1)
    assert "belongs to user 12345" in fix([path])[0]


def test_pipe_when_found_then_it_is_refused(private: Path) -> None:
    os.mkfifo(private / "auth.db", 0o600)
    assert "neither a file nor a directory" in problems([private / "auth.db"])[0]


def test_files_when_repaired_then_nothing_is_left_to_complain_of(private: Path) -> None:
    path = private / "auth.db"
    path.write_text("")
    path.chmod(0o666)
    private.chmod(0o777)
    assert fix(store_paths(path)) == []
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
