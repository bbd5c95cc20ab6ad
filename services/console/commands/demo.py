"""`sightline demo`: faults on the running platform, each seen, told, mended and written up."""

import json
import time
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from services.console.commands.calling import call
from services.console.commands.context import Operator, operator_of
from services.console.commands.preflight import NO_SETTINGS
from services.console.commands.render import Cell, columns, header
from services.console.demo.running_platform import DemoPlatform
from services.console.demo.scenes import SCENES, Scene
from services.console.demo.story import Outcome, Story
from services.console.stack.errors import StackError
from services.console.stack.layout import HOST
from services.contracts.trading_views import TradingView

_CALL_SECONDS: Final = 30.0


class _Printed:
    """Tells the story at the terminal; as JSON only its end is printed."""

    def __init__(self, operator: Operator, *, silent: bool) -> None:
        self._out, self._silent = operator.out, silent

    def scene(self, name: str, words: str) -> None:
        if not self._silent:
            self._out.print(Text.assemble((f"{name}: ", "bold"), words), soft_wrap=True)

    def line(self, words: str, *, good: bool | None = None) -> None:
        if not self._silent:
            style = "" if good is None else "green" if good else "bold red"
            self._out.print(Text(f"  {words}", style), soft_wrap=True)


def demo(
    context: typer.Context,
    *,
    only: Annotated[str, typer.Option(help=f"Only this fault: {', '.join(SCENES)}.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON at the end, and nothing before.")] = False,
) -> None:
    """Plant faults on the running platform and show how each is seen, told, mended and written up; five minutes.

    At the end orders and books are compared with the venues. Faults are taken back whatever happens, Ctrl-C included.
    Exit code 1 when something did not happen in time.
    """
    operator = operator_of(context)
    scenes = _wanted(only)
    _require_well(operator)
    began = time.monotonic()
    outcomes, problems = Story(_platform(operator), _Printed(operator, silent=as_json)).tell(scenes)
    problems += [f"{each.scene}: {each.problem}" for each in outcomes if each.problem]
    seconds = time.monotonic() - began
    if as_json:
        told = {
            "well": not problems,
            "seconds": seconds,
            "problems": problems,
            "faults": [each.as_json() for each in outcomes],
        }
        operator.out.print_json(json.dumps(told))
    else:
        _print_end(operator, outcomes, problems, seconds)
    if problems:
        raise typer.Exit(1)


def _wanted(only: str) -> tuple[Scene, ...]:
    if only and only not in SCENES:
        raise StackError(f"there is no fault {only}", remedy=f"--only takes {', '.join(SCENES)}")
    return (SCENES[only],) if only else tuple(SCENES.values())


def _require_well(operator: Operator) -> None:
    """The story is told of a platform that is well at its beginning."""
    if operator.mode() == "docker":
        raise StackError(
            "the demo needs a native platform: in containers each service sees the operator's key for itself alone",
            remedy="`sightline down && sightline up --native`, then `sightline demo`",
        )
    view = TradingView.model_validate_json(call(operator, "trading", "GET", "/state").content)
    names = {each.venue for each in view.venues}
    if not {"alpha", "beta"} <= names:
        raise StackError(
            "the demo needs the local paper venues alpha and beta",
            remedy="unset APCA_API_KEY_ID and SIGHTLINE_TRADING_FILE, then `sightline down && sightline up`",
        )
    unready = [f"{each.venue}: {'; '.join(each.reasons)}" for each in view.venues if not each.ready]
    if unready:
        raise StackError("not ready: " + " / ".join(unready), remedy="`sightline trading` shows when it is; try again")


def _platform(operator: Operator) -> DemoPlatform:
    record = operator.record()
    venue = next((unit.port for unit in record.units if unit.name == "venue"), None) if record else None
    if venue is None:
        raise StackError("the paper venues do not run", remedy="run `sightline up`")

    def ask(service: str, method: str, path: str, body: dict[str, Any] | None) -> bytes:
        return call(operator, service, method, path, body=body, timeout_seconds=_CALL_SECONDS).content

    return DemoPlatform(
        ask,
        operator.clock,
        mails=operator.layout.data_dir / "mail",
        brokers_url=f"http://{HOST}:{venue}",
        settings_digest=NO_SETTINGS,
    )


def _print_end(operator: Operator, outcomes: list[Outcome], problems: list[str], seconds: float) -> None:
    rows: list[list[Cell]] = [
        [
            each.scene,
            *(_at(moment) for moment in (each.seen, each.acted, each.over)),
            (each.ended, "green" if each.ended == "resolved" else "yellow"),
            *(_at(moment) for moment in (each.slack, each.mail, each.written)),
            each.incident_id,
        ]
        for each in outcomes
    ]
    names = header("fault", "seen", "acted", "over", "end", "Slack", "mail", "postmortem", "incident")
    operator.out.print()
    operator.out.print(columns([names, *rows]), soft_wrap=True)
    for problem in problems:
        operator.out.print(Text(problem, "bold red"), soft_wrap=True)
    operator.progress.note(
        f"told in {seconds:.0f} s; `sightline incidents INCIDENT` shows one with its steps and trace"
    )


def _at(seconds: float | None) -> Cell:
    return ("-", "red") if seconds is None else f"{seconds:.0f} s"
