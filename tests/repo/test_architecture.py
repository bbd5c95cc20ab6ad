"""Walls that import-linter cannot hold by itself."""

import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for room in ("services", "telemetry") for path in (ROOT / room).rglob("*.py"))
ROOMS = {
    *("services." + room for room in ("agents", "auth", "automation", "clients", "console", "content", "contracts")),
    *("services." + room for room in ("kit", "matching", "trading", "venue")),
    *("services.trading." + room for room in ("api", "backtest", "bootstrap", "brokers", "engine", "marketdata")),
    *("services.trading." + room for room in ("desk", "orders", "portfolio", "risk", "routing", "strategies")),
    *("services.trading." + room for room in ("performance", "tuning", "wire")),
    *("services.trading.brokers." + venue for venue in ("alpaca", "ibkr", "robinhood", "schwab")),
    *("services.clients." + service for service in ("auth", "trading", "venue")),
    "services.auth.sessions.machine",
    "services.trading.orders.machine",
    "telemetry",
    "telemetry.query",
}
LONGEST_MODULE = 300  # source lines without blanks and comments; beyond it a module is two
REASONED_LONGER: dict[str, str] = {
    "services/trading/backtest/kernel.py": "numba renews compiled code by the file of the outermost function alone",
    "telemetry/catalogue.py": "one table of plain data that everything else reads",
}


def _source_lines(path: Path) -> int:
    lines = (line.strip() for line in path.read_text().splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


def test_init_files_when_read_then_each_is_empty() -> None:
    filled = [
        str(path.relative_to(ROOT)) for path in SOURCES if path.name == "__init__.py" and path.read_text().strip()
    ]
    assert filled == [], "importing a.b.c runs a/b/__init__.py, which import-linter does not see"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_when_measured_then_it_is_short_or_has_a_reason(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    if name not in REASONED_LONGER:
        assert _source_lines(path) <= LONGEST_MODULE, f"{name} is long: split it by what changes for different reasons"


def test_walls_when_they_name_rooms_then_each_is_a_room_of_the_architecture() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = {
        module
        for contract in contracts
        if contract["type"] == "wall"
        for module in contract["source_modules"] + contract["forbidden_modules"]
        if module.split(".")[0] in {"services", "telemetry"}
    }
    assert named <= ROOMS, f"misspelt, or missing in ROOMS: {sorted(named - ROOMS)}"


def test_module_names_when_listed_then_none_hides_a_module_of_the_standard_library() -> None:

    standard = sys.stdlib_module_names
    hidden = [str(path.relative_to(ROOT)) for path in SOURCES if path.stem in standard and path.stem != "__init__"]
    assert hidden == []
