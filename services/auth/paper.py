"""Accounts at the local paper venues, which are there from the start: nobody has to type keys to try the platform."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.auth.accounts import Account, MfaMethod
from services.auth.operations import Operations
from services.auth.secret import Secret
from services.auth.sessions.keeper import SessionKeeper
from services.auth.sessions.session import State
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId, Broker, CredentialKind
from services.contracts.verdict import Environment
from services.kit.errors import SightlineError, StartError

_LOOK_SECONDS: Final = 1.0
_log = logging.getLogger("services.auth.paper")


class PaperAccountsUnreadableError(StartError):
    """The file of paper accounts is not what `sightline up` writes."""

    code = "bad_paper_accounts"
    title = "The paper accounts cannot be read"

    def __init__(self) -> None:
        super().__init__("Remove paper_accounts.json from the secrets; `sightline up` makes a new one.")


class PaperAccount(BaseModel):
    """One account as the file has it; what else it says is for the venue."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    venue: str
    name: AccountId
    key_id: Annotated[str, Field(min_length=4, max_length=128, pattern=r"^[A-Za-z0-9]+$")]
    secret_key: Annotated[str, Field(min_length=4, max_length=128, repr=False)]


_ACCOUNTS: Final = TypeAdapter(list[PaperAccount])


def read(text: str) -> list[PaperAccount]:
    """The accounts in the file's text. Raises `PaperAccountsUnreadableError`."""
    try:
        return _ACCOUNTS.validate_json(text)
    except ValidationError:
        raise PaperAccountsUnreadableError from None


class PaperAccounts:
    """Registers the accounts and logs them in, once; an account of the name that is there is left as it is.

    Args:
        accounts: What the file says.
        url: Where the paper venues are.
        operations: Registers accounts and stores their keys, audited.
        vault: Nothing can be stored while it is sealed: then it is waited for.
        keeper: Logs in.
    """

    def __init__(
        self, accounts: Sequence[PaperAccount], url: str, *, operations: Operations, vault: Vault, keeper: SessionKeeper
    ) -> None:
        self._accounts = tuple(accounts)
        self._url = url
        self._operations = operations
        self._vault = vault
        self._keeper = keeper

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
        for account in self._accounts:
            try:
                await asyncio.to_thread(self._keep, account)
                if (await self._keeper.session(account.name)).state is State.SIGNED_OUT:
                    await self._keeper.login(account.name)
            except SightlineError as error:
                _log.warning("the paper account %s is not ready: %s", account.name, error.detail or error.title)

    def _keep(self, account: PaperAccount) -> None:
        """Each step by itself: the process may have ended between two of them."""
        known = {each.account.name: each.credentials for each in self._operations.summaries()}
        if account.name not in known:
            base_url = f"{self._url}/paper/{account.venue}"
            self._operations.register(
                Account(account.name, Broker.ALPACA, Environment.PAPER, MfaMethod.NONE, base_url, {})
            )
        if not known.get(account.name):
            keys = Secret(f"{account.key_id}:{account.secret_key}")
            self._operations.store(account.name, CredentialKind.API_KEY, keys)
