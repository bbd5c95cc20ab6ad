"""docs/risk.md says what the code does."""

import re
from pathlib import Path

from services.contracts.orders import DenyReason
from services.trading.risk.gate import RULES
from services.trading.risk.limits import Limits, VenueLimits

TEXT = (Path(__file__).parents[3] / "docs/risk.md").read_text(encoding="utf-8")


def _rows(heading: str) -> list[list[str]]:
    part = TEXT.split(f"## {heading}")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def test_rules_when_documented_then_in_their_order_and_with_what_they_spare() -> None:
    rows = _rows("The rules, in the order in which they are asked")
    assert [row[0].strip("`") for row in rows] == [rule.refusal.__name__ for rule in RULES]
    assert [row[2] == "spared" for row in rows] == [rule.spares_reducing for rule in RULES]


def test_deny_reasons_when_listed_then_each_is_documented() -> None:
    named = set(re.findall(r"`([a-z_]+)`", TEXT))
    assert {reason.value for reason in DenyReason} <= named


def test_limits_when_listed_then_each_is_documented_with_its_default() -> None:
    rows = {row[0].strip("`"): row[1] for row in _rows("Limits")}
    assert set(rows) == set(Limits.model_fields)
    defaults = Limits()
    for name, default in rows.items():
        value = getattr(defaults, name)
        if default:
            assert default == (str(value).lower() if isinstance(value, bool) else f"{value:f}".removesuffix(".000000"))


def test_venue_limits_when_listed_then_each_is_documented() -> None:
    assert all(f"`{name}`" in TEXT for name in VenueLimits.model_fields)
