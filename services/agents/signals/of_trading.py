"""Signals of orders, market data, strategies and books."""

from typing import Final

from services.agents.signals.sources import Level, Mean, Rate, Ratio, Signal, Told
from services.contracts.alerting import Severity
from services.contracts.anomalies import Detector, Stage
from telemetry import catalogue

_ROBUST: Final = (Detector.ROBUST,)
_BOTH: Final = (Detector.ROBUST, Detector.DRIFT)
_NEVER: Final = (Detector.INVARIANT,)
_BURN: Final = (Detector.BURN_RATE,)

_ORDERS: Final = (
    Signal(
        name="submissions",
        title="orders that are sent",
        stage=Stage.ORDERS,
        unit="per minute",
        source=Rate(catalogue.TRADING_SUBMISSIONS.name),
        by=("venue",),
        target="venue",
    ),
    Signal(
        name="submit_latency",
        title="submitting an order",
        stage=Stage.ORDERS,
        unit="s",
        source=Mean(f"{catalogue.TRADING_SUBMIT_DURATION.name}"),
        by=("venue",),
        detectors=_BOTH,
        floor=0.1,
        target="venue",
    ),
    Signal(
        name="rejects",
        title="share of orders that the venue rejects",
        stage=Stage.ORDERS,
        unit="ratio",
        source=Ratio(catalogue.TRADING_SUBMISSIONS.name, bad={"outcome": ("rejected",)}),
        by=("venue",),
        detectors=_BURN,
        budget=0.02,
        target="venue",
    ),
    Signal(
        name="submit_failures",
        title="share of orders without the venue's answer",
        stage=Stage.ORDERS,
        unit="ratio",
        source=Ratio(catalogue.TRADING_SUBMISSIONS.name, bad={"outcome": ("unknown", "not_sent")}),
        by=("venue",),
        detectors=_BURN,
        budget=0.005,
        target="venue",
    ),
    Signal(
        name="unknown_orders",
        title="orders of which nobody knows whether they are at the venue",
        stage=Stage.ORDERS,
        unit="orders",
        source=Level(catalogue.TRADING_UNKNOWN_ORDERS.name),
        by=("venue",),
        detectors=_NEVER,
        hold=2,
        target="venue",
        severity=Severity.CRITICAL,
    ),
    Signal(
        name="denials",
        title="wishes that the gate refuses",
        stage=Stage.ORDERS,
        unit="per minute",
        source=Rate(catalogue.TRADING_DENIALS.name),
        by=("reason",),
        detectors=_ROBUST,
        floor=10.0,
    ),
    Signal(
        name="venue_unready",
        title="a venue that takes no new orders",
        stage=Stage.ORDERS,
        unit="venues",
        source=Level(catalogue.TRADING_VENUE_READY.name, inverted=True),
        by=("venue",),
        detectors=_NEVER,
        hold=4,
        target="venue",
    ),
    Signal(
        name="circuit_open",
        title="a venue that is not used because calls fail",
        stage=Stage.ORDERS,
        unit="venues",
        source=Level(catalogue.TRADING_CIRCUIT_STATE.name, where={"state": ("open",)}),
        by=("venue",),
        detectors=_NEVER,
        target="venue",
    ),
    Signal(
        name="stream_age",
        title="silence of a venue's stream",
        stage=Stage.ORDERS,
        unit="s",
        source=Level(catalogue.TRADING_STREAM_AGE.name),
        by=("venue",),
        detectors=_NEVER,
        limit=60.0,
        target="venue",
    ),
    Signal(
        name="stream_down",
        title="a venue's stream that is down",
        stage=Stage.ORDERS,
        unit="venues",
        source=Level(catalogue.TRADING_STREAM_CONNECTED.name, inverted=True),
        by=("venue",),
        detectors=_NEVER,
        hold=4,
        target="venue",
    ),
    Signal(
        name="venue_clock_skew",
        title="our clock against a venue's",
        stage=Stage.ORDERS,
        unit="s",
        source=Level(catalogue.TRADING_CLOCK_SKEW.name),
        by=("venue",),
        detectors=_NEVER,
        limit=2.0,
        hold=2,
        target="venue",
    ),
)

_MARKET_DATA: Final = (
    Signal(
        name="data_age",
        title="age of market data",
        stage=Stage.MARKET_DATA,
        unit="s",
        source=Level(catalogue.TRADING_DATA_AGE.name),
        by=("symbol",),
        detectors=_ROBUST,
        floor=60.0,
        target="symbol",
    ),
    Signal(
        name="data_stale",
        title="a symbol whose bars do not come",
        stage=Stage.MARKET_DATA,
        unit="symbols",
        source=Level(catalogue.TRADING_DATA_STALE.name),
        by=("symbol",),
        detectors=_NEVER,
        target="symbol",
    ),
)

_STRATEGIES: Final = (
    Signal(
        name="strategy_results",
        title="a strategy's closed trades against what they used to bring",
        stage=Stage.STRATEGIES,
        unit="standard deviations in all",
        source=Told(),
        by=("strategy",),
        detectors=_NEVER,
        limit=14.0,
        target="strategy",
        severity=Severity.CRITICAL,
    ),
    Signal(
        name="parity_divergences",
        title="a strategy that does not do what its backtest does",
        stage=Stage.STRATEGIES,
        unit="per minute",
        source=Rate(catalogue.TRADING_PARITY_DIVERGENCES.name),
        by=("strategy",),
        detectors=_NEVER,
        target="strategy",
    ),
)

_BOOKS: Final = (
    Signal(
        name="book_differences",
        title="differences between our books and the venue's",
        stage=Stage.BOOKS,
        unit="per minute",
        source=Rate(catalogue.TRADING_DIFFERENCES.name),
        by=("venue",),
        detectors=_NEVER,
        target="venue",
    ),
    Signal(
        name="order_incidents",
        title="things that happen to orders and should not",
        stage=Stage.BOOKS,
        unit="per minute",
        source=Rate(catalogue.TRADING_INCIDENTS.name),
        by=("venue", "kind"),
        detectors=_NEVER,
        target="venue",
    ),
    Signal(
        name="order_balance",
        title="orders whose fills, rest and end do not add up",
        stage=Stage.BOOKS,
        unit="orders",
        source=Told(),
        by=("venue",),
        detectors=_NEVER,
        target="venue",
        severity=Severity.CRITICAL,
    ),
)

TRADING: Final = (*_ORDERS, *_MARKET_DATA, *_STRATEGIES, *_BOOKS)
