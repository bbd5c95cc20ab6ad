"""Fixtures of the tests of sessions."""

import pytest

from tests.auth.sessions.keeping import Keeping
from tests.auth.support import House
from tests.fakes.clock import FakeClock


@pytest.fixture
def keeping(house: House, clock: FakeClock) -> Keeping:
    return Keeping(house, clock)
