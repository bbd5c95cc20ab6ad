"""`sightline strategies ...`: what is shown of strategies, and how they are changed."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from services.console.cli import build
from services.console.commands import strategies
from services.console.stack.errors import StackError
from services.contracts.market import Symbol
from services.contracts.strategies import StrategyBudgetView, StrategyList, StrategyState, StrategyView
from services.kit.clock import SystemClock


def view(name: str = "trend", state: StrategyState = StrategyState.RUNNING, **changed: Any) -> StrategyView:  # noqa: ANN401 -- fields of a view
    usual = {
        "name": name,
        "kind": "sma-cross",
        "state": state,
        "symbols": (Symbol("AAPL"), Symbol("MSFT")),
        "timeframe": "1day",
        "venue": None,
        "parameters": {"fast": 20, "slow": 50},
        "budget": StrategyBudgetView(
            largest_exposure=Decimal(100_000), exposure=Decimal("1234.50"), orders_a_day=5, orders_today=2
        ),
        "equity": Decimal("50123.45"),
        "held": {Symbol("AAPL"): Decimal(12)},
        "last_bar_at": None,
        "last_signal_at": None,
        "detail": "",
    }
    return StrategyView.model_validate(usual | changed)


class Trading:
    """Answers as trading does."""

    def __init__(self, *views: StrategyView) -> None:
        self.views = views
        self.asked: list[tuple[str, str, object]] = []

    def call(self, _operator: object, service: str, method: str, target: str, **more: Any) -> httpx.Response:  # noqa: ANN401 -- as `call` takes it
        assert service == "trading"
        self.asked.append((method, target, more.get("body")))
        if target == "/strategies":
            return httpx.Response(200, text=StrategyList(strategies=self.views).model_dump_json())
        return httpx.Response(200, text=self.views[0].model_dump_json())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 -- a function
    def invoke(trading: Trading, *arguments: str) -> Result:
        monkeypatch.setattr(strategies, "call", trading.call)
        app = build((), SystemClock(), {"SIGHTLINE_DATA_DIR": str(tmp_path / "var")})
        return CliRunner().invoke(app, ["strategies", *arguments])

    return invoke


def test_list_shows_each_strategy(run: Any) -> None:  # noqa: ANN401 -- the fixture
    result = run(Trading(view(), view("other", StrategyState.PAUSED, detail="by operator: a drill")), "list")

    assert result.exit_code == 0
    first, second = result.output.splitlines()[1:]
    assert first.split() == ["trend", "sma-cross", "running", "AAPL", "MSFT", "any", "50,123.45", "1,234.50"]
    assert "by operator: a drill" in second


def test_list_ends_with_1_when_one_is_stopped(run: Any) -> None:  # noqa: ANN401 -- the fixture
    assert run(Trading(view(), view("other", StrategyState.STOPPED)), "list").exit_code == 1


def test_list_says_how_strategies_are_named(run: Any) -> None:  # noqa: ANN401 -- the fixture
    assert "docs/strategies.md" in run(Trading(), "list").output


def test_show_tells_all_of_one(run: Any) -> None:  # noqa: ANN401 -- the fixture
    output = run(Trading(view("other"), view()), "show", "trend").output

    assert "fast=20, slow=50" in output
    assert "1,234.50 of 100,000.00" in output
    assert "2 of 5" in output
    assert "12 AAPL" in output


def test_show_of_none_says_how_to_find_one(run: Any) -> None:  # noqa: ANN401 -- the fixture
    error = run(Trading(view()), "show", "tow").exception
    assert isinstance(error, StackError)
    assert "sightline strategies list" in error.remedy


@pytest.mark.parametrize("change", ["pause", "resume", "restart"])
def test_a_change_is_asked_for_with_its_reason(run: Any, change: str) -> None:  # noqa: ANN401 -- the fixture
    trading = Trading(view(state=StrategyState.PAUSED, detail="by operator: a drill"))
    result = run(trading, change, "trend", "--reason", "a drill")

    assert trading.asked == [("POST", f"/strategies/trend/{change}", {"reason": "a drill"})]
    assert result.output.strip() == "trend is paused, by operator: a drill"
