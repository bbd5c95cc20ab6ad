"""The process that is killed: an engine on a desk, at venues that serve elsewhere.

`python -m tests.trading.engine.process` imports everything, then reads one life after the other, a line of JSON each,
forks a process that lives it until it is killed, and answers with its number and, once it has ended, with its status.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict

from services.contracts.orders import VenueName
from services.trading.engine.config import StrategyConfig
from tests.trading.engine.running import RunningEngine, paper_at

_ROOT: Final = Path(__file__).parents[3]
_END_SECONDS: Final = 60.0


class Site(BaseModel):
    """A venue, as the process finds it."""

    model_config = ConfigDict(frozen=True)

    name: str
    base_url: str
    headers: dict[str, str]


class Life(BaseModel):
    """What a process runs."""

    model_config = ConfigDict(frozen=True)

    directory: Path
    sites: tuple[Site, ...]
    strategies: tuple[StrategyConfig, ...]
    data: VenueName


class _Headers:
    def __init__(self, site: Site) -> None:
        self.base_url, self.headers = site.base_url, site.headers


class Lives:
    """A process that has imported everything, so that each life begins at once."""

    def __init__(self) -> None:
        environ = os.environ | {"PYTHONPATH": str(_ROOT), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.trading.engine.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            text=True,
        )
        self._living: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._living is not None:
            self.kill()
        self._process.communicate(timeout=_END_SECONDS)  # closes both pipes

    def begin(self, life: Life) -> None:
        """Begin a life."""
        assert self._process.stdin is not None
        self._process.stdin.write(life.model_dump_json() + "\n")
        self._process.stdin.flush()
        self._living = self._answer()["pid"]

    def kill(self) -> None:
        """End it with signal 9, and wait until it is gone."""
        assert self._living is not None
        os.kill(self._living, signal.SIGKILL)
        self._living = None
        assert self._answer()["status"] == -signal.SIGKILL, "it had ended by itself"

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process is gone"
        answer: dict[str, int] = json.loads(line)
        return answer


def _live(life: Life) -> None:
    papers = {
        VenueName(site.name): paper_at(site.name, site.base_url, site.headers, served=_Headers(site))
        for site in life.sites
    }
    house = RunningEngine(life.directory, papers, life.strategies, data=life.data)
    with house.running():
        threading.Event().wait()  # until it is killed


def _fork(life: Life) -> int:
    number = os.fork()
    if number:
        return number
    try:
        _live(life)
    finally:
        os._exit(1)


def main() -> None:
    """Live what is asked for, one life at a time."""
    logging.disable(logging.CRITICAL)  # what goes wrong when a process is killed is meant to
    for line in sys.stdin:
        number = _fork(Life.model_validate_json(line))
        _say({"pid": number})
        _, status = os.waitpid(number, 0)
        _say({"status": os.waitstatus_to_exitcode(status)})


def _say(words: dict[str, Any]) -> None:
    print(json.dumps(words), flush=True)  # noqa: T201 -- its answer


if __name__ == "__main__":
    main()
