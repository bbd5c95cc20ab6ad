"""Order state: does what is wanted reach the venues, how fast, and what became of it?"""

from telemetry import catalogue
from telemetry.dashboards import foreign
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.panels import Logs, Panel, Stat, Target, Threshold, TimeSeries, Unit
from telemetry.dashboards.promql import current, increase, quantile, rate

VENUE = catalogue.VENUE.name


def order_state() -> Dashboard:
    """The dashboard that every alert about orders links to."""
    return Dashboard(
        uid="order-state",
        title="Order state",
        description="Whether orders reach the venues, how long that takes, how they stand, and what went wrong.",
        panels=(_now(), *_outcomes(), *_times(), *_standing(), *_fills(), _log()),
    )


def _now() -> Panel:
    return Stat(
        title="Held back",
        description=(
            "Red: trading is halted or only reduces, the kill switch is at work, or orders are unknown, of which each"
            " blocks its symbol until the venue has said what became of it."
        ),
        unit=Unit.COUNT,
        targets=(
            Target(query=current(catalogue.TRADING_STATE, where={"state": "halted"}), legend="halted"),
            Target(query=current(catalogue.TRADING_STATE, where={"state": "reducing"}), legend="reducing"),
            Target(query=current(catalogue.TRADING_KILL_SWITCH_ACTIVE), legend="kill switch at work"),
            Target(query=current(catalogue.TRADING_UNKNOWN_ORDERS, (VENUE,), how="sum"), legend="unknown at {{venue}}"),
        ),
        width=24,
        height=4,
        thresholds=(Threshold(value=1, color="red"),),
        texts={0: "no"},
        empty="trading has not been scraped yet",
    )


def _outcomes() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Placements",
            description=(
                "Wishes by what became of them at the last venue that was tried. Not sent and unknown use up the error"
                " budget; rejected is the venue's word, denied is ours."
            ),
            unit=Unit.PER_SECOND,
            targets=(
                Target(query=rate(catalogue.TRADING_PLACEMENTS, ("outcome",)), legend="{{outcome}}", exemplars=True),
            ),
            empty="nothing was wanted",
        ),
        TimeSeries(
            title="Submissions",
            description="Orders by venue and how the submit ended. One venue that alone does not accept has a problem.",
            unit=Unit.PER_SECOND,
            targets=(
                Target(
                    query=rate(catalogue.TRADING_SUBMISSIONS, (VENUE, "outcome")) + " > 0",
                    legend="{{venue}} {{outcome}}",
                    exemplars=True,
                ),
            ),
            empty="nothing was sent",
        ),
        TimeSeries(
            title="Denials",
            description="Wishes that the gate refused within five minutes, by its rule. Nothing of them was sent.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.TRADING_DENIALS, ("reason",), window="5m") + " > 0", legend="{{reason}}"
                ),
            ),
            empty="nothing was denied",
        ),
    )


def _times() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Added latency",
            description=(
                "What the platform adds to a submit: median (4 ms allowed) and 99th percentile (12 ms). Right axis:"
                " share of submits above 12 ms. A dot leads to the trace of a submit."
            ),
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.5, catalogue.TRADING_ADDED_LATENCY), legend="{{service_name}} p50"),
                Target(
                    query=quantile(0.99, catalogue.TRADING_ADDED_LATENCY),
                    legend="{{service_name}} p99",
                    exemplars=True,
                ),
                *(
                    Target(query=current(metric), legend=f"above 12 ms, {window}", unit=Unit.RATIO)
                    for window, metric in foreign.ADDED_LATENCY_HIGH.items()
                ),
            ),
            empty="nothing was sent",
        ),
        TimeSeries(
            title="Submit time",
            description="The venue's part of a submit: median and 99th percentile. A dot leads to a submit's trace.",
            unit=Unit.SECONDS,
            targets=(
                Target(query=quantile(0.5, catalogue.TRADING_SUBMIT_DURATION, (VENUE,)), legend="{{venue}} p50"),
                Target(
                    query=quantile(0.99, catalogue.TRADING_SUBMIT_DURATION, (VENUE,)),
                    legend="{{venue}} p99",
                    exemplars=True,
                ),
            ),
            empty="nothing was sent",
        ),
        TimeSeries(
            title="Without a definite answer",
            description=(
                "Share of submits that were not sent or are unknown, over three windows. The objective is 0.5 % over 30"
                " days; alerts fire at 14.4, 6 and 1 times that."
            ),
            unit=Unit.RATIO,
            targets=tuple(
                Target(query=current(metric), legend=window) for window, metric in foreign.PLACEMENT_ERRORS.items()
            ),
            empty="nothing was sent",
        ),
    )


