"""The front door of the auth service: accounts and the vault.

What belongs to sessions and to preflight has its own module beside this one.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends

from services.auth import mfa
from services.auth.accounts import Account, Accounts
from services.auth.door import VaultDoor
from services.auth.errors import SealedError
from services.auth.secret import Secret
from services.auth.step_up import StepUp
from services.auth.transactions import Readings
from services.auth.vault.vault import CredentialInfo, Vault
from services.contracts.auth import MfaStage
from services.contracts.auth_views import (
    AccountList,
    AccountView,
    CredentialView,
    StepUpRequest,
    UnsealRequest,
    VaultView,
)
from services.kit.guards import require_scope
from services.kit.identity import Caller
from services.kit.limits import rate_limit
from services.kit.openapi import problem_responses

# A wrong passphrase costs its sender a minute of waiting at least; the count outlives a restart.
_UNSEALINGS: Final = "5/15 minutes"


def account_router(accounts: Accounts, vault: Vault, readings: Readings) -> APIRouter:
    """Who is logged in where, and which secrets are stored for it."""
    router = APIRouter(tags=["accounts"], dependencies=[Depends(require_scope("auth:read"))])

    @router.get("/accounts")
    def listing() -> AccountList:
        """Every account with the kinds of its secrets, never the secrets. Works while the vault is sealed."""
        stored = vault.credentials()
        with readings.reading() as connection:
            views = [
                _view(account, mfa.stage_of(connection, account.name), stored) for account in accounts.all(connection)
            ]
        return AccountList(accounts=tuple(views))

    return router


def vault_router(door: VaultDoor, vault: Vault) -> APIRouter:
    """Whether the vault is sealed, and unsealing it."""
    router = APIRouter(prefix="/vault", tags=["vault"])

    @router.get("", dependencies=[Depends(require_scope("auth:read"))])
    def state() -> VaultView:
        """How the vault stands."""
        return _vault_view(door, vault)

    @router.post(
        "/unseal",
        dependencies=[Depends(rate_limit("vault_unseal", _UNSEALINGS))],
        responses=problem_responses(403, 422, 503),
    )
    def unseal(request: UnsealRequest, caller: Annotated[Caller, Depends(require_scope("auth:operate"))]) -> VaultView:
        """Open the vault with the key that the settings name and what a person gives."""
        passphrases = [Secret(given.get_secret_value()) for given in request.passphrases]
        door.unseal(passphrases, first_time=request.first_time, actor=caller.name)
        return _vault_view(door, vault)

    return router


def step_up_router(step_up: StepUp) -> APIRouter:
    """Whether a person gave the second passphrase, for services that must know before they do something."""
    router = APIRouter(tags=["step-up"])

    @router.post(
        "/step-up",
        status_code=HTTPStatus.NO_CONTENT,
        dependencies=[Depends(rate_limit("step_up", _UNSEALINGS))],
        responses=problem_responses(403, 409, 503),
    )
    def check(request: StepUpRequest, caller: Annotated[Caller, Depends(require_scope("auth:step_up"))]) -> None:
        """Compare the passphrase; a wrong one goes into the audit trail."""
        step_up.check(Secret(request.passphrase.get_secret_value()), request.what_for, actor=caller.name)

    return router


def _vault_view(door: VaultDoor, vault: Vault) -> VaultView:
    reason = ""
    try:
        door.check()
    except SealedError as error:
        reason = error.detail
    return VaultView(sealed=bool(reason), initialised=vault.initialised, needs_person=door.needs_person, reason=reason)


def _view(account: Account, stage: MfaStage, stored: Sequence[CredentialInfo]) -> AccountView:
    return AccountView(
        name=account.name,
        broker=account.broker,
        environment=account.environment,
        mfa=account.mfa,
        stage=stage,
        base_url=account.base_url,
        credentials=tuple(
            CredentialView(
                kind=each.kind, generation=each.generation, short_seed=each.short_seed, written_at=each.written_at
            )
            for each in stored
            if each.account == account.name
        ),
    )
