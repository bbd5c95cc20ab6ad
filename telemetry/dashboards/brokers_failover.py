"""Brokers and failover: which venues can be used, do our books agree with theirs, and what is at stake?"""

from telemetry import catalogue
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.panels import Logs, Panel, Stat, Target, Threshold, TimeSeries, Unit
from telemetry.dashboards.promql import age, current, increase, quantile, rate

VENUE = catalogue.VENUE.name
PAPER = catalogue.PAPER.name


def brokers_failover() -> Dashboard:
    """The dashboard that every alert about venues, books and limits links to."""
    return Dashboard(
        uid="brokers-failover",
        title="Brokers and failover",
        description="Which venues can be used, whether our books agree with theirs, and what is at stake.",
        panels=(*_now(), *_ways(), *_books(), *_allowances(), *_money(), *_paper(), _log()),
    )


def _now() -> tuple[Panel, ...]:
    return (
        Stat(
            title="Readiness",
            description=(
                "Every venue: whether new exposure may go there now. Red in a session: `sightline trading` says what"
                " keeps it from being ready. The last tile says whether a session is on."
            ),
            unit=Unit.NONE,
            targets=(
                Target(query=current(catalogue.TRADING_VENUE_READY, (VENUE,), how="min"), legend="{{venue}}"),
                Target(query=current(catalogue.TRADING_MARKET_OPEN), legend="market open"),
            ),
            width=12,
            height=5,
            base_color="red",
            thresholds=(Threshold(value=1, color="green"),),
            texts={0: "no", 1: "yes"},
            empty="trading has not been scraped yet",
        ),
        Stat(
            title="Circuits",
            description=(
                "Every venue's circuit. Open: not used, since it failed; half open: tried with one order. Held:"
                " somebody holds the venue back, and nothing new is opened there."
            ),
            unit=Unit.NONE,
            targets=(
                Target(
                    query=current(catalogue.TRADING_CIRCUIT_STATE, (VENUE,), {"state": "open"}),
                    legend="{{venue}} open",
                ),
                Target(
                    query=current(catalogue.TRADING_CIRCUIT_STATE, (VENUE,), {"state": "half_open"}),
                    legend="{{venue}} half open",
                ),
                Target(query=current(catalogue.TRADING_VENUE_HELD, (VENUE,)), legend="{{venue}} held"),
            ),
            width=12,
            height=5,
            thresholds=(Threshold(value=1, color="red"),),
            texts={0: "no", 1: "yes"},
            empty="trading has not been scraped yet",
        ),
    )


def _ways() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Health and changes",
            description="Score by which orders are routed, 0 to 1; right axis: circuits that opened within the hour.",
            unit=Unit.RATIO,
            targets=(
                Target(query=current(catalogue.TRADING_VENUE_HEALTH, (VENUE,), how="min"), legend="{{venue}}"),
                Target(
                    query=increase(catalogue.TRADING_CIRCUIT_CHANGES, (VENUE, "to"), {"to": "open"}, window="1h")
                    + " > 0",
                    legend="{{venue}} circuit {{to}}",
                    unit=Unit.COUNT,
                ),
            ),
            empty="trading has not been scraped yet",
        ),
        TimeSeries(
            title="Failovers",
            description="Wishes that went on to another venue within five minutes, and what proved that they could.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.TRADING_FAILOVERS, ("from_venue", "to_venue", "cause"), window="5m")
                    + " > 0",
                    legend="{{from_venue}} to {{to_venue}}: {{cause}}",
                ),
            ),
            empty="every order stayed with its first venue",
        ),
        TimeSeries(
            title="Streams",
            description=(
                "Time since each venue's stream was heard, 0 while it is down. Right axis: streams that stand, and"
                " those lost or built up within five minutes: a saw of these is a stream that comes and goes."
            ),
            unit=Unit.SECONDS,
            targets=(
                Target(query=current(catalogue.TRADING_STREAM_AGE, (VENUE,)), legend="{{venue}} silent for"),
                Target(
                    query=current(catalogue.TRADING_STREAM_CONNECTED, (VENUE,), how="min"),
                    legend="{{venue}} stands",
                    unit=Unit.COUNT,
                ),
                Target(
                    query=increase(catalogue.TRADING_STREAM_CHANGES, (VENUE, "change"), window="5m") + " > 0",
                    legend="{{venue}} {{change}}",
                    unit=Unit.COUNT,
                ),
            ),
            empty="trading has not been scraped yet",
        ),
    )


def _books() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Reconciliation",
            description=(
                "Time since our books were last made equal to a venue's: above 45 s the venue is not ready."
                " Right axis: comparisons within five minutes that failed or were not by the clock."
            ),
            unit=Unit.SECONDS,
            targets=(
                Target(query=age(catalogue.TRADING_RECONCILED_AT, (VENUE,)), legend="{{venue}} last"),
                Target(
                    query=quantile(0.95, catalogue.TRADING_RECONCILE_DURATION, (VENUE,)),
                    legend="{{venue}} takes p95",
                    exemplars=True,
                ),
                Target(
                    query=increase(
                        catalogue.TRADING_RECONCILIATIONS, (VENUE, "trigger"), {"outcome": "failed"}, window="5m"
                    )
                    + " > 0",
                    legend="{{venue}} {{trigger}} failed",
                    unit=Unit.COUNT,
                ),
                Target(
                    query=increase(
                        catalogue.TRADING_RECONCILIATIONS,
                        (VENUE, "trigger"),
                        {"outcome": "succeeded", "trigger": "start|reconnect|unknown_order|operator"},
                        window="5m",
                    )
                    + " > 0",
                    legend="{{venue}} {{trigger}}",
                    unit=Unit.COUNT,
                ),
            ),
            empty="nothing has been compared yet",
        ),
        TimeSeries(
            title="Differences",
            description="What comparisons found within the hour. Position: no fill explains what the venue holds.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.TRADING_DIFFERENCES, (VENUE, "kind"), window="1h") + " > 0",
                    legend="{{venue}} {{kind}}",
                ),
            ),
            empty="our books agreed with every venue's",
        ),
    )


