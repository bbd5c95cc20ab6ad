"""Settings and the files that secrets stand in."""

import os
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import Field, SecretStr, ValidationError

from services.kit.service_settings import ServiceSettings
from services.kit.settings import SecretFile, Settings, SettingsError, load


class ExampleSettings(ServiceSettings):
    service_name: ClassVar[str] = "example"
    default_port: ClassVar[int] = 8799

    webhook_token: Annotated[SecretStr, SecretFile("webhook_token")] = Field(description="Token of the webhook.")
    recipients: list[str] = Field(default_factory=list, description="Who gets mail.")


class OtherSettings(Settings):
    colour: str = Field(default="red", description="Of another program.")


@pytest.fixture
def secrets_dir(tmp_path: Path) -> Path:
    write_secret(tmp_path / "webhook_token", "canary-of-the-webhook\n")
    return tmp_path


def write_secret(path: Path, content: str, mode: int = 0o600) -> None:
    path.write_text(content)
    path.chmod(mode)


def problems_of(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(ExampleSettings, environ)
    return list(caught.value.problems)


def test_load_when_nothing_is_set_then_defaults_hold(secrets_dir: Path) -> None:
    settings = load(ExampleSettings, {"SIGHTLINE_SECRETS_DIR": str(secrets_dir)})
    assert (settings.env, settings.host, settings.listen_port) == ("local", "127.0.0.1", 8799)


def test_load_when_a_secret_file_ends_in_a_line_end_then_it_is_not_part_of_the_secret(secrets_dir: Path) -> None:
    settings = load(ExampleSettings, {"SIGHTLINE_SECRETS_DIR": str(secrets_dir)})
    assert settings.webhook_token.get_secret_value() == "canary-of-the-webhook"


def test_load_when_a_variable_names_the_file_then_that_file_is_read(secrets_dir: Path) -> None:
    write_secret(secrets_dir / "elsewhere", "canary-elsewhere")
    environ = {"SIGHTLINE_WEBHOOK_TOKEN_FILE": str(secrets_dir / "elsewhere")}
    assert load(ExampleSettings, environ).webhook_token.get_secret_value() == "canary-elsewhere"


def test_load_when_a_default_path_names_the_service_then_its_own_file_is_read(secrets_dir: Path) -> None:
    (secrets_dir / "identity").mkdir()
    write_secret(secrets_dir / "identity" / "example.pem", "canary-key")
    key = load(ExampleSettings, {"SIGHTLINE_SECRETS_DIR": str(secrets_dir)}).identity_key
    assert key is not None
    assert key.get_secret_value() == "canary-key"


def test_settings_when_loaded_then_they_cannot_be_changed(secrets_dir: Path) -> None:
    settings = load(ExampleSettings, {"SIGHTLINE_SECRETS_DIR": str(secrets_dir)})
    with pytest.raises(ValidationError, match="frozen"):
        settings.env = "live"  # type: ignore[misc]  # that it is refused is what is tested


def test_settings_when_shown_then_no_secret_appears(secrets_dir: Path) -> None:
    settings = load(ExampleSettings, {"SIGHTLINE_SECRETS_DIR": str(secrets_dir)})
    assert "canary" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_construct_when_the_environment_is_set_then_it_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_ENV", "staging")
    assert ExampleSettings(webhook_token=SecretStr("made-up")).env == "local"


def test_load_when_no_mapping_is_given_then_the_process_environment_is_read(
    monkeypatch: pytest.MonkeyPatch, secrets_dir: Path
) -> None:
    monkeypatch.setenv("SIGHTLINE_SECRETS_DIR", str(secrets_dir))
    monkeypatch.setenv("SIGHTLINE_ENV", "staging")
    assert load(ExampleSettings).env == "staging"


def test_load_when_a_list_is_written_as_json_then_it_is_read(secrets_dir: Path) -> None:
    environ = {"SIGHTLINE_SECRETS_DIR": str(secrets_dir), "SIGHTLINE_RECIPIENTS": '["a@example.org"]'}
    assert load(ExampleSettings, environ).recipients == ["a@example.org"]


def test_load_when_a_list_is_not_json_then_the_problem_says_so(secrets_dir: Path) -> None:
    environ = {"SIGHTLINE_SECRETS_DIR": str(secrets_dir), "SIGHTLINE_RECIPIENTS": "a@example.org"}
    assert problems_of(environ) == ["SIGHTLINE_RECIPIENTS: write it as JSON. Who gets mail."]


def test_load_when_a_variable_is_misspelt_then_the_right_one_is_named(secrets_dir: Path) -> None:
    environ = {"SIGHTLINE_SECRETS_DIR": str(secrets_dir), "SIGHTLINE_LOKI_ULR": "http://127.0.0.1:3100"}
    assert problems_of(environ) == ["SIGHTLINE_LOKI_ULR: there is no such setting; did you mean SIGHTLINE_LOKI_URL?"]


def test_load_when_a_variable_resembles_nothing_then_the_documentation_is_named(secrets_dir: Path) -> None:
    (problem,) = problems_of({"SIGHTLINE_SECRETS_DIR": str(secrets_dir), "SIGHTLINE_QQQQQQQQ": "1"})
    assert "docs/configuration.md" in problem


def test_load_when_a_variable_belongs_to_a_known_other_program_then_it_is_passed_over(secrets_dir: Path) -> None:
    environ = {"SIGHTLINE_SECRETS_DIR": str(secrets_dir), "SIGHTLINE_COLOUR": "blue"}
    assert load(ExampleSettings, environ, also_known=(OtherSettings,)).env == "local"


def test_load_when_a_secret_stands_in_the_environment_then_it_is_refused_and_not_repeated(secrets_dir: Path) -> None:
    environ = {"SIGHTLINE_SECRETS_DIR": str(secrets_dir), "SIGHTLINE_NATS_TOKEN": "canary-in-the-environment"}
    (problem,) = problems_of(environ)
    assert "SIGHTLINE_NATS_TOKEN_FILE" in problem
    assert "canary" not in problem


def test_load_when_several_things_are_wrong_then_each_has_its_line(tmp_path: Path) -> None:
    problems = problems_of(
        {
            "SIGHTLINE_SECRETS_DIR": str(tmp_path),
            "SIGHTLINE_PORT": "eighty",
            "SIGHTLINE_ENV": "Not Lower",
            "SIGHTLINE_SAMPLE_RATIO": "2",
            "SIGHTLINE_LOG_LEVL": "INFO",
        }
    )
    assert [line.split(":")[0] for line in problems] == [
        "SIGHTLINE_LOG_LEVL",
        "SIGHTLINE_WEBHOOK_TOKEN_FILE",
        "SIGHTLINE_ENV",
        "SIGHTLINE_PORT",
        "SIGHTLINE_SAMPLE_RATIO",
    ]
    assert all("\n" not in line for line in problems)


def test_load_when_a_value_is_wrong_then_the_problem_does_not_repeat_it(secrets_dir: Path) -> None:
    environ = {"SIGHTLINE_SECRETS_DIR": str(secrets_dir), "SIGHTLINE_PORT": "canary-value"}
    assert "canary" not in "".join(problems_of(environ))


def test_load_when_a_required_secret_is_missing_then_path_and_remedy_are_named(tmp_path: Path) -> None:
    (problem,) = problems_of({"SIGHTLINE_SECRETS_DIR": str(tmp_path)})
    assert str(tmp_path / "webhook_token") in problem
    assert "sightline up" in problem


def test_load_when_a_named_file_is_missing_then_it_is_refused_even_if_optional(secrets_dir: Path) -> None:
    environ = {"SIGHTLINE_SECRETS_DIR": str(secrets_dir), "SIGHTLINE_NATS_TOKEN_FILE": str(secrets_dir / "none")}
    (problem,) = problems_of(environ)
    assert problem.startswith("SIGHTLINE_NATS_TOKEN_FILE: ")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o666, 0o610, 0o701])
