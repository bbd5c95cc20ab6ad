"""Small programs that stand in for components, and a progress that remembers."""

import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from services.console.stack.components import Component, Program
from services.console.stack.discovery import discover
from services.console.stack.layout import Layout, checkout
from services.console.stack.plan import Plan, make_plan

_SCRIPT = """\
#!{python}
import http.server, signal, sys, time
if sys.argv[1].endswith("-version"):
    print("{says}")
    sys.exit()
{behaviour}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

SERVES = ""
DIES = 'print("the ledger cannot be opened", flush=True); sys.exit(3)'
HANGS = "time.sleep(600)"
IGNORES_TERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


class RecordingProgress:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.ready_names: list[str] = []
        self.stopped_names: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def waiting(self, names: Sequence[str]) -> None:
        pass

    def ready(self, name: str, seconds: float) -> None:
        assert seconds >= 0
        self.ready_names.append(name)

    def stopped(self, name: str) -> None:
        self.stopped_names.append(name)


class InterruptingProgress(RecordingProgress):
    """Behaves as if the operator pressed Ctrl-C while the named component is waited for."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def waiting(self, names: Sequence[str]) -> None:
        if self._name in names:
            raise KeyboardInterrupt


def write_program(directory: Path, name: str, *, behaviour: str = SERVES, says: str = "") -> Path:
    """A program that says its version and otherwise behaves as told."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(_SCRIPT.format(python=sys.executable, says=says or f"{name}, version 1.0", behaviour=behaviour))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def component(name: str, port: int, *, depends_on: tuple[str, ...] = (), service: bool = False) -> Component:
    """A component that `write_program` has a program for."""
    return Component(
        name=name,
        purpose=f"test part {name}",
        source=Program(
            names=(name,), version_arguments=("--version",), expected=f"{name}, version", remedy=f"write {name} anew"
        ),
        command=("{program}", "{port}"),
        ports={name: port},
        ready="http://{host}:{port}/",
        depends_on=depends_on,
        service=service,
        stop_seconds=2,
        required=True,
    )


def layout_in(directory: Path, *, root: Path | None = None, port_offset: int = 0) -> Layout:
    """A platform of its own in a test's directory."""
    data_dir = directory / "var"
    return Layout(root=root or checkout(), data_dir=data_dir, secrets_dir=data_dir / "secrets", port_offset=port_offset)


def plan_maker(
    layout: Layout, programs: Path, components: Sequence[Component], settings: dict[str, str] | None = None
) -> Callable[[], Plan]:
    """Makes the plan of these components, all of which must be found in `programs`."""

    def make() -> Plan:
        discovery = discover(components, [programs])
        assert discovery.absent == ()
        return make_plan(discovery.found, layout, known=components, settings=settings or {})

    return make
