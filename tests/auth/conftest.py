"""Fixtures of the auth tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from services.kit.database import Database
from tests.auth.support import OPERATOR, House, open_database, passphrase
from tests.fakes.clock import FakeClock
from tests.kit.conftest import postgres_server as postgres_server  # noqa: PLC0414 -- a fixture, used by its name
from tests.kit.conftest import postgres_url as postgres_url  # noqa: PLC0414 -- the same

# How long an example takes says more about the machine's load than about the code.
settings.register_profile("auth", deadline=None)
settings.load_profile("auth")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "auth.db")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sealed_house(database: Database, clock: FakeClock) -> House:
    return House(database, clock)


@pytest.fixture
def house(sealed_house: House) -> House:
    sealed_house.vault.initialise(passphrase(), actor=OPERATOR)
    return sealed_house
