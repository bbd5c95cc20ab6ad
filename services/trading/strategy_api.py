"""The front door of strategies. Handlers wait for the engine, so they are plain functions: each runs in a thread."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path

from services.contracts.orders import StrategyName
from services.contracts.strategies import StrategyList, StrategyView
from services.contracts.trading_views import StateRequest
from services.kit.guards import require_scope
from services.kit.identity import Caller
from services.kit.openapi import problem_responses
from services.trading.engine.engine import Engine
from services.trading.engine.view import EngineView

_NamePath = Annotated[StrategyName, Path(pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="The strategy's name.")]
_Reader = Depends(require_scope("trading:read"))
_Operator = Annotated[Caller, Depends(require_scope("trading:strategies"))]
_PROBLEMS: Final = problem_responses(404, 409, 503)


def strategy_router(engine: Engine, view: EngineView) -> APIRouter:
    """Strategies: looked at, paused, resumed and begun anew."""
    router = APIRouter(tags=["strategies"])

    @router.get("/strategies", dependencies=[_Reader])
    def strategies() -> StrategyList:
        """Every strategy that the trading file names, and how it stands."""
        return view.listed()

    @router.post("/strategies/{name}/pause", responses=_PROBLEMS)
    def pause(name: _NamePath, request: StateRequest, caller: _Operator) -> StrategyView:
        """Have a strategy see bars and send nothing until it is resumed, over restarts. Its exits keep working."""
        engine.pause(name, caller.name, request.reason)
        return view.one(name)

    @router.post("/strategies/{name}/resume", responses=_PROBLEMS)
    def resume(name: _NamePath, request: StateRequest, caller: _Operator) -> StrategyView:
        """Have a paused strategy send again, from its next bar on."""
        engine.resume(name, caller.name, request.reason)
        return view.one(name)

    @router.post("/strategies/{name}/restart", responses=_PROBLEMS)
    def restart(name: _NamePath, request: StateRequest, caller: _Operator) -> StrategyView:
        """Begin a strategy anew from the newest bar on, also one that raised and was stopped. It keeps its account."""
        engine.restart(name, caller.name, request.reason)
        return view.one(name)

    return router
