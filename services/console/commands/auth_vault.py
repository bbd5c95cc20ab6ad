"""The commands that work on the vault itself, on the machine where it lies, whether the service runs or not."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import typer
from rich.text import Text

from services.auth.accounts import Account, MfaMethod, NoSuchAccountError
from services.auth.enrolment import qr, reading
from services.auth.enrolment.offers import SeedOffer
from services.auth.opening import open_operations, private_paths
from services.auth.operations import Operations
from services.auth.preflight.endpoints import ENDPOINTS
from services.auth.secret import Secret
from services.auth.settings import AuthSettings, VaultKeySource
from services.auth.totp.seeds import TotpSeed
from services.auth.vault.permissions import fix
from services.console.commands.asking import new_secret_line, secret_line
from services.console.commands.calling import call
from services.console.commands.context import Operator
from services.console.commands.own_settings import own_settings
from services.console.commands.render import Cell, columns, header
from services.console.stack.errors import StackError
from services.console.stack.identities import OPERATOR
from services.contracts.auth import AccountId, Broker, CredentialKind
from services.contracts.verdict import Environment

_SOURCES: Final[tuple[VaultKeySource, ...]] = ("key_file", "passphrase", "os_keyring", "vault_transit")
_HINTS: Final = {CredentialKind.API_KEY: " (Alpaca: KEY_ID:SECRET_KEY; Schwab: the app's secret)"}


class VaultWork:
    """One command's work."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._say = operator.progress.note
        self._settings = own_settings(operator, AuthSettings)

    def add(  # noqa: PLR0913 -- what can be said of an account
        self,
        name: str,
        *,
        broker: Broker | None,
        environment: Environment | None,
        mfa: str | None,
        base_url: str,
        data: Sequence[str],
        secrets: Sequence[CredentialKind],
        seed_file: Path | None,
    ) -> None:
        """See `auth.add`."""
        with self._unlocked() as operations:
            known = _known(operations, AccountId(name))
            account = _described(known, name, broker, environment, mfa, base_url, _pairs(data))
            if account != known:
                operations.register(account)
                self._say(f"{name} is registered: {account.broker}, {account.environment}, {account.base_url}")
            for kind in secrets:
                if kind is CredentialKind.TOTP_SEED:
                    text = secret_line("seed, as the broker shows it")
                    self._enrol(operations, account, SeedOffer(TotpSeed.from_text(text), "", ""))
                else:
                    given = Secret(secret_line(f"{kind.value}{_HINTS.get(kind, '')}"))
                    generation = operations.store(account.name, kind, given)
                    self._say(f"the {kind.value} of {name} is stored, generation {generation}")
            if seed_file is not None:
                self._enrol(operations, account, _chosen(_offers(seed_file)))

    def listing(self) -> None:
        """See `auth.listing`."""
        with self._opened() as operations:
            found = operations.summaries()
        if not found:
            self._say("no account is registered; `sightline auth add` registers one")
            return
        rows: list[list[Cell]] = [
            [
                each.account.name,
                each.account.broker,
                each.account.environment,
                each.account.mfa,
                each.stage if each.account.mfa in {MfaMethod.TOTP, MfaMethod.SMS} else "",
                ", ".join(f"{one.kind} ({one.generation}, {one.written_at:%Y-%m-%d})" for one in each.credentials),
            ]
            for each in found
        ]
        names = header("account", "broker", "environment", "codes", "from SMS to TOTP", "stored (writes, last)")
        self._operator.out.print(columns([names, *rows]), soft_wrap=True)

    def reveal(self, name: str, kind: CredentialKind) -> None:
        """See `auth.reveal`."""
        with self._unlocked() as operations:
            step_up = Secret(secret_line("step-up passphrase") if operations.has_step_up else "")
            # Past rich and its styles: exactly what was stored.
            operations.reveal(AccountId(name), kind, step_up).use(lambda text: sys.stdout.write(f"{text}\n"))

    def accept_trail(self) -> None:
        """See `auth.accept_trail`."""
        with self._unlocked() as operations:
            operations.accept_trail(Secret(secret_line("step-up passphrase") if operations.has_step_up else ""))
        self._say("the audit trail is accepted as it is; this too is in it")

    def rotate(self, to: str) -> None:
        """See `auth.rotate`."""
        source = _source(to or self._settings.vault_key_source)
        with self._unlocked() as operations:
            passphrase = new_secret_line("new passphrase") if source == "passphrase" else None
            new = None if passphrase is None else Secret(passphrase)
            rotation, kept = operations.rotate(source, new)
        self._say(f"the wrapping key is {rotation.kek_id}; {rotation.rewrapped} records were wrapped anew")
        if kept is not None:
            self._say(f"the key before is in {kept}; keep it with older backups, or destroy it")
        if source != self._settings.vault_key_source:
            self._say(f"set SIGHTLINE_VAULT_KEY_SOURCE={source} before the service starts again")
        if passphrase is not None:
            if self._settings.vault_passphrase is not None:
                self._say("write the new passphrase into the file vault_passphrase among the secrets")
            self._tell_service(passphrase)

    def step_up(self) -> None:
        """See `auth.step_up`."""
        with self._unlocked() as operations:
            old = Secret(secret_line("step-up passphrase until now")) if operations.has_step_up else None
            operations.set_step_up(Secret(new_secret_line("new step-up passphrase")), old)
        self._say("the step-up passphrase is set")

    def fix_permissions(self) -> None:
        """See `auth.fix_permissions`."""
        left = fix([*private_paths(self._settings), self._settings.secrets_dir])
        for problem in left:
            self._operator.out.print(Text(problem), soft_wrap=True)
        if left:
            raise typer.Exit(1)
        self._say("nobody else may touch auth's files")

    def _enrol(self, operations: Operations, account: Account, offer: SeedOffer) -> None:
        confirming = Secret(secret_line("a code that another authenticator shows for it now"))
        generation = operations.enrol(account.name, offer, confirming)
        self._say(f"the seed of {account.name} is stored, generation {generation}; that code is spent")
        if offer.seed.short:
            self._say(
                "the seed has fewer than 112 bits, as brokers hand them out; ask for a longer one if there is any"
            )

    def _tell_service(self, passphrase: str) -> None:
        try:
            call(self._operator, "auth", "POST", "/vault/unseal", body={"passphrases": [passphrase]})
        except StackError as error:
            self._say(f"the running service was not told ({error.message}); use `sightline auth unseal` when it runs")

    @contextmanager
    def _opened(self) -> Iterator[Operations]:
        with open_operations(self._settings, actor=OPERATOR) as operations:
            yield operations

    @contextmanager
    def _unlocked(self) -> Iterator[Operations]:
        with self._opened() as operations:
            given = [Secret(secret_line("passphrase"))] if operations.needs_passphrase else []
            operations.unlock(given)
            yield operations


