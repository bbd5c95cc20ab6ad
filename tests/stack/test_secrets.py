"""Secrets are made once, closed to all but who reads them."""

import os
import stat
from pathlib import Path

import pytest

from services.console.stack.errors import StackError
from services.console.stack.identities import SCOPES
from services.console.stack.make_secrets import COMPOSE, NATIVE, ensure_secrets, main, problems
from services.kit.callers import CallerEntry, read_callers, write_callers

LOCAL = "http://127.0.0.1:8710/local/slack"


def make(directory: Path, *, slack_url: str = LOCAL, slack_is_given: bool = False) -> list[str]:
    return ensure_secrets(directory, NATIVE, slack_url=slack_url, slack_is_given=slack_is_given)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_ensure_when_nothing_is_there_then_all_is_made_and_private(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"

    make(directory)

    assert problems(directory) == []
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*") if path.is_file()}
    assert modes.pop("callers.json") == 0o644  # public keys
    assert set(modes.values()) == {0o600}


def test_ensure_when_all_is_there_then_nothing_changes(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    before = contents(tmp_path / "secrets")

    assert make(tmp_path / "secrets") == []
    assert contents(tmp_path / "secrets") == before


def test_ensure_when_one_file_is_lost_then_that_alone_is_made(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    make(directory)
    before = contents(directory)
    (directory / "alertmanager_token").unlink()

    assert make(directory) == ["alertmanager_token"]
    after = contents(directory)
    assert after.pop("alertmanager_token") != before.pop("alertmanager_token")
    assert after == before


def test_ensure_when_a_secret_is_written_then_it_ends_without_a_line_break(tmp_path: Path) -> None:
    make(tmp_path / "secrets")

    written = contents(tmp_path / "secrets")
    assert [name for name in NATIVE[0].files if written[name].endswith(b"\n")] == []


def test_ensure_when_a_file_is_open_to_others_then_it_says_which_chmod(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    file = tmp_path / "secrets" / "nats_token"
    file.chmod(0o644)

    with pytest.raises(StackError, match=f"run `chmod 600 {file}`"):
        make(tmp_path / "secrets")


def test_ensure_when_the_directory_is_open_to_others_then_it_says_which_chmod(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    directory.mkdir(mode=0o755)

    with pytest.raises(StackError, match="open to others") as caught:
        make(directory)

    assert caught.value.remedy == f"run `chmod 700 {directory}`"


def test_problems_when_a_file_is_open_and_another_missing_then_both_are_told(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    make(directory)
    (directory / "nats_token").chmod(0o640)
    (directory / "postgres_password").unlink()

    found = problems(directory)

    assert len(found) == 2
    assert any("chmod 600" in line and "nats_token" in line for line in found)
    assert any("postgres_password does not exist" in line for line in found)


def test_ensure_when_the_operator_gives_a_webhook_then_it_replaces_the_local_one(tmp_path: Path) -> None:
    make(tmp_path / "secrets")

    make(tmp_path / "secrets", slack_url="https://hooks.example.com/canary", slack_is_given=True)
    make(tmp_path / "secrets")

    assert (tmp_path / "secrets" / "slack_webhook_url").read_text() == "https://hooks.example.com/canary"


def test_ensure_when_the_local_catcher_moved_then_its_address_follows(tmp_path: Path) -> None:
    make(tmp_path / "secrets")

    make(tmp_path / "secrets", slack_url="http://127.0.0.1:9710/local/slack")

    assert (tmp_path / "secrets" / "slack_webhook_url").read_text() == "http://127.0.0.1:9710/local/slack"


def test_ensure_when_keys_are_made_then_services_can_read_the_callers_file(tmp_path: Path) -> None:
    make(tmp_path / "secrets")

    callers = read_callers(tmp_path / "secrets" / "callers.json")

    assert {name: set(caller.scopes) for name, caller in callers.items()} == {
        name: set(scopes) for name, scopes in SCOPES.items()
    }


def test_ensure_when_a_person_added_a_caller_then_it_stays(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    make(directory)
    known = read_callers(directory / "callers.json")
    (directory / "identity" / "console.pem").unlink()
    entries = {
        name: CallerEntry(public_key=_text(directory, name), scopes=tuple(sorted(caller.scopes)))
        for name, caller in known.items()
    }
    entries["notebook"] = CallerEntry(public_key=entries["operator"].public_key, scopes=("telemetry:read",))
    write_callers(directory / "callers.json", entries)

    make(directory)

    assert "notebook" in read_callers(directory / "callers.json")


def _text(directory: Path, name: str) -> str:
    line = next(line for line in _lines_after(directory, name) if '"public_key"' in line)
    return line.split('"')[3]


def _lines_after(directory: Path, name: str) -> list[str]:
    return (directory / "callers.json").read_text().partition(f'"{name}": ')[2].splitlines()


def test_ensure_when_the_callers_file_is_damaged_then_it_is_not_overwritten(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    file = tmp_path / "secrets" / "callers.json"
    file.write_text("{")

    with pytest.raises(StackError, match=r"callers\.json is not a valid callers' file"):
        make(tmp_path / "secrets")
    assert file.read_text() == "{"


@pytest.mark.skipif(os.geteuid() != 0, reason="handing files to other users takes root")
def test_main_when_it_is_for_compose_then_each_consumer_has_its_own_and_no_more(tmp_path: Path) -> None:
    directory = tmp_path / "volumes"

    assert main(["--directory", str(directory), "--compose"]) == 0

    for consumer in COMPOSE:
        held = {path for path in (directory / consumer.directory).rglob("*") if path.is_file()}
        names = {path.name for path in held if path.suffix != ".pem"}
        assert names == {*consumer.files, *(["callers.json"] if consumer.identities else [])}
        assert {(path.stat().st_uid, path.stat().st_gid) for path in held} == {consumer.owner}
        assert stat.S_IMODE((directory / consumer.directory).stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="handing files to other users takes root")
def test_main_when_compose_is_repeated_then_copies_agree_and_nothing_changes(tmp_path: Path) -> None:
    directory = tmp_path / "volumes"
    main(["--directory", str(directory), "--compose"])
    before = contents(directory)

    assert main(["--directory", str(directory), "--compose"]) == 0

    assert contents(directory) == before
    token = before["services/nats_token"].decode()
    assert before["nats/authorization.conf"].decode() == f'authorization {{ token: "{token}" }}'
    assert before["alertmanager/alertmanager_token"] == before["services/alertmanager_token"]
    password = before["postgres/postgres_password"].decode()
    assert before["services/pgpass"].decode() == f"postgres:5432:*:sightline:{password}"


def test_main_when_something_is_wrong_then_it_says_so_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "secrets"
    directory.mkdir(mode=0o755)

    assert main(["--directory", str(directory)]) == 1

    assert f"chmod 700 {directory}" in capsys.readouterr().err
