"""docker-compose.yml, Dockerfile and what they mount. No Docker engine is needed to hold them to this."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from services.agents.settings import AgentsSettings
from services.auth.settings import AuthSettings
from services.automation.settings import AutomationSettings
from services.console.commands.context import make_operator
from services.console.settings import ConsoleSettings
from services.console.stack.inventory import COMPONENTS
from services.content.settings import ContentSettings
from services.kit.clock import SystemClock
from services.kit.service_settings import ServiceSettings
from services.kit.settings import load as load_settings
from services.trading.settings import TradingSettings
from services.venue.settings import VenueSettings
from tests.stack.alerting import free_port, get_json, running
from tests.stack.stackfiles import ROOT, load, run_tool, scrape_targets

COMPOSE: Mapping[str, Any] = load("docker-compose.yml")
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
ONE_SHOT = {name for name, service in SERVICES.items() if service["restart"] == "no"}
LONG_RUNNING = sorted(set(SERVICES) - ONE_SHOT)


def _mounts(service: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for volume in service.get("volumes", []):
        source, target, mode = (*volume.split(":"), "rw")[:3]
        yield source, target, mode


def test_file_when_read_by_the_compose_specification_then_it_is_valid() -> None:
    # The library resolves no YAML merge keys, so it is given the document with them resolved.
    parsed = compose_spec.PyCompose.from_yaml(yaml.safe_dump(COMPOSE))
    parsed.validate()
    assert set(parsed.service_names()) == set(SERVICES)


def test_one_shot_services_when_listed_then_another_service_waits_for_each_to_complete() -> None:
    # Otherwise `docker compose up --wait` takes their end for a failure.
    awaited = {
        name
        for service in SERVICES.values()
        for name, dependency in service.get("depends_on", {}).items()
        if dependency["condition"] == "service_completed_successfully"
    }
    assert awaited == ONE_SHOT == {"secrets", "databases"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_dependency_when_awaited_then_its_condition_can_come_true(name: str) -> None:
    for other, dependency in SERVICES[name].get("depends_on", {}).items():
        if dependency["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert other in ONE_SHOT


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_when_published_then_only_on_the_loopback_interface(name: str) -> None:
    assert [port for port in SERVICES[name].get("ports", []) if not port.startswith("127.0.0.1:")] == []


def test_ports_when_published_then_no_two_services_take_the_same() -> None:
    taken = [port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_image_when_named_then_its_tag_is_a_full_version(name: str) -> None:
    service = SERVICES[name]
    if service["image"] == "sightline:local":
        assert service["build"] == "."
    else:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?", service["image"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_container_when_started_then_it_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["logging"]["options"]["max-size"]
    assert not service.get("privileged")


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_long_running_service_when_it_ends_then_it_is_restarted_and_given_time(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["stop_grace_period"]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_health_check_when_run_then_it_needs_no_shell(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


@pytest.mark.parametrize(("name", "program"), [("loki", "/usr/bin/loki"), ("tempo", "/tempo")])
def test_health_check_when_the_image_has_no_shell_then_the_program_checks_itself(name: str, program: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"] == ["CMD", program, "-health"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_repository_file_when_mounted_then_it_exists_and_is_read_only(name: str) -> None:
    for source, _, mode in _mounts(SERVICES[name]):
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert mode == "ro"


def test_volumes_when_declared_then_all_are_used_and_all_used_are_declared() -> None:
    used = {source for service in SERVICES.values() for source, _, _ in _mounts(service) if not source.startswith(".")}
    assert used == set(COMPOSE["volumes"])


def test_secrets_when_mounted_then_each_consumer_sees_its_own_alone() -> None:
    own = {
        "console": "secrets-services",
        "automation": "secrets-services",
        "auth": "secrets-services",
        "trading": "secrets-services",
        "venue": "secrets-services",
        "content": "secrets-services",
        "agents": "secrets-services",
        "databases": "secrets-postgres",
        **{name: f"secrets-{name}" for name in ("alertmanager", "grafana", "nats", "postgres")},
    }
    for name, service in SERVICES.items():
        seen = {(source, mode) for source, _, mode in _mounts(service) if source.startswith("secrets-")}
        if name == "secrets":
            assert seen == {(volume, "rw") for volume in {*own.values(), "secrets-auth", "secrets-venue"}}
        else:
            # What opens the vault is auth's alone, and a rotation writes it. The venue signs what auth takes in.
            more = {"auth": {("secrets-auth", "rw")}, "venue": {("secrets-venue", "ro")}}.get(name, set())
            assert seen == ({(own[name], "ro")} if name in own else set()) | more


def test_secrets_when_consumed_then_the_consumer_waits_until_they_are_made() -> None:
    def awaits(name: str) -> bool:
        dependencies = SERVICES[name].get("depends_on", {})
        return "secrets" in dependencies or any(map(awaits, dependencies))

    consumers = [
        name
        for name, service in SERVICES.items()
        if any(source.startswith("secrets-") for source, *_ in _mounts(service))
    ]
    assert [name for name in consumers if name != "secrets" and not awaits(name)] == []


def test_environment_when_it_speaks_of_a_secret_then_it_names_a_file() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value))
            if re.search(r"PASSWORD|TOKEN|SECRET", variable):
                assert variable.endswith(("_FILE", "_DIR"))


@pytest.mark.parametrize(
    ("service", "port"),
    [
        ("console", 8700),
        ("automation", 8710),
        ("auth", 8720),
        ("trading", 8730),
        ("venue", 8740),
        ("content", 8750),
        ("agents", 8760),
    ],
)
def test_service_when_started_then_it_listens_where_it_is_published_and_scraped(service: str, port: int) -> None:
    assert SERVICES[service]["environment"]["SIGHTLINE_PORT"] == str(port)
    assert SERVICES[service]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert (service, f"{service}:{port}") in set(scrape_targets())


@pytest.mark.parametrize(
    "settings_class",
    [
        AgentsSettings,
        AuthSettings,
        AutomationSettings,
        ConsoleSettings,
        ContentSettings,
        TradingSettings,
        VenueSettings,
    ],
    ids=lambda cls: cls.service_name,
)
def test_service_when_it_reads_its_environment_then_it_takes_every_variable(
    settings_class: type[ServiceSettings], tmp_path: Path
) -> None:
    secrets = ("alertmanager_token", "slack_webhook_url", "nats_token", "verdict_key", "twilio_auth_token")
    for name in (*secrets, "paper_accounts.json", "paper_logins.json"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text("made-up-for-this-test")
    environment = {
        name: re.sub(r"^/run/sightline(-auth|-venue)?", str(tmp_path), str(value))
        for name, value in SERVICES[settings_class.service_name]["environment"].items()
    }
    settings = load_settings(settings_class, environment)
    assert str(settings.port) == environment["SIGHTLINE_PORT"]
    assert settings.loki_url == "http://loki:3100"


def test_command_when_it_runs_in_auths_container_then_it_takes_every_variable_there() -> None:
    environment = {name: str(value) for name, value in SERVICES["auth"]["environment"].items()}
    operator = make_operator(COMPONENTS, SystemClock(), environment)
    assert operator.layout.secrets_dir == Path("/run/sightline")


def test_simulated_brokers_when_asked_from_auths_container_then_they_are_allowed_and_their_messages_taken() -> None:
    auth, venue = SERVICES["auth"]["environment"], SERVICES["venue"]["environment"]
    assert json.loads(auth["SIGHTLINE_SIMULATOR_HOSTS"]) == ["venue"]
    assert auth["SIGHTLINE_SMS_WEBHOOK_URL"] == venue["SIGHTLINE_SMS_WEBHOOK_URL"]
    assert venue["SIGHTLINE_SMS_WEBHOOK_URL"].startswith(f"http://auth:{auth['SIGHTLINE_PORT']}/")


def test_paper_venues_when_asked_from_the_containers_that_use_them_then_they_are_allowed() -> None:
    for name in ("auth", "trading"):
        environment = SERVICES[name]["environment"]
        assert json.loads(environment["SIGHTLINE_SIMULATOR_HOSTS"]) == ["venue"]
        assert environment["SIGHTLINE_PAPER_URL"] == "http://venue:8740"


def test_scrape_targets_when_resolved_then_each_is_a_service_of_the_stack() -> None:
    assert {address.split(":")[0] for _, address in scrape_targets()} <= set(SERVICES)


def test_databases_when_made_then_every_service_with_a_url_has_its_own() -> None:
    named = {
        service["environment"]["SIGHTLINE_DATABASE_URL"].rsplit("/", 1)[1]
        for service in SERVICES.values()
        if "SIGHTLINE_DATABASE_URL" in service.get("environment", {})
    }
    made = set(re.findall(r"'(\w+)'", COMPOSE["configs"]["databases"]["content"].split("ARRAY[")[1].split("]")[0]))
    assert named == made


def test_expanded_files_when_they_hold_variables_then_the_program_is_told_to_expand_them() -> None:
    for name in ("loki", "tempo"):
        text = (ROOT / name / f"{name}.yml").read_text()
        assert "${" in text
        assert "-config.expand-env=true" in SERVICES[name]["command"]


@pytest.mark.needs("nats-server")
def test_bus_configuration_when_tested_by_the_server_then_it_is_valid(tmp_path: Path) -> None:
    shutil.copy(ROOT / "nats/nats.conf", tmp_path)
    (tmp_path / "secrets").mkdir()
    # Digits first: unquoted, the server would read such a token as a number.
    (tmp_path / "secrets/authorization.conf").write_text('authorization { token: "12e3f" }')
    checked = run_tool("nats-server", "-t", "-c", "nats.conf", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.needs("nats-server")
def test_bus_configuration_when_its_token_is_missing_then_the_server_refuses_to_start(tmp_path: Path) -> None:
    shutil.copy(ROOT / "nats/nats.conf", tmp_path)
    checked = run_tool("nats-server", "-t", "-c", "nats.conf", cwd=tmp_path)
    assert checked.returncode != 0
    assert "secrets/authorization.conf" in checked.stderr


@pytest.mark.needs("nats-server")
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 -- a native run's, and a container's
def test_bus_when_started_at_an_address_then_its_monitor_is_heard_on_the_loopback_alone(
    address: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "nats/nats.conf", tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/authorization.conf").write_text('authorization { token: "made-up" }')
    client, monitor = free_port(), free_port()
    arguments = ("--config=nats.conf", f"--addr={address}", f"--port={client}", f"--http_port={monitor}", "-sd=store")
    with running("nats-server", arguments, cwd=tmp_path, ready=f"http://127.0.0.1:{monitor}/healthz"):
        status = get_json(f"http://127.0.0.1:{monitor}/varz")
    assert status["host"] == address
    assert status["http_host"] == "127.0.0.1"
    assert status["auth_required"] is True


def test_image_when_built_then_its_base_is_pinned_and_its_user_is_not_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    bases = {line.split()[1] for line in lines if line.startswith("FROM ")}
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm", base) for base in bases)
    assert len(bases) == 1
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 10001:10001"


def test_image_when_built_then_everything_it_copies_passes_the_ignore_file() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    copied = {
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert {f"!{source}" for source in copied} <= set(ignored)
    assert all((ROOT / source).exists() for source in copied)
