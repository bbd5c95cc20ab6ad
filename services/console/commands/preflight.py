"""`sightline preflight`: whether an account may be traded now, and if not, why and what to do."""

from typing import Annotated, Final
from urllib.parse import quote

import typer
from rich.text import Text

from services.console.commands.calling import call
from services.console.commands.context import operator_of
from services.console.commands.render import Cell, columns, header
from services.console.stack.errors import StackError
from services.contracts.auth_views import AccountList
from services.contracts.preflight import PreflightView
from services.contracts.verdict import Environment

# SHA-256 of nothing: a verdict for no settings, which no trading takes. The checks are the same.
NO_SETTINGS: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_STYLES: Final = {"pass": "green", "warn": "yellow", "fail": "bold red"}
_SECONDS: Final = 15.0


def preflight(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="The account's name.", metavar="ACCOUNT")],
    *,
    environment: Annotated[Environment | None, typer.Option(help="Default: the account's own.")] = None,
    settings_digest: Annotated[str, typer.Option(help="SHA-256 of the trading settings.")] = NO_SETTINGS,
) -> None:
    """Make every check of an account and show what failed, why, and what to do. Exit code 1 when one blocks."""
    operator = operator_of(context)
    if environment is None:
        known = AccountList.model_validate_json(call(operator, "auth", "GET", "/accounts").content).accounts
        environment = next((each.environment for each in known if each.name == account), None)
        if environment is None:
            raise StackError(f"no account is called {account}", remedy="`sightline auth list` shows the accounts")
    target = f"/preflight/{quote(account, safe='')}?environment={environment}&settings_digest={quote(settings_digest)}"
    answer = call(operator, "auth", "GET", target, timeout_seconds=_SECONDS)
    found = PreflightView.model_validate_json(answer.content)
    rows: list[list[Cell]] = [
        [
            (check.outcome, _STYLES.get(check.outcome, "")),
            check.check_id,
            f"{check.seconds * 1000:.0f} ms",
            f"{check.why} -> {check.remedy} ({check.runbook})" if check.remedy else check.why,
        ]
        for check in found.checks
    ]
    operator.out.print(
        columns([header("outcome", "check", "took", "what was found, and what to do"), *rows]), soft_wrap=True
    )
    operator.out.print()
    operator.progress.note(f"made in {found.seconds:.2f} s: `sightline trace {answer.headers.get('x-trace-id', '')}`")
    blocking = [check.check_id for check in found.checks if check.outcome == "fail"]
    if not found.passed:
        operator.out.print(Text(f"{account} may not be traded: {', '.join(blocking)}"), soft_wrap=True)
        raise typer.Exit(1)
    operator.out.print(Text(f"{account} may be traded in {environment} until {found.expires_at:%H:%M:%S} UTC"))
