"""The headers that calls carry: renewed ahead, kept for cancels when auth is away."""

import asyncio

import pytest

from services.contracts.auth import AccountId
from services.contracts.orders import VenueName
from services.trading.desk.leases import LeaseKeeper
from tests.fakes.auth import FakeAuth
from tests.fakes.clock import FakeClock

ALPHA = VenueName("alpha")


class House:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.auth = FakeAuth(self.clock)
        self.keeper = LeaseKeeper(self.auth, {ALPHA: AccountId("alpha")}, self.clock)

    def renew(self) -> float:
        return asyncio.run(self.keeper.renew(ALPHA))


@pytest.fixture
def house() -> House:
    return House()


def test_there_are_no_headers_before_the_first_lease(house: House) -> None:
    assert house.keeper.headers(ALPHA) is None
    assert not house.keeper.standing(ALPHA).held


def test_a_lease_is_renewed_at_half_its_life(house: House) -> None:
    assert house.renew() == 150.0
    assert house.keeper.headers(ALPHA) == {"APCA-API-KEY-ID": "key-1"}
    assert house.keeper.standing(ALPHA).held


def test_the_last_headers_stay_when_auth_is_away_and_the_lease_has_run_out(house: House) -> None:
    house.renew()
    house.auth.away = "auth is away"
    house.clock.advance(301)
    house.renew()

    standing = house.keeper.standing(ALPHA)

    assert not standing.held
    assert standing.detail == "the session's lease has run out. auth is away"
    assert house.keeper.headers(ALPHA) == {"APCA-API-KEY-ID": "key-1"}


def test_a_lease_after_an_outage_is_held_again(house: House) -> None:
    house.auth.away = "auth is away"
    house.renew()
    house.auth.away = ""

    house.renew()

    assert house.keeper.standing(ALPHA).held


def test_no_header_shows_in_what_is_told_of_the_keeper(house: House) -> None:
    house.renew()

    assert "key-1" not in repr(house.keeper.standing(ALPHA))
