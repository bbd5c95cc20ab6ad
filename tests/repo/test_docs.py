"""The docs are held against the code and against each other."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
HOME_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users)/")


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


@cache
def _anchors(path: Path) -> frozenset[str]:
    return frozenset(_anchor(line.lstrip("#")) for line in path.read_text().splitlines() if line.startswith("#"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_when_followed_inside_the_repository_then_each_leads_somewhere(document: Path) -> None:
    broken = []
    for target in LINK.findall(document.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in _anchors(path)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("record", sorted((ROOT / "docs/adr").glob("*.md")), ids=lambda path: path.stem)
def test_decision_record_when_read_then_it_is_short_and_whole(record: Path) -> None:
    lines = record.read_text().splitlines()
    headings = [line for line in lines if line.startswith("## ")]
    assert len(lines) <= 40
    assert headings == ["## Context", "## Decision", "## Consequences", "## Alternatives"]


def test_decision_records_when_numbered_then_no_number_stands_twice() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs/adr").glob("*.md")]
    assert len(numbers) == len(set(numbers))


def test_make_targets_when_the_docs_name_them_then_each_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {name for path in DOCUMENTS for name in re.findall(r"`make ([a-z-]+)", path.read_text())}
    assert named <= targets


def test_phony_targets_when_listed_then_each_has_words_in_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    documented = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    assert set(phony.group(1).split()) == documented


def test_tracked_files_when_read_then_none_holds_a_path_of_somebodys_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607 -- git is on PATH wherever there is a checkout
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    texts = [ROOT / name for name in listed.stdout.splitlines() if not name.startswith("requirements")]
    holding = [
        str(path.relative_to(ROOT))
        for path in texts
        if path.is_file() and path != Path(__file__) and HOME_PATH.search(path.read_text(errors="ignore"))
    ]
    assert holding == []
