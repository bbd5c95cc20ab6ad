"""The front door of sessions: who is logged in, logging in, entering codes, and leases for trading."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends

from services.auth.sessions.keeper import SessionKeeper
from services.contracts.auth import AccountId
from services.contracts.auth_views import AccountPath, CodeEntry, CodeTaken
from services.contracts.sessions import LeaseGrant, SessionList, SessionView
from services.kit.guards import require_scope
from services.kit.identity import Caller
from services.kit.limits import rate_limit
from services.kit.openapi import problem_responses

# The attempt budget is what protects an account; these keep a caller in a loop from filling logs.
_LOGINS: Final = "20/minute"
_CODES: Final = "10/minute"
_LEASES: Final = "120/minute"


def session_router(keeper: SessionKeeper) -> APIRouter:
    """Sessions, seen and begun."""
    router = APIRouter(tags=["sessions"])

    @router.get("/sessions", dependencies=[Depends(require_scope("auth:read"))])
    async def sessions() -> SessionList:
        """Every account's session, by name."""
        return SessionList(sessions=tuple(await keeper.views()))

    @router.post(
        "/sessions/{account}/login",
        dependencies=[Depends(require_scope("auth:operate")), Depends(rate_limit("logins", _LOGINS))],
        responses=problem_responses(404, 409, 504),
    )
    async def login(account: AccountPath) -> SessionView:
        """Log in, or wait for the login under way. Answers when it has ended; a person may have to do something."""
        return await keeper.login(AccountId(account))

    @router.post("/sessions/{account}/unblock", responses=problem_responses(404, 409))
    async def unblock(
        account: AccountPath, caller: Annotated[Caller, Depends(require_scope("auth:operate"))]
    ) -> SessionView:
        """Allow logins again after a person has looked."""
        return await keeper.unblock(AccountId(account), actor=caller.name)

    @router.post(
        "/accounts/{account}/code",
        dependencies=[Depends(require_scope("auth:operate")), Depends(rate_limit("codes", _CODES))],
        responses=problem_responses(409),
    )
    async def enter_code(account: AccountPath, entry: CodeEntry) -> CodeTaken:
        """Hand in what the login that waits was sent to a person for."""
        await keeper.enter_code(AccountId(account), entry.code.get_secret_value())
        return CodeTaken(account=account)

    @router.get(
        "/leases/{account}",
        dependencies=[Depends(require_scope("auth:lease")), Depends(rate_limit("leases", _LEASES))],
        responses=problem_responses(404, 409),
    )
    async def lease(account: AccountPath) -> LeaseGrant:
        """The headers that carry the session, for five minutes at most. Keep them in memory only."""
        return (await keeper.lease(AccountId(account))).reveal()

    return router
