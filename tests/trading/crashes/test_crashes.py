"""Orders survive kill -9 at any moment while the venues fail: none lost, none doubled, the same books on both sides.

The long form is `make crashes`: a thousand runs.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trading.crashes.runs import Workers, migrated, run

SEEDS = range(1, 16)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    with migrated() as path:
        yield path


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", SEEDS)
def test_orders_are_neither_lost_nor_doubled_whenever_the_process_is_killed(
    seed: int, workers: Workers, template: Path
) -> None:
    outcome = run(seed, workers, template=template)

    assert outcome.wrong == []
    assert outcome.orders