def _allowances() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Rate limit left",
            description="Calls that each venue takes in the present minute. Below 20 they are kept for cancels.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=current(catalogue.TRADING_RATE_LIMIT_LEFT, (VENUE,), how="min") + " >= 0", legend="{{venue}}"
                ),
            ),
            empty="no venue has told its limit",
        ),
        TimeSeries(
            title="Verdicts and clocks",
            description=(
                "How long auth's verdict on each account lasts: a saw, lifted at half its life; at 0 nothing is opened"
                " there. Right axis: how far the venue's clock is off, at most 2 s."
            ),
            unit=Unit.SECONDS,
            targets=(
                Target(query=current(catalogue.TRADING_VERDICT_REMAINING, (VENUE,), how="min"), legend="{{venue}}"),
                Target(
                    query=f"abs({current(catalogue.TRADING_CLOCK_SKEW, (VENUE,))})",
                    legend="{{venue}} clock",
                    unit=Unit.SECONDS,
                ),
            ),
            empty="trading has not been scraped yet",
        ),
        TimeSeries(
            title="Kill switch",
            description=(
                "Pulls within the hour, and how long they took (right axis). Flat false: something was left open, see"
                " `sightline halt --status`."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(query=increase(catalogue.TRADING_KILL_SWITCH_PULLS, window="1h") + " > 0", legend="pulled"),
                Target(
                    query=increase(catalogue.TRADING_KILL_SWITCH_DURATION, ("flat",), window="1h") + " > 0",
                    legend="ended, flat {{flat}}",
                ),
                Target(
                    query=quantile(0.95, catalogue.TRADING_KILL_SWITCH_DURATION),
                    legend="{{service_name}} took",
                    unit=Unit.SECONDS,
                    exemplars=True,
                ),
            ),
            empty="nobody pulled it",
        ),
    )


def _money() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Profit and loss",
            description=(
                "The session's result against its limit, which is drawn as a loss; realised and unrealised by venue"
                " since the books began. At the limit only what reduces exposure passes."
            ),
            unit=Unit.DOLLARS,
            targets=(
                Target(query=current(catalogue.TRADING_DAY_RESULT), legend="session"),
                Target(query=f"-{current(catalogue.TRADING_DAILY_LOSS_LIMIT)}", legend="limit"),
                Target(query=current(catalogue.TRADING_REALISED, (VENUE,)), legend="{{venue}} realised"),
                Target(query=current(catalogue.TRADING_UNREALISED, (VENUE,)), legend="{{venue}} unrealised"),
            ),
            signed=True,
            empty="trading has not been scraped yet",
        ),
        TimeSeries(
            title="Accounts",
            description="What each account is worth, as its venue told; right axis: how many symbols are held there.",
            unit=Unit.DOLLARS,
            targets=(
                Target(query=current(catalogue.TRADING_EQUITY, (VENUE,)) + " > 0", legend="{{venue}}"),
                Target(
                    query=current(catalogue.TRADING_POSITIONS, (VENUE,)), legend="{{venue}} symbols", unit=Unit.COUNT
                ),
            ),
            empty="no venue has told what its account is worth",
        ),
    )


def _paper() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Paper brokers",
            description=(
                "Calls of our own paper brokers by class of answer, their fills, faults that were planned, and clients"
                " on their streams (right axis)."
            ),
            unit=Unit.PER_SECOND,
            targets=(
                Target(
                    query=rate(catalogue.VENUE_REQUESTS, (PAPER, "kind", "status_class")) + " > 0",
                    legend="{{paper}} {{kind}} {{status_class}}",
                ),
                Target(query=rate(catalogue.VENUE_FILLS, (PAPER,)) + " > 0", legend="{{paper}} fills"),
                Target(
                    query=rate(catalogue.VENUE_FAULTS, (PAPER, "kind")) + " > 0", legend="{{paper}} fault: {{kind}}"
                ),
                Target(
                    query=current(catalogue.VENUE_STREAM_CLIENTS, (PAPER,), how="sum"),
                    legend="{{paper}} stream clients",
                    unit=Unit.COUNT,
                ),
            ),
            width=16,
            empty="no paper broker runs",
        ),
    )


def _log() -> Panel:
    return Logs(
        title="Venue log",
        description="What happened to venues and to trading as a whole. A line's trace_id leads to its trace.",
        unit=Unit.NONE,
        targets=(
            Target(
                query='{env=~"$env", service_name=~"$service", logger="facts.trading"}'
                ' | event_type!~"trading[.]order_.*|trading[.]fill_booked"',
                legend="",
            ),
        ),
        width=24,
        height=9,
        empty="nothing was logged",
    )
