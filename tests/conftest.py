"""What every test can count on: real programs by name, free ports, no accidental network."""

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_PORTS_BELOW_EPHEMERAL = range(12_000, 32_000)


def pytest_configure() -> None:
    """Put Debian's Postgres and the environment's own programs on the PATH; let Ctrl-C reach what tests start."""
    beside = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    beside.append(str(Path(sys.executable).parent))
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *beside])
    # A shell that starts a command in the background has it ignore Ctrl-C, and its children with it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        missing = [program for program in marker.args if shutil.which(program) is None]
        if missing:
            message = f"needs {', '.join(missing)} on PATH"
            if os.environ.get("CI"):
                pytest.fail(f"{message}; in CI no test may skip for a missing program", pytrace=False)
            pytest.skip(message)


@pytest.fixture(autouse=True)
def log_levels_as_found() -> Iterator[None]:
    """Put every logger's level back: logging is global, and a server or service under test sets levels of its own."""
    before = _levels()
    yield
    for name, level in _levels().items():
        found = before.get(name, logging.NOTSET)
        if level != found:
            logging.getLogger(name or None).setLevel(found)


def _levels() -> dict[str, int]:
    known = logging.Logger.manager.loggerDict.items()
    levels = {name: logger.level for name, logger in known if isinstance(logger, logging.Logger)}
    return {"": logging.getLogger().level, **levels}


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port of 127.0.0.1 that was free a moment ago, for programs that cannot bind port 0 themselves.

    Below those that the system gives to outgoing connections and to whoever binds port 0: one of those could be taken
    by a neighbour before the program gets to it.
    """

    def find() -> int:
        for _ in range(100):
            port = _PORTS_BELOW_EPHEMERAL.start + secrets.randbelow(len(_PORTS_BELOW_EPHEMERAL))
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
        pytest.fail("no free port of 127.0.0.1 found")

    return find
