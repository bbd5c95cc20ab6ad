"""The analyst names what went wrong, and nothing where nothing did."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from services.agents.analyst.analyst import Analyst
from tests.agents.faults import CONTROLS, FAULTS
from tests.agents.story import Story, causes, shown


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", FAULTS)
def test_fault_when_diagnosed_then_it_is_the_first_cause(
    name: str, seed: int, tmp_path: Path, analyst: Callable[..., Analyst]
) -> None:
    story = Story(tmp_path / "telemetry.db", seed)
    FAULTS[name](story)
    diagnosis = asyncio.run(analyst(story.told()).diagnose(story.request()))
    assert causes(diagnosis)[:1] == [name], shown(diagnosis)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CONTROLS)
def test_control_when_diagnosed_then_nothing_is_found(
    name: str, seed: int, tmp_path: Path, analyst: Callable[..., Analyst]
) -> None:
    story = Story(tmp_path / "telemetry.db", seed)
    CONTROLS[name](story)
    diagnosis = asyncio.run(analyst(story.told()).diagnose(story.request()))
    assert causes(diagnosis) == [], shown(diagnosis)
