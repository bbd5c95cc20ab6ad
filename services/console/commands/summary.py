"""What `sightline up` says at its end: what trades, and where to look."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from rich.text import Text

from services.console.commands.arrival import Arrived
from services.console.commands.context import Operator
from services.console.commands.main_job import MainJob
from services.console.commands.render import Cell, columns, dollars, header
from services.console.stack.layout import HOST

# Components with a page or an interface worth looking at, and what is there.
PLACES: Final = MappingProxyType(
    {
        "grafana": ("dashboards", "/"),
        "console": ("the console", "/"),
        "prometheus": ("metrics and rules", "/alerts"),
        "alertmanager": ("alerts and silences", "/"),
        "mailpit": ("alert mails", "/"),
    }
)
_COMMANDS: Final = (
    ("sightline status", "what runs and whether it is well"),
    ("sightline strategies list", "what trades, and what has become of it"),
    ("sightline orders --which all", "every order; `sightline order ORDER` with its steps and its trace"),
    ("sightline logs trading --follow", "what happens, as it happens"),
    ("sightline incidents", "what went wrong, and what was done about it"),
    ("sightline demo", "plants faults and shows how each is seen, told, mended and written up; five minutes"),
    ("sightline down", "stops everything"),
)
# With Docker the operator's key lies where the services see it: what calls one is run in its container.
_CONTAINERS: Final = MappingProxyType({"strategies": "trading", "orders": "trading", "incidents": "automation"})
_NATIVE_ONLY: Final = "sightline demo"


def print_summary(operator: Operator, job: MainJob, arrived: Arrived | None) -> None:
    """Say what trades and where to look. Without `arrived` the platform is one of containers."""
    out = operator.out
    out.print()
    out.print(Text(f"trading: {job.what}", "bold"), soft_wrap=True)
    if arrived is not None:
        rows: list[list[Cell]] = [
            [each.name, each.kind, each.venue or "any", " ".join(each.symbols), each.state.value, dollars(each.equity)]
            for each in arrived.strategies
        ]
        out.print(columns([header("strategy", "kind", "venue", "symbols", "state", "equity"), *rows]), soft_wrap=True)
    out.print()
    out.print(columns(_places(operator)), soft_wrap=True)
    out.print()
    inside = arrived is None
    commands: list[list[Cell]] = [
        [_said(command, inside=inside), what] for command, what in _COMMANDS if not (inside and command == _NATIVE_ONLY)
    ]
    out.print(columns(commands), soft_wrap=True)


def _places(operator: Operator) -> Sequence[Sequence[Cell]]:
    record = operator.record()
    if record is None or record.mode == "docker":
        ports = {"grafana": 3000, "console": 8700, "prometheus": 9090, "alertmanager": 9093, "mailpit": 8025}
    else:
        ports = {unit.name: unit.port for unit in record.units}
    rows: list[list[Cell]] = [
        [f"http://{HOST}:{ports[name]}{path}", what] for name, (what, path) in PLACES.items() if name in ports
    ]
    if "mail" in ports:
        rows.append([str(operator.layout.data_dir / "mail"), "mails that were sent, one a file"])
    return rows


def _said(command: str, *, inside: bool) -> str:
    container = _CONTAINERS.get(command.split()[1]) if inside else None
    return f"docker compose exec {container} {command}" if container else command
