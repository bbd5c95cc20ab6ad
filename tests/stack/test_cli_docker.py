"""With Docker, everything is left to Compose; a program in Docker's place records what it was asked."""

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.console.cli import build, run
from services.console.stack.docker import engine_problem
from services.console.stack.inventory import COMPONENTS
from services.kit.clock import SystemClock

# Answers of Docker 28 with Compose 2.40, cut to what is read.
_RUNNING = {
    "Name": "sightline-nats-1",
    "Service": "nats",
    "State": "running",
    "Health": "healthy",
    "ExitCode": 0,
    "Publishers": [{"PublishedPort": 8222}, {"PublishedPort": 4222}, {"PublishedPort": 0}],
}
_DONE = {
    "Name": "sightline-secrets-1",
    "Service": "secrets",
    "State": "exited",
    "Health": "",
    "ExitCode": 0,
    "Publishers": None,
}
_UNWELL = {
    "Name": "sightline-loki-1",
    "Service": "loki",
    "State": "running",
    "Health": "unhealthy",
    "ExitCode": 0,
    "Publishers": [],
}

_SCRIPT = """\
#!{python}
import json, pathlib, sys
arguments = sys.argv[1:]
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(" ".join(arguments) + "\\n")
containers = json.loads((here / "containers.json").read_text())
if arguments[0] == "info":
    sys.exit(0 if (here / "engine").exists() else 1)
if "ps" in arguments:
    print("\\n".join(json.dumps(container) for container in containers))
if arguments[0] == "stats":
    print(json.dumps({{"Name": "sightline-nats-1", "MemUsage": "12.5MiB / 256MiB"}}))
if "logs" in arguments:
    print("loki-1  | the disk is full")
if "up" in arguments:
    sys.exit(1 if any(container["Health"] == "unhealthy" for container in containers) else 0)
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a `docker` whose engine answers, the only program on PATH."""
    directory = tmp_path / "docker-bin"
    directory.mkdir()
    program = directory / "docker"
    program.write_text(_SCRIPT.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (directory / "engine").touch()
    (directory / "containers.json").write_text(json.dumps([_RUNNING, _DONE]))
    monkeypatch.setenv("PATH", str(directory))
    return directory


@pytest.fixture
def app(tmp_path: Path) -> Callable[..., typer.Typer]:
    def make(**variables: str) -> typer.Typer:
        return build((), SystemClock(), {"SIGHTLINE_DATA_DIR": str(tmp_path / "var"), **variables})

    return make


def calls(docker: Path) -> list[str]:
    return (docker / "calls").read_text().splitlines()


def test_engine_when_it_answers_then_there_is_no_problem(docker: Path) -> None:
    assert engine_problem() == ""
    assert calls(docker)[0].startswith("info")


def test_engine_when_it_does_not_answer_then_that_is_the_problem(docker: Path) -> None:
    (docker / "engine").unlink()

    assert engine_problem() == "no Docker engine answers"


def test_up_when_an_engine_answers_then_compose_starts_the_stack_and_waits(
    app: Callable[..., typer.Typer], docker: Path
) -> None:
    assert run(app(), ["up"]) == 0

    (up,) = [call for call in calls(docker) if " up " in call]
    assert "docker-compose.yml up --build --detach --wait" in up


def test_up_when_nothing_else_is_said_then_containers_trade_recorded_bars_and_it_says_where_to_look(
    tmp_path: Path, docker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = tmp_path / "var"
    data_dir.mkdir()
    (data_dir / "paper-bars.csv").write_text("made up\n")

    assert run(build(COMPONENTS, SystemClock(), {"SIGHTLINE_DATA_DIR": str(data_dir)}), ["up"]) == 0

    (up,) = [call for call in calls(docker) if " up " in call]
    assert "examples/paper-compose.yml up --build" in up
    told = capsys.readouterr().out
    assert "docker compose exec trading sightline strategies list" in told
    assert "docker compose exec automation sightline incidents" in told
    assert "sightline demo" not in told


@pytest.mark.usefixtures("docker")
def test_demo_when_the_platform_runs_in_docker_then_it_says_how_it_can_be_had(
    app: Callable[..., typer.Typer], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app(), ["up"]) == 0
    assert run(app(), ["demo"]) == 1

    assert "sightline up --native" in capsys.readouterr().err


def test_up_when_strategies_are_left_out_then_containers_trade_nothing(tmp_path: Path, docker: Path) -> None:
    app = build(COMPONENTS, SystemClock(), {"SIGHTLINE_DATA_DIR": str(tmp_path / "var")})

    assert run(app, ["up", "--without-strategies"]) == 0

    assert "paper-compose" not in " ".join(calls(docker))


def test_up_when_a_container_is_unhealthy_then_it_is_named_with_its_last_words(
    app: Callable[..., typer.Typer], docker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (docker / "containers.json").write_text(json.dumps([_RUNNING, _UNWELL]))

    assert run(app(), ["up"]) == 1

    error = capsys.readouterr().err
    assert "sightline: not well: loki" in error
    assert "the disk is full" in error


@pytest.mark.usefixtures("docker")
def test_status_when_it_runs_in_docker_then_health_ports_and_memory_are_shown(app: Callable[..., typer.Typer]) -> None:
    run(app(), ["up"])

    result = CliRunner().invoke(app(), ["status", "--json"], catch_exceptions=False)

    status = json.loads(result.output)
    assert (status["mode"], status["memory_bytes"]) == ("docker", 13_107_200)
    assert [(part["name"], part["state"], part["port"]) for part in status["components"]] == [
        ("nats", "healthy", 4222),
        ("secrets", "done", None),
    ]


def test_down_when_it_runs_in_docker_then_compose_takes_it_down(
    app: Callable[..., typer.Typer], docker: Path, tmp_path: Path
) -> None:
    run(app(), ["up"])

    assert run(app(), ["down"]) == 0

    assert calls(docker)[-1].endswith("down --remove-orphans")
    assert not (tmp_path / "var" / "run" / "stack.json").exists()


@pytest.mark.usefixtures("docker")
def test_up_when_ports_are_to_be_moved_then_docker_refuses_in_words(
    app: Callable[..., typer.Typer], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app(SIGHTLINE_PORT_OFFSET="100"), ["up"]) == 1

    assert "moves the ports of a native run only" in capsys.readouterr().err


@pytest.mark.usefixtures("docker")
def test_up_when_it_runs_in_docker_then_a_native_start_is_refused(
    app: Callable[..., typer.Typer], capsys: pytest.CaptureFixture[str]
) -> None:
    run(app(), ["up"])

    assert run(app(), ["up", "--native"]) == 1

    assert "run `sightline down` first" in capsys.readouterr().err


def test_down_when_docker_is_gone_then_that_is_said_in_words(
    app: Callable[..., typer.Typer], docker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(app(), ["up"])
    (docker / "docker").unlink()

    assert run(app(), ["down"]) == 1

    assert "started with Docker, which does not answer" in capsys.readouterr().err
