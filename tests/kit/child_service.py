"""A service with a slow route and a daily limit, for tests that start and stop processes."""

import asyncio
import logging
from pathlib import Path
from typing import ClassVar

from fastapi import APIRouter, Depends

from services.kit.app import ServiceApp
from services.kit.chassis import Chassis
from services.kit.guards import require_scope
from services.kit.limits import rate_limit
from services.kit.server import run
from services.kit.service_settings import ServiceSettings

_log = logging.getLogger("tests.child")


class ChildSettings(ServiceSettings):
    service_name: ClassVar[str] = "child"
    default_port: ClassVar[int] = 8799


def build(settings: ChildSettings) -> ServiceApp:
    router = APIRouter(dependencies=[Depends(require_scope("child:use"))])

    @router.get("/slow")
    async def slow() -> dict[str, bool]:
        (settings.data_dir / "slow-has-begun").touch()
        await asyncio.sleep(0.5)
        return {"whole": True}

    @router.get("/limited", dependencies=[Depends(rate_limit("daily", "2/day"))])
    async def limited() -> dict[str, bool]:
        return {"allowed": True}

    @router.get("/many-lines")
    async def many_lines() -> dict[str, bool]:
        for number in range(2000):
            _log.info("line %d of many", number)
        return {"logged": True}

    return Chassis.open(settings).create_app("Child", routers=[router])


def has_begun(home: Path) -> bool:
    return (home / "var" / "slow-has-begun").exists()


if __name__ == "__main__":
    run(ChildSettings, build)
