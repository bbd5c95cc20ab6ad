"""`sightline alerts`: what fires now."""

from collections.abc import Sequence

import httpx
import typer
from pydantic import ValidationError

from services.console.commands.context import Operator, operator_of
from services.console.commands.render import LEVEL_STYLES, Cell, columns, header
from services.console.stack.docker import DOCKER_URLS
from services.console.stack.errors import StackError
from services.console.stack.identities import IDENTITY_DIRECTORY, OPERATOR
from services.console.stack.layout import HOST
from services.console.stack.record import RunRecord
from services.console.stack.status import FiringAlert, alerts_of
from services.contracts.alerting import AlertList, Severity
from services.kit.callers import IdentityKeyError, read_private_key
from services.kit.errors import Problem
from services.kit.identity import CallerSigner
from services.kit.secret_files import SecretFileError, read_secret

_TARGET = "/api/alerts?status=firing"
_GRAVE = {Severity.CRITICAL, Severity.WARNING}


def alerts(context: typer.Context) -> None:
    """Show the alerts that fire now. Exit code 1 when one of severity critical or warning does."""
    operator = operator_of(context)
    record = operator.record()
    if record is None:
        raise StackError("the platform does not run", remedy="run `sightline up`")
    firing = _from_prometheus() if record.mode == "docker" else _from_console(operator, record)
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


def _from_console(operator: Operator, record: RunRecord) -> Sequence[FiringAlert]:
    """What Alertmanager told the automation service, as the console's API gives it to the operator."""
    port = next((unit.port for unit in record.units if unit.name == "console"), None)
    if port is None:
        raise StackError("the console does not run", remedy="run `sightline up`")
    try:
        key = read_private_key(read_secret(operator.layout.secrets_dir / IDENTITY_DIRECTORY / f"{OPERATOR}.pem"))
    except (SecretFileError, IdentityKeyError) as error:
        raise StackError(error.detail) from error
    headers = CallerSigner(OPERATOR, key, operator.clock).headers("GET", _TARGET, b"", audience="console")
    try:
        with httpx.Client(trust_env=False, timeout=5.0) as client:
            answer = client.get(f"http://{HOST}:{port}{_TARGET}", headers=headers)
        if answer.is_error:
            raise StackError(f"the console refused: {_detail(answer)}", remedy="`sightline logs console` may tell why")
        known = AlertList.model_validate_json(answer.content).alerts
        operator.progress.note(f"asked over two services: `sightline trace {answer.headers.get('x-trace-id', '')}`")
    except (httpx.HTTPError, ValidationError) as error:
        raise StackError(
            f"the console does not answer on port {port}", remedy="`sightline status` shows what is not well"
        ) from error
    return [
        FiringAlert(name=alert.name, severity=alert.severity, service=alert.service_name, summary=alert.summary)
        for alert in known
        if alert.severity is not Severity.NONE  # the watchdog's
    ]


def _detail(answer: httpx.Response) -> str:
    try:
        return Problem.model_validate_json(answer.content).detail
    except ValidationError:
        return f"HTTP status {answer.status_code}"
