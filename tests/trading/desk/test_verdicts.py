"""Auth's word on each account: asked for ahead of time, checked here, and never older than it may be."""

import asyncio
import logging

import pytest

from services.contracts.auth import AccountId
from services.contracts.orders import VenueName
from services.contracts.verdict import Environment, SettingsDigest
from services.trading.desk.verdicts import VerdictKeeper, Vouched
from services.trading.desk.views import VerdictState
from tests.fakes.auth import FakeAuth
from tests.fakes.clock import FakeClock

ALPHA = VenueName("alpha")
DIGEST = SettingsDigest("ab" * 32)
OTHER = SettingsDigest("cd" * 32)


class House:
    """A keeper of one account's verdict, with auth and settings in the test's hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.auth = FakeAuth(self.clock)
        self.digest = DIGEST
        accounts = {ALPHA: Vouched(AccountId("alpha"), Environment.PAPER)}
        self.keeper = VerdictKeeper(self.auth, accounts, lambda: self.digest, self.clock)

    def renew(self) -> float:
        return asyncio.run(self.keeper.renew(ALPHA))

    @property
    def state(self) -> VerdictState:
        return self.keeper.standing(ALPHA).state


@pytest.fixture
def house() -> House:
    return House()


def test_a_verdict_is_missing_before_auth_was_asked(house: House) -> None:
    assert house.state is VerdictState.MISSING


def test_a_verdict_that_auth_signed_is_valid(house: House) -> None:
    house.renew()

    assert house.state is VerdictState.VALID


def test_a_verdict_is_renewed_at_half_its_life(house: House) -> None:
    assert house.renew() == 60.0


def test_a_verdict_ends_when_auth_stays_away(house: House) -> None:
    house.renew()
    house.auth.away = "auth is away"
    house.clock.advance(119)
    assert house.renew() == 5.0
    assert house.state is VerdictState.VALID

    house.clock.advance(1)

    assert house.state is VerdictState.EXPIRED


def test_a_failing_preflight_ends_the_verdict_before_its_time(house: House) -> None:
    house.renew()
    house.auth.failing = ("clock_offset", "vault_unsealed")

    house.renew()

    standing = house.keeper.standing(ALPHA)
    assert standing.state is VerdictState.MISSING
    assert "clock_offset, vault_unsealed" in standing.detail


def test_a_verdict_about_other_settings_is_invalid(house: House) -> None:
    house.auth.digest = OTHER

    house.renew()

    assert house.state is VerdictState.INVALID


def test_a_change_of_settings_makes_the_verdict_invalid_at_once(house: House) -> None:
    house.renew()

    house.digest = OTHER

    assert house.state is VerdictState.INVALID


def test_a_new_key_of_auth_is_learnt(house: House) -> None:
    house.renew()
    house.auth.change_key()

    house.renew()

    assert house.state is VerdictState.VALID


def test_auth_that_was_never_there_is_said_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.auth.away = "auth is away"

    with caplog.at_level(logging.WARNING):
        house.renew()
        house.renew()

    assert house.keeper.standing(ALPHA).detail == "auth gives none: auth is away"
    assert len(caplog.records) == 1


def test_keeping_asks_by_itself_and_ends_with_the_block(house: House) -> None:
    async def run() -> None:
        async with house.keeper.keeping(), asyncio.timeout(5):
            while house.state is not VerdictState.VALID:  # noqa: ASYNC110 -- the keeper tells nobody when it is done
                await asyncio.sleep(0)

    asyncio.run(run())

    assert house.auth.preflights == 1
