"""Where a person says that a broker sends no text messages any more."""

from fastapi import APIRouter, Depends

from services.auth.sms.tracker import MfaTracker
from services.contracts.auth import AccountId
from services.contracts.auth_views import AccountPath, StageView
from services.kit.guards import require_scope
from services.kit.openapi import problem_responses


def stage_router(tracker: MfaTracker) -> APIRouter:
    """The last step from SMS to TOTP."""
    router = APIRouter(tags=["accounts"], dependencies=[Depends(require_scope("auth:operate"))])

    @router.post("/accounts/{account}/sms-removed", responses=problem_responses(404, 409))
    def sms_removed(account: AccountPath) -> StageView:
        """Note that the broker no longer offers SMS for this account. A code by SMS takes it back."""
        return StageView(account=account, stage=tracker.sms_removed(AccountId(account)))

    return router
