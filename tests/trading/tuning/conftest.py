"""Fixtures of the tuning tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.trading.tuning.home import FileHome
from tests.fakes.clock import FakeClock
from tests.kit.conftest import postgres_server as postgres_server  # noqa: PLC0414 -- a fixture, used by its name


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def home(tmp_path: Path, clock: FakeClock) -> Iterator[FileHome]:
    home = FileHome(tmp_path / "tuning", clock)
    yield home
    home.close()
