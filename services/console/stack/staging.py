"""Copies the stack's configuration files to where native components read them.

The files are those of the compose stack, byte for byte, with one difference: `host:port` of another component becomes
the loopback address at which it listens here. Scrape targets are written for exactly what runs.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from services.console.stack.errors import StackError
from services.console.stack.files import write_atomically
from services.console.stack.layout import HOST, Layout
from services.console.stack.plan import Plan, Process

# Directories of the checkout that hold configuration, and what in them is for development alone.
_DIRECTORIES = ("nats", "prometheus", "loki", "tempo", "grafana")
_NOT_STAGED = frozenset({"prometheus/tests", "prometheus/targets"})
_TARGETS = "prometheus/targets"
_MAX_FILE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What lies in the run directory: contents by relative path, and symbolic links to directories."""

    files: Mapping[str, bytes]
    links: Mapping[str, Path]

    def digest(self, *further: str) -> str:
        """One digest over all files and further texts, to tell whether a configuration changed."""
        digest = hashlib.sha256("\0".join(further).encode())
        for name, content in sorted(self.files.items()):
            digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        return digest.hexdigest()

    def write(self, run_dir: Path) -> None:
        """Bring the directory to this state; files of an earlier run that are no longer wanted are removed."""
        for name in _DIRECTORIES:
            for old in _files_below(run_dir / name):
                if old.relative_to(run_dir).as_posix() not in self.files:
                    old.unlink()
        for name, content in self.files.items():
            path = run_dir / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(path, content, mode=0o600)
        for name, target in self.links.items():
            link = run_dir / name
            link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def stage(plan: Plan) -> Staged:
    """What the components of a plan read. Raises StackError when the checkout lacks the stack's files."""
    layout = plan.layout
    files = {name: _rewrite(content, plan) for name, content in _configuration(layout.root)}
    if not files:
        raise StackError(
            f"{layout.root} holds none of the stack's configuration files",
            remedy="run sightline from a checkout of the repository (`make up`), not from an installed wheel",
        )
    files |= _targets(plan)
    return Staged(files=files, links={f"{name}/secrets": layout.secrets_dir for name in ("nats", "prometheus")})


def _configuration(root: Path) -> Iterator[tuple[str, bytes]]:
    for directory in _DIRECTORIES:
        for path in _files_below(root / directory):
            name = path.relative_to(root).as_posix()
            if not any(name.startswith(f"{left_out}/") for left_out in _NOT_STAGED):
                yield name, path.read_bytes()[:_MAX_FILE_BYTES]


def _files_below(directory: Path) -> list[Path]:
    """Regular files, not through links: a link to the secrets must not be followed."""
    return sorted(
        Path(parent) / name
        for parent, _, names in os.walk(directory)
        for name in names
        if not (Path(parent) / name).is_symlink()
    )


def _rewrite(content: bytes, plan: Plan) -> bytes:
    """Exchange `name:port` of every component, whether it runs or not, by its address in this platform."""
    addresses = {
        f"{host}:{default}".encode(): f"{HOST}:{plan.layout.port(default)}".encode()
        for component in plan.known
        for host in (component.name, HOST, *component.host_names)
        for default in component.ports.values()
    }
    if not addresses:
        return content
    names = b"|".join(re.escape(address) for address in addresses)
    return re.sub(rb"(?<![\w.-])(?:" + names + rb")(?!\d)", lambda match: addresses[match.group()], content)


def _targets(plan: Plan) -> dict[str, bytes]:
    """The three target files that prometheus.yml names, each with what runs."""
    scraped = [process for process in plan.processes if process.component.scrape_port]
    groups = {
        "sightline": [_target(process, plan.layout) for process in scraped if process.component.service],
        "stack": [_target(process, plan.layout) for process in scraped if not process.component.service],
        "alertmanager": [{"targets": [address]} for address in (plan.address("alertmanager"),) if address],
    }
    return {f"{_TARGETS}/{name}.yml": yaml.safe_dump(group, sort_keys=False).encode() for name, group in groups.items()}


def _target(process: Process, layout: Layout) -> dict[str, object]:
    address = f"{HOST}:{process.ports[process.component.scrape_port]}"
    return {"targets": [address], "labels": {"service_name": process.name, "env": layout.env}}
