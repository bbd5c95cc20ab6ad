"""Looking again and again."""

import asyncio
import logging

import pytest

from services.kit.errors import UnavailableError
from services.kit.repeating import repeating


class Looking:
    """Fails at the given turns; says when it was called often enough."""

    def __init__(self, *, failing_turns: frozenset[int] = frozenset(), turns: int = 4) -> None:
        self._failing_turns = failing_turns
        self._turns = turns
        self._loop = asyncio.get_running_loop()
        self.done = asyncio.Event()
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        if self.count == self._turns:
            self._loop.call_soon_threadsafe(self.done.set)
        if self.count in self._failing_turns:
            raise UnavailableError("It is away.")


async def run(failing_turns: frozenset[int] = frozenset()) -> int:
    look = Looking(failing_turns=failing_turns)
    async with repeating(look, every_seconds=0.001, purpose="look"), asyncio.timeout(10):
        await look.done.wait()
    return look.count


def test_repeating_when_it_runs_then_it_looks_until_the_block_ends() -> None:
    assert asyncio.run(run()) >= 4


def test_repeating_when_looking_fails_then_it_goes_on_and_says_so_once_for_each_outage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger="services.kit.repeating"):
        assert asyncio.run(run(frozenset({1, 2, 4}))) >= 4
    assert caplog.messages == ["cannot look: It is away."] * 2
