"""What a component of a native run is.

Texts in braces are filled in when a component is started: {program}, {python}, {host}, {port} (the first port),
{ports[name]}, {root}, {run}, {data}, {secrets}.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonModule:
    """A component that is a module of this environment, started as `python -m <module>`."""

    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A component that is a program of its own, believed only when its version output says what it is.

    Attributes:
        names: File names it goes by, the usual one first.
        version_arguments: What makes it print its version.
        expected: A text that its version output holds when it is what its name claims.
        debian_package: A Debian package that holds it, "" for none.
        remedy: What to do to get it.
    """

    names: tuple[str, ...]
    version_arguments: tuple[str, ...]
    expected: str
    debian_package: str = ""
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One process of the platform.

    Attributes:
        ports: Name and default number of every port it opens on the loopback interface, the main one first.
        ready: URL that answers 2xx once it is ready; `tcp:` means that its main port takes connections.
        depends_on: Components that must be ready first, where they run at all.
        working_directory: Where it is started.
        settings: Settings of its own that the operator may give to `sightline up`, beside what every service takes.
        peers: Settings that hold the base URL of another component, where that one runs.
        service: Whether it is one of our services: takes a service's environment, is scraped as one.
        scrape_port: Name of the port that serves /metrics, "" when it serves none.
        required: Whether the platform cannot do without it.
        stop_seconds: How long it may take to stop before it is killed.
        host_names: Further names of its host in the configuration files of the compose stack, beside `name`.
        directories: Directories under the data directory that it expects to find.
        lost: What the platform lacks without it.
    """

    name: str
    purpose: str
    source: PythonModule | Program
    command: tuple[str, ...]
    ports: Mapping[str, int]
    ready: str = "tcp:"
    depends_on: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "{root}"
    settings: tuple[str, ...] = ()
    peers: Mapping[str, str] = field(default_factory=dict)
    service: bool = False
    scrape_port: str = ""
    required: bool = False
    stop_seconds: int = 10
    host_names: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    lost: str = ""
