"""One process trades on a database; whoever was replaced learns it before it can write or send anything."""

import os

import pytest

from services.kit.database import Database
from services.kit.ids import SystemRandomness
from services.trading.desk.errors import NotOwnerError
from services.trading.desk.owner import Fenced, Owner
from services.trading.desk.processes import surely_gone, this_process
from tests.auth.support import KeptFacts
from tests.fakes.clock import FakeClock


class Two:
    """Two processes that would trade."""

    def __init__(self, database: Database) -> None:
        self.clock = FakeClock()
        self.facts = KeptFacts(database)
        self.first = self.process("one")
        self.second = self.process("two")

    def process(self, name: str) -> Owner:
        return Owner(self.facts, self.clock, name)


@pytest.fixture
def two(database: Database) -> Two:
    return Two(database)


def test_the_first_to_claim_trades_and_the_other_does_not(two: Two) -> None:
    assert two.first.claim()
    assert not two.second.claim()


def test_another_process_takes_over_once_the_lease_has_run_out(two: Two) -> None:
    two.first.claim()
    two.clock.advance(14.9)
    assert not two.second.claim()

    two.clock.advance(0.1)

    assert two.second.claim()


def test_a_lease_that_is_renewed_is_kept(two: Two) -> None:
    two.first.claim()
    for _ in range(5):
        two.clock.advance(5)
        assert two.first.renew()

    assert not two.second.claim()


def test_whoever_was_replaced_writes_nothing_more(two: Two) -> None:
    two.first.claim()
    two.clock.advance(15)
    two.second.claim()
    commits = two.facts.commits

    with pytest.raises(NotOwnerError), Fenced(two.facts, two.first).transaction(durable=True):
        pass

    assert two.facts.commits == commits
    assert not two.first.renew()
    assert two.first.fence is None


def test_whoever_ran_out_sends_nothing_before_another_can_have_taken_over(two: Two) -> None:
    two.first.claim()
    assert two.first.sure

    two.clock.advance(12)

    assert not two.first.sure


def test_what_is_given_back_is_free_at_once(two: Two) -> None:
    two.first.claim()
    two.first.release()

    assert two.second.claim()
    assert two.second.fence == 2


def test_the_kill_switch_takes_over_from_a_process_that_lives(two: Two) -> None:
    two.first.claim()

    assert two.second.claim(force=True)

    assert not two.first.renew()


def test_a_process_that_is_gone_need_not_be_waited_for(two: Two) -> None:
    own = this_process(SystemRandomness())
    place, number, _ = own.split("/")
    two.process(f"{place}/{_ended_process()}/crashed").claim()

    assert two.process(own).claim()
    assert number == str(os.getpid())


def test_a_process_on_another_machine_is_waited_for(two: Two) -> None:
    two.process(f"other-machine/{_ended_process()}/crashed").claim()

    assert not two.process(this_process(SystemRandomness())).claim()


def test_a_process_that_lives_is_not_gone() -> None:
    own = this_process(SystemRandomness())
    place, number, _ = own.split("/")

    assert not surely_gone(f"{place}/{os.getppid()}/parent", own)
    assert not surely_gone(own, own)
    assert surely_gone(f"{place}/{number}/the-process-before-with-this-number", own)


def _ended_process() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child
