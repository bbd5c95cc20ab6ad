"""What a native run starts: found components with every command, port and address filled in."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from services.console.stack.components import Component
from services.console.stack.discovery import Found
from services.console.stack.layout import HOST, Layout

_CODE_DIRECTORIES = ("services", "telemetry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process to start; `depends_on` names only processes of the same plan."""

    component: Component
    command: tuple[str, ...]
    working_directory: Path
    ports: Mapping[str, int]
    ready: str
    depends_on: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the component."""
        return self.component.name

    @property
    def port(self) -> int:
        """The main port."""
        return next(iter(self.ports.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The processes of a native run, each after those it depends on.

    `known` is the whole table, also what does not run: configuration files name each of them.
    """

    layout: Layout
    processes: tuple[Process, ...]
    known: tuple[Component, ...]

    def address(self, name: str, port_name: str = "") -> str | None:
        """`host:port` of a process of the plan, its main port unless another is named; None when it does not run."""
        for process in self.processes:
            if process.name == name:
                return f"{HOST}:{process.ports[port_name] if port_name else process.port}"
        return None


def make_plan(
    found: Sequence[Found], layout: Layout, *, known: Sequence[Component], settings: Mapping[str, str]
) -> Plan:
    """Fill in commands, ports and environments, and sort by dependency.

    Args:
        found: What can run here.
        layout: Where it runs.
        known: The whole table.
        settings: Further environment of our services, such as the log level.
    """
    names = {item.component.name for item in found}
    addresses = {name: f"{HOST}:{layout.port(port)}" for item in found for name, port in item.component.ports.items()}
    shared = _service_environment(layout, addresses)
    by_name = {}
    for item in found:
        given = _own_environment(item.component, known, addresses, settings)
        by_name[item.component.name] = _process(item, layout, names, shared | given)
    order = TopologicalSorter({name: process.depends_on for name, process in by_name.items()})
    return Plan(layout=layout, processes=tuple(by_name[name] for name in order.static_order()), known=tuple(known))


def code_fingerprint(root: Path) -> str:
    """A digest over our own source, to tell whether what runs is what lies on disk."""
    digest = hashlib.sha256()
    for directory in _CODE_DIRECTORIES:
        for file in sorted((root / directory).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _process(item: Found, layout: Layout, names: set[str], shared: Mapping[str, str]) -> Process:
    component = item.component
    ports = {name: layout.port(port) for name, port in component.ports.items()}
    port = next(iter(ports.values()))
    texts: dict[str, object] = {
        "program": item.program,
        "python": sys.executable,
        "home": _home_of(item.program),
        "host": HOST,
        "port": port,
        "ports": ports,
        "root": layout.root,
        "run": layout.run_dir,
        "data": layout.data_dir,
        "secrets": layout.secrets_dir,
    }
    environment = {name: text.format_map(texts) for name, text in component.environment.items()}
    if component.service:
        environment = {**shared, "SIGHTLINE_PORT": str(port), **environment}
    return Process(
        component=component,
        command=tuple(part.format_map(texts) for part in component.command),
        working_directory=Path(component.working_directory.format_map(texts)),
        ports=ports,
        ready=f"tcp://{HOST}:{port}" if component.ready == "tcp:" else component.ready.format_map(texts),
        depends_on=tuple(name for name in component.depends_on if name in names),
        environment=environment,
    )


def _service_environment(layout: Layout, addresses: Mapping[str, str]) -> dict[str, str]:
    """What every service is told; what has no address here is left out, and the embedded store takes its place."""
    environment = {
        "SIGHTLINE_ENV": layout.env,
        "SIGHTLINE_DATA_DIR": str(layout.data_dir),
        "SIGHTLINE_SECRETS_DIR": str(layout.secrets_dir),
        "SIGHTLINE_HOST": HOST,
        # A service finds the default ports of the others by it.
        "SIGHTLINE_PORT_OFFSET": str(layout.port_offset),
    }
    urls = {"nats": "nats", "loki": "http", "otlp": "http", "tempo": "http", "prometheus": "http"}
    for name, scheme in urls.items():
        if name in addresses:
            environment[f"SIGHTLINE_{name.upper()}_URL"] = f"{scheme}://{addresses[name]}"
    return environment


def _own_environment(
    component: Component, known: Sequence[Component], addresses: Mapping[str, str], settings: Mapping[str, str]
) -> dict[str, str]:
    """Settings that everybody takes or that are this component's own: a service refuses what it does not know."""
    owned = {name for other in known for name in other.settings}
    environment = {name: value for name, value in settings.items() if name not in owned or name in component.settings}
    for name, peer in component.peers.items():
        if peer in addresses:
            environment[name] = f"http://{addresses[peer]}"
    return environment


def _home_of(program: Path) -> Path:
    """The directory of the files that a program brings along: above its own, or where a distribution puts them."""
    beside = program.resolve().parent.parent
    shared = beside / "share" / program.name
    return shared if shared.is_dir() else beside
