"""The agents service, as other services call it."""

from services.contracts.anomalies import AnomalyList, DetectorList, Diagnosis, DiagnosisRequest
from services.kit.http_client import ServiceClient


class AgentsClient:
    """Typed calls; errors are those of `ServiceClient`. Give the client 30 s to read: a diagnosis reads telemetry."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def anomalies(self, *, open_only: bool = False, limit: int = 100) -> AnomalyList:
        """Anomalies, the newest first; all of them or those that are not over."""
        query = {"open": "true" if open_only else "false", "limit": str(limit)}
        response = await self._client.get("/anomalies", query=query)
        return AnomalyList.model_validate_json(response.content)

    async def detectors(self) -> DetectorList:
        """Every detector and what it does at present."""
        return DetectorList.model_validate_json((await self._client.get("/detectors")).content)

    async def diagnose(self, request: DiagnosisRequest) -> Diagnosis:
        """The probable causes of an incident, three at most; none is an answer too."""
        response = await self._client.post("/diagnoses", body=request.model_dump(mode="json"))
        return Diagnosis.model_validate_json(response.content)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
