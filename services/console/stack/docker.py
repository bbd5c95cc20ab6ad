"""The platform in containers: everything is left to `docker compose` and the file in the checkout."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from services.console.stack.errors import StackError
from services.console.stack.layout import HOST
from services.console.stack.status import ComponentStatus, PlatformStatus, alerts_of

_ANSWER_SECONDS = 5.0
_LOOK_SECONDS = 30.0
# Where the compose stack publishes what is read back.
DOCKER_URLS = MappingProxyType(
    {name: f"http://{HOST}:{port}" for name, port in (("prometheus", 9090), ("loki", 3100), ("tempo", 3200))}
)
_UNITS = {"B": 1, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_SIZE = re.compile(r"([\d.]+)\s*([KMG]?i?B)", re.IGNORECASE)


def engine_problem() -> str:
    """Why Docker cannot be used here, "" when it can: the engine answers soon, and Compose is there."""
    for command, problem in (
        (("docker", "info", "--format", "{{.ServerVersion}}"), "no Docker engine answers"),
        (("docker", "compose", "version", "--short"), "Docker has no Compose plugin"),
    ):
        try:
            result = _capture(command, timeout_seconds=_ANSWER_SECONDS)
        except FileNotFoundError:
            return "docker is not on PATH"
        except (OSError, subprocess.TimeoutExpired):
            return problem
        if result.returncode != 0:
            return problem
    return ""


class DockerPlatform:
    """The compose stack of a checkout. `up` and `down` are safe to repeat, and raise StackError with what to do."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._compose = (
            "docker",
            "compose",
            "--project-directory",
            str(root),
            "--file",
            str(root / "docker-compose.yml"),
        )

    def up(self, *, timeout_seconds: float, more_files: Sequence[str] = ()) -> None:
        """Build, start and wait until every container is healthy. Docker's own progress goes to the terminal.

        `more_files` of the checkout add to the stack's own.
        """
        more = [part for file in more_files for part in ("--file", str(self._root / file))]
        waiting = ("--detach", "--wait", f"--wait-timeout={timeout_seconds:.0f}")
        command = (*self._compose, *more, "up", "--build", *waiting)
        if self._pass_through(command) == 0:
            return
        unwell = [status.name for status in self.status().components if not status.ready]
        raise StackError(
            f"not well: {', '.join(unwell)}" if unwell else "docker compose could not start the platform",
            remedy="`sightline status` shows what runs, `docker compose logs NAME` what it said",
            detail=self._last_output(unwell),
        )

    def down(self) -> bool:
        """Stop and remove the containers, keep the volumes. Returns whether there were any."""
        there = bool(self._listing())
        if self._pass_through((*self._compose, "down", "--remove-orphans")) != 0:
            raise StackError("docker compose could not stop the platform", remedy="read its output above")
        return there

    def is_running(self) -> bool:
        """Whether a container of the stack runs."""
        return any(entry.get("State") == "running" for entry in self._listing())

    def status(self) -> PlatformStatus:
        """Look at every container."""
        listing = self._listing()
        memory = self._memory([str(entry["Name"]) for entry in listing if entry.get("State") == "running"])
        components = [_component(entry, memory.get(str(entry["Name"]), 0)) for entry in listing]
        return PlatformStatus(
            mode="docker",
            components=tuple(sorted(components, key=lambda component: component.name)),
            alerts=alerts_of(DOCKER_URLS["prometheus"]),
        )

    def _listing(self) -> list[dict[str, Any]]:
        return list(_json_objects(_ask((*self._compose, "ps", "--all", "--format", "json"))))

    def _memory(self, names: Sequence[str]) -> dict[str, int]:
        if not names:
            return {}
        command = ("docker", "stats", "--no-stream", "--format", "json", *names)
        return {str(answer["Name"]): _bytes(str(answer.get("MemUsage", ""))) for answer in _json_objects(_ask(command))}

    def _last_output(self, names: Sequence[str]) -> str:
        if not names:
            return ""
        return _ask((*self._compose, "logs", "--tail=15", *names)).strip()

    def _pass_through(self, command: Sequence[str]) -> int:
        return subprocess.run(command, check=False).returncode  # noqa: S603 -- fixed words and a path of ours


def _ask(command: Sequence[str]) -> str:
    remedy = "start the Docker engine; `docker info` tells whether it answers"
    try:
        result = _capture(command, timeout_seconds=_LOOK_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError("the platform was started with Docker, which does not answer", remedy=remedy) from error
    if result.returncode != 0:
        raise StackError(f"`docker {command[1]}` failed", remedy=remedy, detail=result.stderr.strip())
    return result.stdout


def _capture(command: Sequence[str], *, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- fixed words, a path of ours and names that Docker gave
        command,
        capture_output=True,
        check=False,
        errors="replace",
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout_seconds,
    )


def _component(entry: dict[str, Any], memory_bytes: int) -> ComponentStatus:
    state, health = str(entry.get("State", "")), str(entry.get("Health", ""))
    finished = state == "exited" and entry.get("ExitCode") == 0  # one-shot containers have done their work
    ports = [
        int(publisher["PublishedPort"]) for publisher in entry.get("Publishers") or () if publisher["PublishedPort"]
    ]
    return ComponentStatus(
        name=str(entry["Service"]),
        state="done" if finished else health or state,
        ready=finished or (state == "running" and health in {"healthy", ""}),
        port=min(ports, default=None),
        uptime_seconds=None,
        restarts=None,
        memory_bytes=memory_bytes,
    )


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Docker prints one object a line; older versions of Compose print one list."""
    for line in text.splitlines():
        if line.strip():
            try:
                value = json.loads(line)
            except ValueError as error:
                raise StackError("docker printed something else than JSON", detail=line[:200]) from error
            yield from value if isinstance(value, list) else (value,)


def _bytes(text: str) -> int:
    match = _SIZE.match(text.strip())
    return int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
