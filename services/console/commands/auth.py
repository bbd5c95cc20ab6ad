"""`sightline auth ...`: accounts and their secrets, and what the running service does with them."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast
from urllib.parse import quote

import typer
from rich.text import Text

from services.console.commands.asking import secret_line
from services.console.commands.calling import call
from services.console.commands.context import operator_of
from services.console.commands.render import Cell, columns, header
from services.contracts.auth import Broker, CredentialKind
from services.contracts.auth_views import AccountList, StageView, VaultView
from services.contracts.sessions import SessionList, SessionView
from services.contracts.verdict import Environment

if TYPE_CHECKING:
    from services.console.commands import auth_vault

# A person may have to read a text message or approve on a phone meanwhile.
_LOGIN_SECONDS = 600.0
# A canary is no credential: the service plants it and nobody stores, reads or removes it by hand.
_KINDS = ", ".join(kind for kind in CredentialKind if kind is not CredentialKind.CANARY)


def _credential(name: str) -> CredentialKind:
    if name not in _KINDS.split(", "):
        raise typer.BadParameter(f"{name!r} is none of {_KINDS}.")
    return CredentialKind(name)


_Kind = Annotated[CredentialKind, typer.Argument(parser=_credential, metavar="KIND", help=f"One of {_KINDS}.")]
_Account = Annotated[str, typer.Argument(help="The account's name, such as robinhood-main.", metavar="ACCOUNT")]


def make_app() -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True, help="Accounts, their secrets and their logins.")
    for command in (
        add,
        listing,
        reveal,
        rotate,
        accept_trail,
        step_up,
        fix_permissions,
        unseal,
        login,
        code,
        unblock,
        sms_removed,
        report,
    ):
        app.command(name=_NAMES.get(command.__name__, command.__name__.replace("_", "-")))(command)
    return app


_NAMES = {"listing": "list"}


def _vault() -> "type[auth_vault.VaultWork]":
    # By name and when it is needed: the vault's parts take half a second to import, which `sightline status` and all
    # the others would pay for too.
    module = importlib.import_module("services.console.commands.auth_vault")
    return cast("type[auth_vault.VaultWork]", module.VaultWork)


def add(  # noqa: PLR0913 -- each parameter is one of the command's options
    context: typer.Context,
    account: _Account,
    *,
    broker: Annotated[Broker | None, typer.Option(help="Needed for a new account.")] = None,
    environment: Annotated[Environment | None, typer.Option(help="Needed for a new account.")] = None,
    mfa: Annotated[str | None, typer.Option(help="How codes come: none, totp, sms or approval.")] = None,
    base_url: Annotated[str, typer.Option(help="Another address than the broker's own, such as a simulator's.")] = "",
    data: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE that is no secret, such as username=me.")
    ] = None,
    secret: Annotated[
        list[CredentialKind] | None,
        typer.Option(parser=_credential, metavar="KIND", help=f"Kind of a secret to store; asked for. {_KINDS}."),
    ] = None,
    seed_file: Annotated[
        Path | None,
        typer.Option(help="An otpauth address, an authenticator's export or a picture of its QR code; - for stdin."),
    ] = None,
) -> None:
    """Register an account, change it, or store secrets for it. Secrets are asked for, or read from standard input."""
    work = _vault()(operator_of(context))
    work.add(
        account,
        broker=broker,
        environment=environment,
        mfa=mfa,
        base_url=base_url,
        data=data or [],
        secrets=secret or [],
        seed_file=seed_file,
    )


def listing(context: typer.Context) -> None:
    """Show every account and which secrets are stored for it, never the secrets."""
    _vault()(operator_of(context)).listing()


def reveal(context: typer.Context, account: _Account, kind: _Kind) -> None:
    """Show a secret, after the step-up passphrase. Goes into the audit trail, refused or not."""
    _vault()(operator_of(context)).reveal(account, kind)


def rotate(
    context: typer.Context,
    *,
    to: Annotated[str, typer.Option(help="key_file, passphrase, os_keyring or vault_transit.")] = "",
) -> None:
    """Wrap every secret by a new key. Safe to repeat; goes on where a crash ended it."""
    _vault()(operator_of(context)).rotate(to)


def accept_trail(context: typer.Context) -> None:
    """Say that the audit trail is right after a backup was put back, so that preflight passes. Takes the step-up."""
    _vault()(operator_of(context)).accept_trail()


def step_up(context: typer.Context) -> None:
    """Set the passphrase that `reveal` takes."""
    _vault()(operator_of(context)).step_up()


def fix_permissions(context: typer.Context) -> None:
    """Close files that others may touch; what a person must look at is named. Exit code 1 when there is any."""
    _vault()(operator_of(context)).fix_permissions()


def unseal(
    context: typer.Context,
    *,
    first_time: Annotated[bool, typer.Option("--first-time", help="Give a new vault its first key.")] = False,
) -> None:
    """Unseal the running service's vault. Exit code 1 when it stays sealed."""
    operator = operator_of(context)
    before = VaultView.model_validate_json(call(operator, "auth", "GET", "/vault").content)
    if not before.sealed:
        operator.progress.note("the vault is open")
        return
    passphrases = [secret_line("passphrase")] if before.needs_person else []
    body = {"passphrases": passphrases, "first_time": first_time}
    answer = call(operator, "auth", "POST", "/vault/unseal", body=body)
    after = VaultView.model_validate_json(answer.content)
    operator.progress.note(after.reason if after.sealed else "the vault is open")
    if after.sealed:
        raise typer.Exit(1)


