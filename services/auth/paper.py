"""Accounts that are there from the start: nobody has to type keys to try the platform.

Those at the local paper venues, one at a simulated broker whose login takes a code, and Alpaca's paper account if its
keys were given to `sightline up`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.auth.accounts import Account, MfaMethod
from services.auth.enrolment.offers import SeedOffer
from services.auth.operations import Operations
from services.auth.preflight.endpoints import ENDPOINTS
from services.auth.secret import Secret
from services.auth.sessions.keeper import SessionKeeper
from services.auth.sessions.session import State
from services.auth.totp.seeds import TotpSeed
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId, Broker, CredentialKind
from services.contracts.verdict import Environment
from services.kit.clock import Clock
from services.kit.errors import SightlineError, StartError

ALPACA_PAPER: Final = AccountId("alpaca-paper")
_ACTOR: Final = "auth"
_LOOK_SECONDS: Final = 1.0
_log = logging.getLogger("services.auth.paper")


class PaperAccountsUnreadableError(StartError):
    """The file of paper accounts is not what `sightline up` writes."""

    code = "bad_paper_accounts"
    title = "The paper accounts cannot be read"

    def __init__(self, file: str) -> None:
        super().__init__(f"Remove {file} from the secrets; `sightline up` makes a new one.")


class PaperAccount(BaseModel):
    """One account as the file has it; what else it says is for the venue."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    venue: str
    name: AccountId
    key_id: Annotated[str, Field(min_length=4, max_length=128, pattern=r"^[A-Za-z0-9]+$")]
    secret_key: Annotated[str, Field(min_length=4, max_length=128, repr=False)]


class PaperLogin(BaseModel):
    """A customer of the simulated Robinhood, as the file has it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    name: AccountId
    password: Annotated[str, Field(min_length=4, max_length=128, repr=False)]
    totp_seed: Annotated[str, Field(min_length=16, max_length=128, pattern=r"^[A-Z2-7]+$", repr=False)]


@dataclass(frozen=True, slots=True)
class Opening:
    """An account to register, with what its login takes.

    Attributes:
        seed: What its codes are computed from; None where it needs none.
        renewed: Secrets that differ from the stored ones take their place, and lift a block that those brought.
    """

    account: Account
    secrets: Mapping[CredentialKind, Secret] = field(repr=False)
    seed: TotpSeed | None = None
    renewed: bool = False


_ACCOUNTS: Final = TypeAdapter(list[PaperAccount])
_LOGINS: Final = TypeAdapter(list[PaperLogin])


def at_venues(text: str, url: str) -> list[Opening]:
    """The accounts at the paper venues below `url`, in the file's text. Raises `PaperAccountsUnreadableError`."""
    try:
        found = _ACCOUNTS.validate_json(text)
    except ValidationError:
        raise PaperAccountsUnreadableError("paper_accounts.json") from None
    return [
        Opening(
            Account(each.name, Broker.ALPACA, Environment.PAPER, MfaMethod.NONE, f"{url}/paper/{each.venue}"),
            {CredentialKind.API_KEY: Secret(f"{each.key_id}:{each.secret_key}")},
        )
        for each in found
    ]


def at_simulators(text: str, url: str) -> list[Opening]:
    """The accounts whose logins take codes, at the brokers below `url`. Raises `PaperAccountsUnreadableError`."""
    try:
        found = _LOGINS.validate_json(text)
    except ValidationError:
        raise PaperAccountsUnreadableError("paper_logins.json") from None
    place, data = f"{url}/robinhood", {each.name: {"username": str(each.name)} for each in found}
    return [
        Opening(
            Account(each.name, Broker.ROBINHOOD, Environment.PAPER, MfaMethod.TOTP, place, data[each.name]),
            {CredentialKind.PASSWORD: Secret(each.password)},
            TotpSeed.from_text(each.totp_seed),
        )
        for each in found
    ]


def at_alpaca(keys: str) -> list[Opening]:
    """Alpaca's own paper account with these keys, written KEY_ID:SECRET_KEY."""
    (url,) = ENDPOINTS[Broker.ALPACA, Environment.PAPER]
    account = Account(ALPACA_PAPER, Broker.ALPACA, Environment.PAPER, MfaMethod.NONE, url)
    return [Opening(account, {CredentialKind.API_KEY: Secret(keys)}, renewed=True)]


class PaperAccounts:
    """Registers accounts and logs them in, once; an account of the name that is there is left as it is.

    Args:
        openings: What is to be there.
        operations: Registers accounts and stores their secrets, audited.
        vault: Nothing can be stored while it is sealed: then it is waited for.
        keeper: Logs in.
        clock: For the code that confirms a seed.
    """

    def __init__(
        self,
        openings: Sequence[Opening],
        *,
        operations: Operations,
        vault: Vault,
        keeper: SessionKeeper,
        clock: Clock,
    ) -> None:
        self._openings = tuple(openings)
        self._operations = operations
        self._vault = vault
        self._keeper = keeper
        self._clock = clock

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[None]:
        """Do it beside everything else, as long as the block runs."""
        task = asyncio.create_task(self.open())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def open(self) -> None:
        """Register, store and log in what is not there yet, as soon as the vault is open."""
        while self._vault.sealed:  # noqa: ASYNC110 -- it is opened by a call, by hand or by another process
            await asyncio.sleep(_LOOK_SECONDS)
        # Together: a login may have to wait for the next code.
        await asyncio.gather(*(self._open(each) for each in self._openings))

    async def _open(self, opening: Opening) -> None:
        name = opening.account.name
        try:
            if await asyncio.to_thread(self._keep, opening):
                await self._keeper.unblock(name, actor=_ACTOR)
            if (await self._keeper.session(name)).state is State.SIGNED_OUT:
                await self._keeper.login(name)
        except SightlineError as error:
            _log.warning("the paper account %s is not ready: %s", name, error.detail or error.title)

    def _keep(self, opening: Opening) -> bool:
        """Whether secrets took the place of others. Each step by itself: the process may have ended between two."""
        account = opening.account
        summary = next((each for each in self._operations.summaries() if each.account.name == account.name), None)
        if summary is None:
            self._operations.register(account)
        stored = {each.kind for each in summary.credentials} if summary else set()
        replaced = False
        for kind, secret in opening.secrets.items():
            differs = opening.renewed and kind in stored and self._differs(account.name, kind, secret)
            if kind not in stored or differs:
                self._operations.store(account.name, kind, secret)
            replaced = replaced or differs
        if opening.seed is not None and CredentialKind.TOTP_SEED not in stored:
            self._enrol(account.name, opening.seed)
        return replaced

    def _differs(self, name: AccountId, kind: CredentialKind, secret: Secret) -> bool:
        return self._vault.open(name, kind, actor=_ACTOR, purpose="compare") != secret

    def _enrol(self, name: AccountId, seed: TotpSeed) -> None:
        # The code before the present one confirms it: the present one is left to the login.
        before = seed.step_at(self._clock.now().timestamp()) - 1
        confirming = seed.code(before).reveal()
        self._operations.enrol(name, SeedOffer(seed, "", ""), Secret(confirming))
