"""A small service to ask things of, and a caller that signs."""

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Depends, Request
from fastapi.telemetry import TelemetryConfig
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from starlette.responses import StreamingResponse

from services.kit.app import AppOptions, ServiceApp, create_app
from services.kit.callers import CallerEntry, Callers, public_key_text, write_callers
from services.kit.clock import Clock
from services.kit.errors import ConflictError
from services.kit.guards import require_bearer, require_scope
from services.kit.identity import Caller, CallerSigner, CallerVerifier, SpentTokens
from tests.fakes.clock import FakeClock
from tests.fakes.spent_tokens import FakeSpentTokens
from tests.kit.conftest import RecordedTelemetry

AUDIENCE = "example"
CANARY = "canary-4711"
WEBHOOK_TOKEN = "made-up-webhook-token"


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    quantity: int = Field(gt=0)
    side: str = "buy"

    @field_validator("side")
    @classmethod
    def _side(cls, value: str) -> str:
        if value not in {"buy", "sell"}:
            raise ValueError(f"no such side: {value}")
        return value


@dataclass
class SignedBy(httpx.Auth):
    """Signs whatever is sent."""

    signer: CallerSigner
    audience: str = AUDIENCE
    requires_request_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        target = request.url.raw_path.decode("ascii")
        request.headers.update(self.signer.headers(request.method, target, request.content, audience=self.audience))
        yield request


@dataclass
class Web:
    """The parts of an application under test."""

    directory: Path
    telemetry: RecordedTelemetry
    clock: Clock = field(default_factory=FakeClock)
    spent_tokens: SpentTokens = field(default_factory=FakeSpentTokens)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.allow("tester", self.key, "orders:read", "orders:write")
        self.callers = Callers(self.callers_path)
        self.verifier = CallerVerifier(self.callers, self.spent_tokens, self.clock, audience=AUDIENCE)

    @property
    def callers_path(self) -> Path:
        return self.directory / "callers.json"

    def allow(self, name: str, key: Ed25519PrivateKey, *scopes: str) -> None:
        write_callers(self.callers_path, {name: CallerEntry(public_key=public_key_text(key), scopes=scopes)})

    def signer(self, name: str = "tester", key: Ed25519PrivateKey | None = None) -> CallerSigner:
        return CallerSigner(name, key or self.key, self.clock)

    def signed(self) -> SignedBy:
        return SignedBy(self.signer())

    def app(self, routers: Sequence[APIRouter] | None = None, **options: Any) -> ServiceApp:  # noqa: ANN401 -- AppOptions' own
        defaults: dict[str, Any] = {
            "title": "Example",
            "version": "1",
            "metrics": self.telemetry.metrics,
            "telemetry_config": TelemetryConfig(
                tracer_provider=self.telemetry.provider, metrics=False, logs=False, operation_spans=False
            ),
            "verifier": self.verifier,
            "routers": [orders_router()] if routers is None else routers,
            "fixed_tokens": {"webhook": SecretStr(WEBHOOK_TOKEN)},
            "max_body_bytes": 2048,
        }
        return create_app(AppOptions(**(defaults | options)))

    def client(self, routers: Sequence[APIRouter] | None = None, **options: Any) -> "AppClient":  # noqa: ANN401 -- AppOptions' own
        return AppClient(self.app(routers, **options))

    def refused(self, reason: str) -> float:
        return self.telemetry.value("sightline_request_refusals_total", reason=reason)


@dataclass
class AppClient:
    """Asks an application, in this process and without a network."""

    app: ServiceApp
    auth: httpx.Auth | None = None

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", auth=self.auth) as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    def get(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        return self.request("POST", path, **options)

    def start_and_stop(self) -> None:
        """Run the application's lifespan."""

        async def live() -> None:
            async with self.app.router.lifespan_context(self.app):
                pass

        asyncio.run(live())


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """A body whose length is not announced."""
    for part in parts:
        yield part


def orders_router() -> APIRouter:
    router = APIRouter(prefix="/orders")
    read = [Depends(require_scope("orders:read"))]

    @router.get("/{order_id}", dependencies=read)
    async def look_up(order_id: int) -> dict[str, int]:
        return {"order_id": order_id}

    @router.post("", status_code=201)
    async def submit(order: Order, caller: Annotated[Caller, Depends(require_scope("orders:write"))]) -> dict[str, str]:
        return {"by": caller.name, "side": order.side}

    @router.post("/upload/raw", dependencies=[Depends(require_scope("orders:write"))])
    async def upload(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.post("/hook/webhook", dependencies=[Depends(require_bearer("webhook"))])
    async def hook(notes: dict[str, str]) -> dict[str, int]:
        return {"notes": len(notes)}

    @router.get("/fail/crash", dependencies=read)
    async def crash() -> None:
        raise RuntimeError(f"a vendor's text with {CANARY}")

    @router.get("/fail/conflict", dependencies=read)
    async def conflict() -> None:
        raise ConflictError("The order is filled; cancel nothing.")

    @router.get("/fail/midway", dependencies=read)
    async def midway() -> StreamingResponse:
        async def parts() -> Any:  # noqa: ANN401 -- an asynchronous generator
            yield b"first"
            raise RuntimeError(CANARY)

        return StreamingResponse(parts())

    @router.get("/admin/secrets", dependencies=[Depends(require_scope("orders:admin"))])
    async def admin() -> None:
        raise AssertionError("nobody has this scope")

    return router
