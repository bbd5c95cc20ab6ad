"""`sightline backtest` over packaged history: what it prints, writes and refuses."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.console.cli import build
from services.console.commands.tuning_bars import WrongOptionError
from services.kit.clock import SystemClock
from services.kit.errors import SightlineError
from services.trading.backtest.errors import BadPanelError
from services.trading.marketdata.port import UnknownSymbolError

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def invoke(*arguments: str) -> Result:
        app = build((), SystemClock(), {"SIGHTLINE_DATA_DIR": str(tmp_path / "var")})
        return CliRunner().invoke(app, ["backtest", *arguments, "--from", "bokeh"])

    return invoke


def test_a_backtest_prints_its_measures_and_agrees_with_the_reference(run: Run) -> None:
    result = run("sma-cross", "--symbol", "AAPL", "--since", "2005-01-01", "--set", "fast=10", "--reference")

    assert result.exit_code == 0, result.output
    assert "fast=10, slow=50, side=long" in result.output
    assert "Sharpe ratio" in result.output
    assert "the reference made the same" in result.output


def test_a_page_is_written_where_asked(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "out.html"

    result = run("channel-breakout", "--symbols", "AAPL,IBM", "--until", "2003-01-01", "--report", str(page))

    assert result.exit_code == 0, result.output
    assert "50 % of the equity for a target of 1" in result.output
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_costs_and_size_are_what_was_asked_for(run: Run) -> None:
    result = run("band-reversion", "--symbol", "IBM", "--shares", "10", "--capital", "5000", "--costs", "fee_bps=1.5")

    assert "10 shares for a target of 1" in result.output
    assert "1.5 basis points, at least 0 dollars an order" in result.output
    assert "5,000.00 dollars" in result.output


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["magic", "--symbol", "AAPL"], WrongOptionError, "there is no strategy 'magic'; there are band-reversion"),
        (["sma-cross", "--symbol", "AAPL", "--set", "quick=3"], WrongOptionError, "no parameter quick; there are fast"),
        (["sma-cross", "--symbol", "AAPL", "--set", "fast"], WrongOptionError, "NAME=VALUE"),
        (["sma-cross", "--symbol", "AAPL", "--set", "fast=ten"], WrongOptionError, "fast is a whole number, not 'ten'"),
        (["sma-cross", "--symbol", "AAPL", "--set", "fast=90"], WrongOptionError, "fast is below slow"),
        (["sma-cross", "--symbol", "ZZZ"], UnknownSymbolError, "bokeh has no ZZZ; it has AAPL"),
        (["sma-cross", "--symbol", "AAPL", "--costs", "tax=1"], WrongOptionError, "slippage_bps"),
        (["sma-cross", "--symbol", "AAPL", "--costs", "fee_bps=-1"], WrongOptionError, "none of them is below zero"),
        (
            ["sma-cross", "--symbol", "AAPL", "--costs", "slippage_ticks=nan"],
            WrongOptionError,
            "is a number, not 'nan'",
        ),
        (["sma-cross", "--symbol", "AAPL", "--costs", "slippage_ticks=1.5"], WrongOptionError, "whole number"),
        (["sma-cross", "--symbol", "AAPL", "--capital", "0"], WrongOptionError, "capital is above zero"),
        (["sma-cross", "--symbol", "AAPL", "--since", "2030-01-01"], BadPanelError, "no bars in this time"),
        (["relative-momentum", "--symbol", "AAPL"], WrongOptionError, "names 2 or more"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    run: Run, arguments: list[str], error: type[SightlineError], words: str
) -> None:
    result = run(*arguments)

    assert isinstance(result.exception, error)
    assert words in result.exception.detail


@pytest.mark.parametrize("module", ["services.trading.bootstrap", "services.console.cli"])
def test_what_runs_all_day_does_not_load_what_research_needs(module: str) -> None:
    heavy = ("numba", "matplotlib", "jinja2", "optuna", "polars", "duckdb")
    program = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
