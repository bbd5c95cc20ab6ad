"""The front door of the agents service."""

from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Query

from services.contracts.anomalies import AnomalyList, DetectorList, Diagnosis, DiagnosisRequest
from services.kit.guards import require_scope
from services.kit.limits import rate_limit


class Watching(Protocol):
    """What watches."""

    def anomalies(self, *, open_only: bool, limit: int) -> AnomalyList:
        """Anomalies, the newest first."""

    def detectors(self) -> DetectorList:
        """Every detector, by stage and signal."""


class Diagnosing(Protocol):
    """What looks for causes."""

    async def diagnose(self, request: DiagnosisRequest) -> Diagnosis:
        """The probable causes."""


def anomaly_router(watch: Watching) -> APIRouter:
    """What is out of the ordinary, and what is watched for it."""
    router = APIRouter(tags=["anomalies"], dependencies=[Depends(require_scope("anomalies:read"))])

    @router.get("/anomalies")
    def anomalies(
        open_only: Annotated[bool, Query(alias="open", description="Only those that are not over.")] = False,  # noqa: FBT002 -- a query's field, not a call's
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> AnomalyList:
        """Anomalies, the newest first."""
        return watch.anomalies(open_only=open_only, limit=limit)

    @router.get("/detectors")
    def detectors() -> DetectorList:
        """Every detector, what it has seen and what it does at present."""
        return watch.detectors()

    return router


def diagnosis_router(analyst: Diagnosing) -> APIRouter:
    """Why something is out of order."""
    router = APIRouter(tags=["diagnoses"])

    @router.post(
        "/diagnoses",
        dependencies=[Depends(require_scope("diagnoses:run")), Depends(rate_limit("diagnoses", "60/minute"))],
    )
    async def diagnose(request: DiagnosisRequest) -> Diagnosis:
        """Search telemetry for an incident's cause. The same telemetry gives the same answer."""
        return await analyst.diagnose(request)

    return router
