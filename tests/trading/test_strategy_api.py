"""Strategies over HTTP: what is told of them, and who may change them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit.database import Database
from services.trading.strategy_api import strategy_router
from telemetry.emit.metrics import Metrics
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock
from tests.kit.web import AppClient, Web
from tests.trading.engine.conftest import database as database  # noqa: PLC0414 -- a fixture, used by its name
from tests.trading.engine.house import EngineHouse
from tests.trading.engine.support import A, B, trend

REASON = {"reason": "a drill"}


class Front:
    """The application over an engine that runs."""

    def __init__(self, house: EngineHouse, directory: Path) -> None:
        self._web = Web(directory, RecordedTelemetry(Metrics(_TelemetryClock())))
        self._web.allow("tester", self._web.key)
        self.app = self._web.app([strategy_router(house.engine, house.view)], fixed_tokens={})

    def client(self, *scopes: str) -> AppClient:
        self._web.allow("tester", self._web.key, *scopes)
        return AppClient(self.app, auth=self._web.signed())


@pytest.fixture
def front(database: Database, tmp_path: Path) -> Iterator[Front]:
    configs = (trend(A, name="one", venue="any", budget={"orders_a_day": 3}), trend(B, name="other"))
    with EngineHouse(database, *configs).running() as house:
        house.begun()
        yield Front(house, tmp_path)


def test_every_strategy_is_told_with_all_that_is_known_of_it(front: Front) -> None:
    answer = front.client("trading:read").get("/strategies")

    assert answer.status_code == 200
    one, other = answer.json()["strategies"]
    assert (one["name"], one["kind"], one["state"], one["symbols"]) == ("one", "sma-cross", "warming_up", [A])
    assert one["parameters"]["slow"] == 5
    assert one["budget"] == {
        "largest_exposure": "20000",
        "exposure": "0.00",
        "orders_a_day": 3,
        "orders_today": 0,
    }
    assert (one["equity"], one["held"], one["last_bar_at"]) == ("10000.00", {}, None)
    assert other["budget"]["orders_a_day"] is None


def test_pausing_and_resuming_answers_with_how_it_stands(front: Front) -> None:
    client = front.client("trading:strategies")

    paused = client.post("/strategies/one/pause", json=REASON)
    resumed = client.post("/strategies/one/resume", json=REASON)

    assert (paused.status_code, paused.json()["state"]) == (200, "paused")
    assert paused.json()["detail"] == "by tester: a drill"
    assert (resumed.status_code, resumed.json()["detail"]) == (200, "")


def test_a_strategy_is_begun_anew(front: Front) -> None:
    answer = front.client("trading:strategies").post("/strategies/one/restart", json=REASON)
    assert (answer.status_code, answer.json()["name"]) == (200, "one")


def test_a_name_that_is_not_there_is_answered_with_those_that_are(front: Front) -> None:
    answer = front.client("trading:strategies").post("/strategies/tow/pause", json=REASON)

    assert (answer.status_code, answer.json()["code"]) == (404, "strategy_not_found")
    assert "there are one, other" in answer.json()["detail"]


@pytest.mark.parametrize("change", ["pause", "resume", "restart"])
def test_only_who_may_change_strategies_does(front: Front, change: str) -> None:
    answer = front.client("trading:read", "trading:cancel").post(f"/strategies/one/{change}", json=REASON)
    assert answer.status_code == 403
