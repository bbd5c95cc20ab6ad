"""What every test can count on: real programs by name, free ports, no accidental network."""

import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """Debian keeps Postgres' server programs, and the virtual environment its own, off the PATH."""
    beside = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    beside.append(str(Path(sys.executable).parent))
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *beside])


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        missing = [program for program in marker.args if shutil.which(program) is None]
        if missing:
            message = f"needs {', '.join(missing)} on PATH"
            if os.environ.get("CI"):
                pytest.fail(f"{message}; in CI no test may skip for a missing program", pytrace=False)
            pytest.skip(message)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port of 127.0.0.1 that was free a moment ago, for programs that cannot bind port 0 themselves."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    return find