def _standing() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Open orders",
            description=(
                "Orders that have not ended. Right axis: age of the oldest market order, unanswered submit, and pending"
                " change; seconds are normal, minutes are not."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(query=current(catalogue.TRADING_OPEN_ORDERS, (VENUE,), how="sum"), legend="{{venue}}"),
                Target(
                    query=current(
                        catalogue.TRADING_OLDEST_ORDER_AGE, (VENUE, "what"), {"what": "market|submitting|pending"}
                    ),
                    legend="{{venue}} oldest {{what}}",
                    unit=Unit.SECONDS,
                ),
            ),
            empty="trading has not been scraped yet",
        ),
        TimeSeries(
            title="Unknown orders",
            description=(
                "Age of the oldest order of which nobody knows whether the venue has it, and 95th percentile of how"
                " long orders were unknown. Ends by itself once the venue answers."
            ),
            unit=Unit.SECONDS,
            targets=(
                Target(query=current(catalogue.TRADING_UNKNOWN_OLDEST_AGE, (VENUE,)), legend="{{venue}} oldest"),
                Target(
                    query=quantile(0.95, catalogue.TRADING_UNKNOWN_DURATION, (VENUE,)),
                    legend="{{venue}} resolved p95",
                    exemplars=True,
                ),
            ),
            empty="trading has not been scraped yet",
        ),
        TimeSeries(
            title="Transitions",
            description=(
                "Changes of status within five minutes; right axis: from where we learnt of them. Many by"
                " reconciliation mean that streams lose news."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.TRADING_TRANSITIONS, ("from", "to"), window="5m") + " > 0",
                    legend="{{from}} to {{to}}",
                ),
                Target(
                    query=rate(catalogue.TRADING_TRANSITION_SOURCES, ("source",)) + " > 0",
                    legend="by {{source}}",
                    unit=Unit.PER_SECOND,
                ),
            ),
            empty="no order changed",
        ),
    )


def _fills() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Fills",
            description="Executions booked, by who told of them; right axis: time from execution to booking, p95.",
            unit=Unit.PER_SECOND,
            targets=(
                Target(
                    query=rate(catalogue.TRADING_FILLS, (VENUE, "source")) + " > 0", legend="{{venue}} by {{source}}"
                ),
                Target(
                    query=quantile(0.95, catalogue.TRADING_FILL_DELAY, (VENUE,)),
                    legend="{{venue}} delay p95",
                    unit=Unit.SECONDS,
                    exemplars=True,
                ),
            ),
            empty="nothing was filled",
        ),
        TimeSeries(
            title="Slippage",
            description="How much worse fills were than the price decided at: median and p90; below 0 is better.",
            unit=Unit.BASIS_POINTS,
            targets=(
                Target(query=quantile(0.5, catalogue.TRADING_SLIPPAGE, (VENUE,), signed=True), legend="{{venue}} p50"),
                Target(
                    query=quantile(0.9, catalogue.TRADING_SLIPPAGE, (VENUE,), signed=True),
                    legend="{{venue}} p90",
                    exemplars=True,
                ),
            ),
            signed=True,
            empty="nothing was filled that had a reference price",
        ),
        TimeSeries(
            title="Incidents",
            description="What should not happen to an order, within the hour. Each kind has an alert.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.TRADING_INCIDENTS, (VENUE, "kind"), window="1h") + " > 0",
                    legend="{{venue}} {{kind}}",
                ),
            ),
            empty="nothing out of order",
        ),
    )


def _log() -> Panel:
    return Logs(
        title="Order log",
        description="What happened to orders, as trading tells it. Open a line and follow its trace_id to the trace.",
        unit=Unit.NONE,
        targets=(
            Target(
                query='{env=~"$env", service_name=~"$service", logger="facts.trading"}'
                ' | event_type=~"trading[.]order_.*|trading[.]fill_booked|trading[.]failed_over"',
                legend="",
            ),
        ),
        width=24,
        height=9,
        empty="nothing was logged",
    )