def _known(operations: Operations, name: AccountId) -> Account | None:
    try:
        return operations.account(name)
    except NoSuchAccountError:
        return None


def _described(  # noqa: PLR0913, PLR0917 -- what can be said of an account
    known: Account | None,
    name: str,
    broker: Broker | None,
    environment: Environment | None,
    mfa: str | None,
    base_url: str,
    data: dict[str, str],
) -> Account:
    if known is not None:
        broker, environment = broker or known.broker, environment or known.environment
    if broker is None or environment is None:
        raise StackError(f"{name} is new", remedy="say --broker and --environment")
    method = _mfa(mfa) if mfa is not None else (known.mfa if known else MfaMethod.NONE)
    same_place = known is not None and (known.broker, known.environment) == (broker, environment)
    url = base_url or (known.base_url if known and same_place else _usual_url(broker, environment))
    account = Account(AccountId(name), broker, environment, method, url, data)
    return replace(account, data={**known.data, **data}) if known else account


def _usual_url(broker: Broker, environment: Environment) -> str:
    usual = sorted(ENDPOINTS.get((broker, environment), ()))
    if not usual:
        raise StackError(f"{broker} has no {environment} environment", remedy="give the address with --base-url")
    return usual[0]


def _mfa(text: str) -> MfaMethod:
    if text not in set(MfaMethod):
        raise StackError("codes cannot come like that", remedy=f"--mfa takes {', '.join(MfaMethod)}")
    return MfaMethod(text)


def _source(text: str) -> VaultKeySource:
    for source in _SOURCES:
        if source == text:
            return source
    raise StackError("there is no such key source", remedy=f"--to takes {', '.join(_SOURCES)}")


def _pairs(data: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for pair in data:
        name, equals, value = pair.partition("=")
        if not (equals and name):
            raise StackError("--set takes NAME=VALUE", remedy="write it as --set username=me")
        pairs[name] = value
    return pairs


def _offers(seed_file: Path) -> list[SeedOffer]:
    if str(seed_file) == "-":
        # One line of standard input: the confirming code stands on the next.
        return reading.read_bytes(sys.stdin.readline().encode())
    if qr.is_picture(seed_file):
        return qr.read_picture(seed_file, qr.InstalledReader())
    return reading.read_file(seed_file)


def _chosen(offers: Sequence[SeedOffer]) -> SeedOffer:
    if len(offers) == 1:
        return offers[0]
    names = "; ".join(f"{number}: {offer.issuer} {offer.name}" for number, offer in enumerate(offers, 1))
    answer = secret_line(f"the export holds several seeds ({names}); the number of yours")
    if not answer.isdecimal() or not 1 <= int(answer) <= len(offers):
        raise StackError("there is no seed of that number", remedy=f"give a number from 1 to {len(offers)}")
    return offers[int(answer) - 1]
