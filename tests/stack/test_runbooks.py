"""Every alert has a runbook, every runbook an alert, and both are listed."""

import re
from collections.abc import Mapping

import pytest

from tests.stack.stackfiles import ROOT, AlertRule, alert_rules

RULES = tuple(alert_rules())
RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))


def _sections() -> Mapping[str, str]:
    """Text of every alert's section by `docs/runbooks/<file>#<anchor>`."""
    sections = {}
    for path in RUNBOOKS:
        parts = re.split(r"^## (.+)$", path.read_text(), flags=re.MULTILINE)
        for title, text in zip(parts[1::2], parts[2::2], strict=True):
            sections[f"docs/runbooks/{path.name}#{title.lower()}"] = text
    return sections


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_runbook_when_an_alert_links_to_it_then_the_section_of_its_name_exists(rule: AlertRule) -> None:
    link = rule.annotations["runbook_url"]
    assert link in _sections()
    assert link.endswith(f"#{rule.name.lower()}")


def test_runbook_when_written_then_an_alert_leads_to_it() -> None:
    assert set(_sections()) == {rule.annotations["runbook_url"] for rule in RULES}


@pytest.mark.parametrize("anchor", sorted(_sections()))
def test_runbook_when_read_then_it_tells_what_it_means_and_what_to_do(anchor: str) -> None:
    text = _sections()[anchor]
    wanted = (
        ["**It means**"] if anchor.endswith("#watchdog") else ["**It means**", "**Look**", "**Do**", "**It is over**"]
    )
    wanted = [part.removesuffix("**") for part in wanted]
    assert [part for part in wanted if part not in text] == []


def test_alert_list_when_read_then_it_holds_every_alert_with_its_severities() -> None:
    listed = dict(
        re.findall(r"^\| \[(\w+)\]\([^)]*\) \| ([a-z, ]+) \|", (ROOT / "docs/alerts.md").read_text(), re.MULTILINE)
    )
    expected: dict[str, set[str]] = {}
    for rule in RULES:
        expected.setdefault(rule.name, set()).add(rule.labels["severity"])
    assert {name: set(text.split(", ")) for name, text in listed.items()} == expected