def login(context: typer.Context, account: _Account) -> None:
    """Log an account in now, or wait for the login under way. Exit code 1 when there is no session then."""
    operator = operator_of(context)
    target = f"/sessions/{quote(account, safe='')}/login"
    answer = call(operator, "auth", "POST", target, timeout_seconds=_LOGIN_SECONDS)
    session = SessionView.model_validate_json(answer.content)
    operator.out.print(Text(_told(session)), soft_wrap=True)
    operator.progress.note(f"the whole login: `sightline trace {answer.headers.get('x-trace-id', '')}`")
    if not session.usable:
        raise typer.Exit(1)


def code(context: typer.Context, account: _Account) -> None:
    """Hand in the code, or the address, that a waiting login was sent to a person for. Asked for, never an argument."""
    operator = operator_of(context)
    body = {"code": secret_line("code")}
    call(operator, "auth", "POST", f"/accounts/{quote(account, safe='')}/code", body=body)
    operator.progress.note("taken; `sightline auth report` shows what came of it")


def unblock(context: typer.Context, account: _Account) -> None:
    """Allow logins of a blocked account again, after you have found out why it was blocked."""
    operator = operator_of(context)
    answer = call(operator, "auth", "POST", f"/sessions/{quote(account, safe='')}/unblock")
    operator.out.print(Text(_told(SessionView.model_validate_json(answer.content))), soft_wrap=True)


def sms_removed(context: typer.Context, account: _Account) -> None:
    """Say that the broker sends this account no text messages any more. Refused until its seed has logged in."""
    operator = operator_of(context)
    answer = call(operator, "auth", "POST", f"/accounts/{quote(account, safe='')}/sms-removed")
    operator.progress.note(f"{account} has reached {StageView.model_validate_json(answer.content).stage}")


def report(context: typer.Context) -> None:
    """Show how each account stands: its session, its attempts, and how far it has moved from SMS to TOTP."""
    operator = operator_of(context)
    sessions = SessionList.model_validate_json(call(operator, "auth", "GET", "/sessions").content).sessions
    accounts = AccountList.model_validate_json(call(operator, "auth", "GET", "/accounts").content).accounts
    if not sessions:
        operator.progress.note("no account is registered; `sightline auth add` registers one")
        return
    stages = {account.name: account.stage.value if account.mfa in {"totp", "sms"} else "" for account in accounts}
    rows: list[list[Cell]] = [
        [
            view.account,
            view.broker,
            view.environment,
            (view.state, "green" if view.usable else "yellow"),
            "" if view.expires_at is None else f"{view.expires_at:%Y-%m-%d %H:%M} UTC",
            str(view.attempts_left),
            stages.get(view.account, ""),
            "" if view.approval is None else view.approval.instruction,
        ]
        for view in sessions
    ]
    names = header("account", "broker", "environment", "session", "ends", "attempts", "from SMS to TOTP", "asked for")
    operator.out.print(columns([names, *rows]), soft_wrap=True)
    on_sms = [view.account for view in sessions if stages.get(view.account) not in {"", "sms_removed"}]
    if on_sms:
        operator.progress.note(f"codes can still come by SMS for {', '.join(on_sms)}: docs/sms-to-totp.md")


def _told(session: SessionView) -> str:
    words = f"{session.account} is {session.state}"
    if session.expires_at is not None:
        words += f" until {session.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    if session.block_reason is not None:
        words += f": {session.block_reason}"
    if not session.usable:
        words += f"; {session.attempts_left} attempts left"
    return words
