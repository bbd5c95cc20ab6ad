"""The front door of preflight."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from services.auth.preflight.report import CheckResult, PreflightReport
from services.auth.preflight.runner import Preflight
from services.contracts.auth import AccountId
from services.contracts.auth_views import AccountPath
from services.contracts.preflight import CheckView, PreflightView, RevocationView, RevokeRequest
from services.contracts.verdict import Environment, SettingsDigest
from services.kit.guards import require_scope
from services.kit.limits import rate_limit
from services.kit.openapi import problem_responses

# A verdict lives two minutes; who needs one for each of a handful of accounts asks far less often than this.
_PREFLIGHTS: Final = "60/minute"

_Digest = Annotated[str, Query(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the trading settings in force.")]


def preflight_router(preflight: Preflight) -> APIRouter:
    """A verdict before anything runs, and taking verdicts back."""
    router = APIRouter(prefix="/preflight", tags=["preflight"])

    @router.get(
        "/{account}",
        dependencies=[Depends(require_scope("preflight:run")), Depends(rate_limit("preflight", _PREFLIGHTS))],
        responses=problem_responses(404, 409, 503),
    )
    async def run(account: AccountPath, environment: Environment, settings_digest: _Digest) -> PreflightView:
        """Make every check, and sign a verdict if none that blocks has failed. Takes up to three seconds."""
        return _view(await preflight.run(AccountId(account), environment, SettingsDigest(settings_digest)))

    @router.post(
        "/{account}/revoke",
        dependencies=[Depends(require_scope("auth:operate"))],
        responses=problem_responses(404, 503),
    )
    async def revoke(account: AccountPath, request: RevokeRequest) -> RevocationView:
        """Take back every verdict about the account that was signed until now."""
        revoked_at = await preflight.revoke(AccountId(account), request.reason)
        return RevocationView(account=AccountId(account), revoked_at=revoked_at)

    return router


def _view(report: PreflightReport) -> PreflightView:
    signed = report.signed
    return PreflightView(
        account=report.account,
        environment=report.environment,
        settings_digest=report.settings_digest,
        started_at=report.started_at,
        seconds=report.seconds,
        passed=report.passed,
        checks=tuple(_check(result) for result in report.results),
        verdict=signed.token if signed else None,
        expires_at=signed.verdict.expires_at if signed else None,
    )


def _check(result: CheckResult) -> CheckView:
    return CheckView(
        check_id=result.check_id,
        severity=result.severity,
        outcome=result.outcome,
        why=result.why,
        remedy=result.remedy,
        runbook=result.runbook,
        seconds=result.seconds,
    )
