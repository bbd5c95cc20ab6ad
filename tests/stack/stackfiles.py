"""The stack's files as data, for the tests of this directory."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULE_FILES = tuple(sorted((ROOT / "prometheus/rules").glob("*.yml")))
LOG_RULE_FILES = tuple(sorted((ROOT / "loki/rules/fake").glob("*.yml")))


def load(path: str | Path) -> Any:  # noqa: ANN401 -- a YAML document has whatever shape it has
    """A YAML file of the repository, by its path from the root."""
    return yaml.safe_load((ROOT / path).read_text())


@dataclass(frozen=True)
class AlertRule:
    """One alert rule and the file it stands in."""

    file: Path
    group: str
    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.name}-{self.labels['severity']}"


@dataclass(frozen=True)
class Recording:
    """One recording rule: an expression that Prometheus keeps the result of under a name."""

    file: Path
    name: str
    expression: str

    def __str__(self) -> str:
        return self.name


def recordings(files: tuple[Path, ...] = RULE_FILES) -> Iterator[Recording]:
    """Every recording rule of the files."""
    for file in files:
        for group in load(file)["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    yield Recording(file=file, name=rule["record"], expression=rule["expr"])


def alert_rules(files: tuple[Path, ...] = RULE_FILES + LOG_RULE_FILES) -> Iterator[AlertRule]:
    """Every alert rule of the files, Prometheus' and Loki's unless others are asked for."""
    for file in files:
        for group in load(file)["groups"]:
            for rule in group["rules"]:
                if "alert" not in rule:
                    continue
                yield AlertRule(
                    file=file,
                    group=group["name"],
                    name=rule["alert"],
                    expression=rule["expr"],
                    labels=rule["labels"],
                    annotations=rule["annotations"],
                )


def scrape_targets() -> Iterator[tuple[str, str]]:
    """Service name and address of every scrape target of the compose stack."""
    for name in ("sightline", "stack"):
        for group in load(f"prometheus/targets/{name}.yml"):
            for address in group["targets"]:
                yield group["labels"]["service_name"], address


def run_tool(program: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a checker to its end. The test that calls it is marked as needing the program."""
    path = shutil.which(program)
    assert path is not None
    command = [path, *arguments]
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603 -- a checker on our own files
