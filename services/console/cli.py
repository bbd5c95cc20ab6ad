"""The `sightline` command."""

import functools
import os
import signal
import sys
from collections.abc import Mapping, Sequence

import typer
from rich.console import Console
from rich.text import Text

from services.console.commands import (
    alerting,
    anomalies,
    assistant,
    auth,
    checking,
    data,
    dead_letters,
    demo,
    documents,
    incidents,
    knowledge,
    orders,
    pipelines,
    preflight,
    reading,
    research,
    running,
    strategies,
    trading,
    tuning,
    venues,
)
from services.console.commands.context import make_operator
from services.console.stack.components import Component
from services.console.stack.errors import StackError
from services.console.stack.inventory import COMPONENTS
from services.kit.clock import Clock, SystemClock
from services.kit.errors import SightlineError
from services.kit.settings import SettingsError
from telemetry.query.errors import QueryError

_HELP = """Run Sightline and look into it.

Exit codes: 0 done and well; 1 something is not well or did not work; 2 wrong usage or settings; 3 nothing runs; \
130 stopped with Ctrl-C.
"""
_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130


def build(
    components: Sequence[Component] = COMPONENTS, clock: Clock | None = None, environ: Mapping[str, str] | None = None
) -> typer.Typer:
    """The command over a table of components; the machine's own clock and environment unless others are given."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

    @app.callback(help=_HELP)
    def start(context: typer.Context) -> None:
        # Made by the command that runs: help is shown whatever the settings are.
        context.obj = functools.partial(
            make_operator, components, clock or SystemClock(), os.environ if environ is None else environ
        )

    for command in (
        running.up,
        running.down,
        running.status,
        demo.demo,
        reading.logs,
        reading.trace,
        alerting.alerts,
        anomalies.anomalies,
        anomalies.diagnose,
        incidents.incidents,
        pipelines.pipelines,
        pipelines.runs,
        pipelines.run,
        pipelines.approvals,
        pipelines.approve,
        pipelines.refuse,
        dead_letters.dead_letters,
        checking.doctor,
        preflight.preflight,
        trading.trading,
        orders.orders,
        orders.order,
        orders.submit,
        orders.cancel,
        trading.positions,
        trading.halt,
        trading.reduce,
        trading.resume,
        research.backtest,
        tuning.tune,
        assistant.mcp,
    ):
        app.command()(command)
    app.add_typer(auth.make_app(), name="auth")
    app.add_typer(data.make_app(), name="data")
    app.add_typer(venues.make_app(), name="venue")
    app.add_typer(strategies.make_app(), name="strategies")
    app.add_typer(knowledge.make_app(), name="kb")
    app.add_typer(documents.make_app(), name="documents")
    return app


def main() -> None:
    """Run the command of this process's arguments and exit with its code; no failure shows a traceback."""
    # Who ends `sightline up` from outside means the same as with Ctrl-C: stop what was started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app = build()
    try:
        # Until here `entry` has answered Ctrl-C. Who started this may have it ignored instead.
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = run(app)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; says on standard error what went wrong and what to do."""
    errors = Console(stderr=True, highlight=False)
    try:
        app(args=list(arguments) if arguments is not None else None)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else _FAILED
    except StackError as error:
        _say(errors, error.message, remedy=error.remedy, detail=error.detail)
    except QueryError as error:
        _say(errors, str(error))
    except SettingsError as error:
        _say(errors, error.detail)
        return _USAGE
    except SightlineError as error:
        _say(errors, error.title, remedy=error.detail)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _say(errors, what, remedy="`sightline doctor` looks at disk, files and their modes")
    except KeyboardInterrupt:
        _say(errors, "interrupted")
        return _INTERRUPTED
    return _FAILED


def _say(console: Console, message: str, *, remedy: str = "", detail: str = "") -> None:
    if detail:
        console.print(Text(detail, "dim"), soft_wrap=True)
    console.print(Text.assemble(("sightline: ", "bold red"), message), soft_wrap=True)
    if remedy:
        console.print(Text(f"what to do: {remedy}"), soft_wrap=True)


if __name__ == "__main__":
    main()
