"""`sightline up`, `down` and `status`."""

import functools
import json
import time
from typing import Annotated

import typer
from rich.text import Text

from services.console.commands.arrival import Arrival
from services.console.commands.context import Operator, operator_of
from services.console.commands.main_job import MainJob, main_job
from services.console.commands.render import LEVEL_STYLES, Cell, columns, duration, header, mebibytes
from services.console.commands.summary import PLACES, print_summary
from services.console.stack import make_secrets
from services.console.stack.docker import engine_problem
from services.console.stack.errors import StackError
from services.console.stack.layout import HOST
from services.console.stack.preparing import prepare_plan
from services.console.stack.record import RunRecord, exclusively
from services.console.stack.status import ComponentStatus, PlatformStatus, native_status
from services.kit.secret_files import SecretFileError, read_secret

_NOT_RUNNING_EXIT = 3
_AUTOMATION_PORT = 8710
_ARRIVAL_SECONDS = 120.0


def up(  # noqa: PLR0913 -- each parameter is one of the command's options
    context: typer.Context,
    *,
    native: Annotated[bool, typer.Option("--native", help="Run without Docker, even where an engine is.")] = False,
    docker: Annotated[
        bool, typer.Option("--docker", help="Run with Docker, and fail where there is no engine.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Longest wait until everything is ready, in seconds.", min=1)] = 60.0,
    fetch: Annotated[
        bool, typer.Option(help="Fetch Debian's Prometheus and Alertmanager when they are missing.")
    ] = True,
    strategies: Annotated[
        bool, typer.Option("--strategies/--without-strategies", help="Let four strategies trade paper money.")
    ] = True,
) -> None:
    """Start the platform, let it trade paper money, and wait until it does. Safe to repeat: what is missing is started.

    The strategies trade real bars of the past at the local paper venues. With the keys of an Alpaca paper account in
    APCA_API_KEY_ID and APCA_API_SECRET_KEY they trade there.
    """
    operator = operator_of(context)
    if native and docker:
        raise StackError("--native and --docker exclude each other", remedy="give one of them, or none")
    began = time.monotonic()
    in_docker = _wants_docker(operator, native=native, docker=docker)
    job = main_job(operator) if strategies else None
    if in_docker:
        _up_in_docker(operator, max(timeout, 300.0), job)
    else:
        _up_natively(operator, timeout, job, may_fetch=fetch)
    operator.progress.note(f"ready after {time.monotonic() - began:.1f} s; `sightline status` shows it")


def down(context: typer.Context) -> None:
    """Stop everything that `up` started and see that nothing is left. Safe to repeat. Data stays."""
    operator = operator_of(context)
    if operator.mode() == "docker":
        ran = operator.docker().down()
        RunRecord.remove(operator.layout.run_dir)
    else:
        ran = operator.native().down()
    operator.progress.note("stopped; nothing is left running" if ran else "nothing was running")


