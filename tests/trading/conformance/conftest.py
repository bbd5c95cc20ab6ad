"""Every scenario meets every adapter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trading.conformance.adapters import ADAPTERS
from tests.trading.conformance.bench import Bench, bench_at
from tests.trading.conformance.rig import Rig


@pytest.fixture(params=sorted(ADAPTERS))
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with ADAPTERS[request.param](tmp_path, None) as made:
        yield made


@pytest.fixture
def bench(rig: Rig, tmp_path: Path) -> Iterator[Bench]:
    with bench_at(rig, tmp_path) as made:
        yield made