def test_load_when_a_secret_file_is_open_to_others_then_the_remedy_is_named(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "webhook_token"
    write_secret(path, "canary", mode)
    (problem,) = problems_of({"SIGHTLINE_SECRETS_DIR": str(tmp_path)})
    assert f"chmod 600 {path}" in problem
    assert "canary" not in problem


def test_load_when_a_secret_file_is_a_symbolic_link_then_it_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "real", "canary")
    (tmp_path / "webhook_token").symlink_to(tmp_path / "real")
    (problem,) = problems_of({"SIGHTLINE_SECRETS_DIR": str(tmp_path)})
    assert f"{tmp_path / 'webhook_token'} is a symbolic link" in problem


def test_load_when_a_secret_file_is_a_directory_then_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "webhook_token").mkdir(mode=0o700)
    (problem,) = problems_of({"SIGHTLINE_SECRETS_DIR": str(tmp_path)})
    assert "not a regular file" in problem


def test_load_when_a_secret_file_is_a_named_pipe_then_it_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "webhook_token", 0o600)
    (problem,) = problems_of({"SIGHTLINE_SECRETS_DIR": str(tmp_path)})
    assert "not a regular file" in problem


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_load_when_a_secret_file_belongs_to_another_user_then_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "webhook_token"
    write_secret(path, "canary")
    os.chown(path, 12_345, -1)
    (problem,) = problems_of({"SIGHTLINE_SECRETS_DIR": str(tmp_path)})
    assert f"belongs to user 12345; run `chown 0 {path}`" in problem


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfecanary", b"canary" * 20_000])
def test_load_when_a_secret_file_holds_no_secret_then_it_is_refused_without_its_content(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "webhook_token"
    path.write_bytes(content)
    path.chmod(0o600)
    (problem,) = problems_of({"SIGHTLINE_SECRETS_DIR": str(tmp_path)})
    assert str(path) in problem
    assert "canary" not in problem


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SIGHTLINE_LOKI_URL", "127.0.0.1:3100"),
        ("SIGHTLINE_LOKI_URL", "http://user:canary@127.0.0.1:3100"),
        ("SIGHTLINE_DATABASE_URL", "postgresql://sightline:canary@127.0.0.1/sightline"),
        ("SIGHTLINE_DATABASE_URL", "mysql://127.0.0.1/sightline"),
        ("SIGHTLINE_NATS_URL", "127.0.0.1"),
        ("SIGHTLINE_NATS_URL", "nats://:canary@127.0.0.1:4222"),
        ("SIGHTLINE_PORT", "65536"),
        ("SIGHTLINE_MAX_BODY_BYTES", "0"),
        ("SIGHTLINE_CONSOLE", "loud"),
    ],
)
def test_load_when_a_value_is_out_of_range_then_its_variable_is_named(
    secrets_dir: Path, variable: str, value: str
) -> None:
    (problem,) = problems_of({"SIGHTLINE_SECRETS_DIR": str(secrets_dir), variable: value})
    assert problem.startswith(f"{variable}: ")
    assert "canary" not in problem


