"""`sightline alerts`: what fires now."""

from collections.abc import Sequence

import typer
from pydantic import ValidationError

from services.console.commands.calling import call
from services.console.commands.context import Operator, operator_of
from services.console.commands.render import LEVEL_STYLES, Cell, columns, header
from services.console.stack.docker import DOCKER_URLS
from services.console.stack.errors import StackError
from services.console.stack.status import FiringAlert, alerts_of
from services.contracts.alerting import AlertList, Severity

_TARGET = "/api/alerts?status=firing"
_GRAVE = {Severity.CRITICAL, Severity.WARNING}


def alerts(context: typer.Context) -> None:
    """Show the alerts that fire now. Exit code 1 when one of severity critical or warning does."""
    operator = operator_of(context)
    record = operator.record()
    if record is None:
        raise StackError("the platform does not run", remedy="run `sightline up`")
    firing = _from_prometheus() if record.mode == "docker" else _from_console(operator)
    if not firing:
        operator.progress.note("no alert fires")
        return
    rows: list[list[Cell]] = [
        [(alert.severity, LEVEL_STYLES.get(alert.severity, "")), alert.name, alert.service, alert.summary]
        for alert in firing
    ]
    operator.out.print(columns([header("severity", "alert", "service", "what"), *rows]), soft_wrap=True)
    if any(alert.severity in _GRAVE for alert in firing):
        raise typer.Exit(1)


def _from_prometheus() -> Sequence[FiringAlert]:
    """With Docker the operator's key lies in a volume that only the services see, so Prometheus itself is asked."""
    firing = alerts_of(DOCKER_URLS["prometheus"])
    if firing is None:
        raise StackError("Prometheus does not answer", remedy="`sightline status` shows what is not well")
    return firing


def _from_console(operator: Operator) -> Sequence[FiringAlert]:
    """What Alertmanager told the automation service, as the console's API gives it to the operator."""
    answer = call(operator, "console", "GET", _TARGET)
    try:
        known = AlertList.model_validate_json(answer.content).alerts
    except ValidationError as error:
        raise StackError(
            "the console's answer cannot be read", remedy="it runs another version: `sightline down && sightline up`"
        ) from error
    operator.progress.note(f"asked over two services: `sightline trace {answer.headers.get('x-trace-id', '')}`")
    return [
        FiringAlert(name=alert.name, severity=alert.severity, service=alert.service_name, summary=alert.summary)
        for alert in known
        if alert.severity is not Severity.NONE  # the watchdog's
    ]