def status(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what runs and whether it is well. Exit code: 0 all is well, 1 something is not, 3 nothing runs."""
    operator = operator_of(context)
    platform = look(operator)
    if as_json:
        operator.out.print_json(json.dumps(_as_json(platform)))
    elif platform is None:
        operator.progress.note("not running; `sightline up` starts it")
    else:
        _print_status(operator, platform)
    if platform is None:
        raise typer.Exit(_NOT_RUNNING_EXIT)
    raise typer.Exit(0 if platform.is_well else 1)


def look(operator: Operator) -> PlatformStatus | None:
    """The status of what runs, None when nothing does."""
    record = operator.record()
    if record is None:
        return None
    if record.mode == "docker":
        platform = operator.docker().status()
        return platform if platform.components else None
    client = operator.native().client
    if not client.is_running():
        raise StackError(
            "the platform was started, but its supervisor is gone",
            remedy="`sightline up` ends what it left and starts anew, `sightline down` only ends it",
        )
    return native_status(record, operator.layout, client)


def ensure_secrets(operator: Operator) -> None:
    """Make the secrets of a native run. Raises StackError."""
    given = operator.settings.slack_webhook_url_file
    try:
        slack_url = read_secret(given) if given else ""
    except SecretFileError as error:
        raise StackError(f"SIGHTLINE_SLACK_WEBHOOK_URL_FILE: {error.detail}") from error
    local = f"http://{HOST}:{operator.layout.port(_AUTOMATION_PORT)}/local/slack"
    written = make_secrets.ensure_secrets(
        operator.layout.secrets_dir, make_secrets.NATIVE, slack_url=slack_url or local, slack_is_given=bool(slack_url)
    )
    if written:
        operator.progress.note(f"secrets made in {operator.layout.secrets_dir}: {', '.join(written)}")


def _wants_docker(operator: Operator, *, native: bool, docker: bool) -> bool:
    mode = operator.mode()
    if (native and mode == "docker") or (docker and mode == "native" and operator.native().client.is_running()):
        raise StackError(f"the platform runs already, the other way ({mode})", remedy="run `sightline down` first")
    if native or (mode == "native" and not docker):
        return False
    problem = engine_problem()
    if docker and problem:
        raise StackError(f"Docker cannot be used: {problem}", remedy="start the engine, or run `sightline up --native`")
    if problem:
        operator.progress.note(f"starting natively ({problem})")
    return not problem


def _up_in_docker(operator: Operator, timeout_seconds: float, job: MainJob | None) -> None:
    if operator.layout.port_offset:
        raise StackError(
            "SIGHTLINE_PORT_OFFSET moves the ports of a native run only",
            remedy="unset it, or run `sightline up --native`",
        )
    with exclusively(operator.layout.run_dir):
        RunRecord(mode="docker").save(operator.layout.run_dir)
        operator.docker().up(timeout_seconds=timeout_seconds, more_files=(job.compose_file,) if job else ())
    if job:
        print_summary(operator, job, None)


def _up_natively(operator: Operator, timeout_seconds: float, job: MainJob | None, *, may_fetch: bool) -> None:
    ensure_secrets(operator)
    if job and job.alpaca_keys:
        make_secrets.keep_alpaca_keys(operator.layout.secrets_dir, job.alpaca_keys)
    platform = operator.native()
    ran, began = platform.client.is_running(), operator.clock.now()
    platform.up(
        functools.partial(
            prepare_plan,
            operator.components,
            operator.layout,
            operator.progress,
            may_fetch=may_fetch,
            service_settings={**(job.settings if job else {}), **operator.service_settings},
        ),
        timeout_seconds=timeout_seconds,
    )
    if job is None:
        return
    try:
        arrived = Arrival(operator, job, since=None if ran else began).wait(timeout_seconds=_ARRIVAL_SECONDS)
    except KeyboardInterrupt:
        if not ran:
            operator.progress.note("stopping what was started")
            platform.down()
        raise
    print_summary(operator, job, arrived)


def _print_status(operator: Operator, platform: PlatformStatus) -> None:
    names = header("component", "state", "ready", "port", "up for", "restarts", "memory", "purpose")
    rows = [names, *(_row(component) for component in platform.components)]
    out = operator.out
    out.print(columns(rows), soft_wrap=True)
    out.print()
    out.print(Text(f"{platform.mode}, {mebibytes(platform.memory_bytes) or '0 MiB'} in all"))
    if platform.alerts is None:
        out.print(Text("alerts: not known, Prometheus does not run"))
    for alert in platform.alerts or ():
        style = LEVEL_STYLES.get(alert.severity, "")
        out.print(
            Text(f"firing: {alert.severity} {alert.name} {alert.service}: {alert.summary}", style), soft_wrap=True
        )
    if platform.alerts == ():
        out.print(Text("no alert fires"))
    for component in platform.components:
        if component.name in PLACES and component.ready and component.port:
            what, path = PLACES[component.name]
            out.print(Text(f"{what}: http://{HOST}:{component.port}{path}"), soft_wrap=True)


def _row(component: ComponentStatus) -> list[Cell]:
    return [
        component.name,
        (component.state, "" if component.ready else "red"),
        ("yes", "green") if component.ready else ("no", "red"),
        str(component.port or ""),
        duration(component.uptime_seconds),
        "" if component.restarts is None else str(component.restarts),
        mebibytes(component.memory_bytes),
        component.purpose,
    ]


def _as_json(platform: PlatformStatus | None) -> dict[str, object]:
    if platform is None:
        return {"mode": "stopped", "well": False, "components": [], "alerts": None, "memory_bytes": 0}
    return {
        **platform.model_dump(mode="json"),
        "well": platform.is_well,
        "memory_bytes": platform.memory_bytes,
    }