def test_listen_port_when_an_offset_is_set_then_it_is_added_to_the_default_only(secrets_dir: Path) -> None:
    environ = {"SIGHTLINE_SECRETS_DIR": str(secrets_dir), "SIGHTLINE_PORT_OFFSET": "100"}
    assert load(ExampleSettings, environ).listen_port == 8899
    assert load(ExampleSettings, environ | {"SIGHTLINE_PORT": "9000"}).listen_port == 9000


def test_database_url_when_a_password_file_exists_then_the_full_url_holds_it_quoted(secrets_dir: Path) -> None:
    write_secret(secrets_dir / "postgres_password", "p@ss/word")
    environ = {
        "SIGHTLINE_SECRETS_DIR": str(secrets_dir),
        "SIGHTLINE_DATABASE_URL": "postgresql://sightline@127.0.0.1:5432/sightline",
    }
    url = load(ExampleSettings, environ).full_database_url()
    assert url.get_secret_value() == "postgresql+psycopg://sightline:p%40ss%2Fword@127.0.0.1:5432/sightline"


def test_database_url_when_not_set_then_it_is_a_file_of_the_service(secrets_dir: Path) -> None:
    environ = {"SIGHTLINE_SECRETS_DIR": str(secrets_dir), "SIGHTLINE_DATA_DIR": "/data"}
    assert load(ExampleSettings, environ).full_database_url().get_secret_value() == "sqlite:////data/db/example.db"
