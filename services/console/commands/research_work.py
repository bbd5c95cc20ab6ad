"""What `sightline backtest` does once its parts are loaded."""

from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Final

from rich.text import Text

from services.console.commands.context import Operator
from services.console.commands.render import Cell, columns
from services.console.commands.research_options import Trial
from services.console.commands.tuning_bars import WrongOptionError, panel_of
from services.console.commands.tuning_options import Market
from services.contracts.columns import Panel
from services.kit.errors import SightlineError
from services.matching.costs import Costs
from services.trading.backtest.config import USUAL_COSTS, BacktestConfig, Sizing
from services.trading.backtest.fast import run
from services.trading.backtest.measures import measures_of
from services.trading.backtest.parity import compare_results
from services.trading.backtest.reference import run_reference
from services.trading.backtest.report import render_report
from services.trading.backtest.result import BacktestResult
from services.trading.backtest.telling import LIMITS, conditions, told
from services.trading.strategies.parameters import Choice, Integer, ParameterError, ParameterSpace, Params, Value
from services.trading.strategies.protocol import Strategy
from services.trading.strategies.registry import UnknownStrategyError, find

_COSTS: Final = ("slippage_bps", "slippage_ticks", "fee_per_share", "fee_bps", "fee_minimum")
_BUDGET_STEP: Final = Decimal("0.000001")


class TiersDifferError(SightlineError):
    """The fast backtest and the reference traded differently."""

    status_code = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "tiers_differ"
    title = "The fast backtest and the reference differ: do not trade on this result"


class BacktestWork:
    """Runs backtests for the operator."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def backtest(self, market: Market, trial: Trial) -> None:
        """Run one setting, print its measures, and write its page if asked.

        Raises:
            WrongOptionError: An option makes no sense; the message says what does.
            MarketDataError: There are no such bars.
            BadPanelError: The bars cannot be traded on.
            TiersDifferError: The reference was asked for, and differs.
        """
        strategy = _strategy(trial.strategy)
        params = _params(strategy.space, trial.given)
        panel = panel_of(market, self._operator.layout.data_dir / "bars")
        if len(panel) < strategy.symbols_needed:
            raise WrongOptionError(
                f"{strategy.name} compares symbols: --symbols names {strategy.symbols_needed} or more."
            )
        config = _config(trial, strategy, len(panel))
        result = run(strategy, panel, params, config)
        self._print(result)
        if trial.reference:
            self._compare(strategy, panel, result)
        if trial.report is not None:
            trial.report.write_text(render_report(result), encoding="utf-8")
            self._operator.progress.note(f"the page: {trial.report}")

    def _print(self, result: BacktestResult) -> None:
        out = self._operator.out
        names = ", ".join(result.symbols)
        period = f"{result.moment(0):%Y-%m-%d} to {result.moment(-1):%Y-%m-%d}"
        out.print(Text(f"{result.strategy} on {names}: {len(result.time_ns):,} bars, {period}", "bold"), soft_wrap=True)
        setting = ", ".join(f"{name}={value}" for name, value in result.params.items())
        under: list[list[Cell]] = [["setting", setting]]
        under.extend([name, text] for name, text in conditions(result.config))
        measured: list[list[Cell]] = [
            [each.name, each.value, (each.meaning, "dim")] for each in told(measures_of(result))
        ]
        out.print(columns(under), Text(), columns(measured), sep="\n", soft_wrap=True)
        out.print(Text(LIMITS[0], "dim"), soft_wrap=True)

    def _compare(self, strategy: Strategy, panel: Panel, result: BacktestResult) -> None:
        self._operator.progress.note(f"running the reference over {len(result.time_ns):,} bars of each symbol")
        parity = compare_results(result, run_reference(strategy, panel, result.params, result.config))
        if not parity.agrees:
            raise TiersDifferError(f"{parity.problem}. Report this with the command that you gave.")
        self._operator.progress.note(f"the reference made the same {parity.reference_trades} trades")


def _strategy(name: str) -> Strategy:
    try:
        return find(name)
    except UnknownStrategyError as error:
        raise WrongOptionError(f"{error}.") from error


def _params(space: ParameterSpace, given: tuple[str, ...]) -> Params:
    kinds = {parameter.name: parameter for parameter in space.parameters}
    values: dict[str, Value] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise WrongOptionError(f"--set takes NAME=VALUE, such as fast=10, not {text!r}.")
        kind = kinds.get(name)
        if kind is None or isinstance(kind, Choice):
            values[name] = value
            continue
        try:
            values[name] = int(value) if isinstance(kind, Integer) else float(value)
        except ValueError:
            what = "a whole number" if isinstance(kind, Integer) else "a number"
            raise WrongOptionError(f"{name} is {what}, not {value!r}.") from None
    try:
        return space.check(values)
    except ParameterError as error:
        raise WrongOptionError(f"{error}.") from error


def _config(trial: Trial, strategy: Strategy, symbols: int) -> BacktestConfig:
    # A strategy of single symbols asks for its whole budget in each of them.
    parts = 1 if strategy.symbols_needed > 1 else symbols
    usual = (Decimal(1) / parts).quantize(_BUDGET_STEP)
    try:
        return BacktestConfig(
            capital=trial.capital,
            costs=_costs(trial.costs),
            sizing=Sizing.SHARES if trial.shares else Sizing.FRACTION,
            budget=usual if trial.budget is None else trial.budget,
            shares=trial.shares or 1,
        )
    except ValueError as error:
        raise WrongOptionError(f"{error}.") from error


def _costs(given: tuple[str, ...]) -> Costs:
    if not given:
        return USUAL_COSTS
    if given == ("none",):
        return Costs()
    values: dict[str, Decimal] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in _COSTS:
            raise WrongOptionError(f"--costs takes none, or NAME=VALUE of {', '.join(_COSTS)}, not {text!r}.")
        values[name] = _number(name, value)
    ticks = values.pop("slippage_ticks", Decimal(0))
    if ticks != int(ticks):
        raise WrongOptionError("slippage_ticks is a whole number.")
    return Costs(slippage_ticks=int(ticks), **values)


def _number(name: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise WrongOptionError(f"{name} is a number, not {text!r}.")
    return number
