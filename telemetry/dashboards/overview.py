"""Overview: is it well, and if not, where does one look?"""

from telemetry import catalogue
from telemetry.dashboards import foreign
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.panels import Logs, Panel, ServiceMap, Stat, Target, Threshold, TimeSeries, Unit
from telemetry.dashboards.promql import SERVICE, age, current, increase, quantile, rate, remaining, selector

VENUE = catalogue.VENUE.name
_BUDGET = "0.005"  # of the wishes that the gate lets pass may get no definite answer; prometheus/rules/objectives.yml


def overview() -> Dashboard:
    """The dashboard to open first; every other one is behind one of its panels."""
    return Dashboard(
        uid="overview",
        title="Overview",
        description="Is it well, and if not, where does one look? Every tile is green when all is well.",
        panels=(*_well(), *_promises(), *_orders(), *_brokers(), *_found(), *_closing()),
    )


def _well() -> tuple[Panel, ...]:
    return (
        Stat(
            title="Is it well",
            description=(
                "Red: a program is down, a dependency is away, trading is held back, an order is unknown, a venue takes"
                " no orders, a preflight check fails or the vault is sealed. Each tile counts what is wrong."
            ),
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=f"count by (env) ({selector(foreign.UP)}) - sum by (env) ({selector(foreign.UP)})",
                    legend="programs down",
                ),
                Target(
                    query=f"count by (env) ({selector(catalogue.DEPENDENCY_READY)} == 0) or "
                    f"0 * count by (env) ({selector(catalogue.DEPENDENCY_READY)})",
                    legend="dependencies away",
                ),
                Target(
                    query=current(catalogue.TRADING_STATE, ("state",), {"state": "halted|reducing"}),
                    legend="trading {{state}}",
                ),
                Target(query=current(catalogue.TRADING_UNKNOWN_ORDERS, how="sum"), legend="orders unknown"),
                Target(query=f"1 - {current(catalogue.TRADING_VENUE_READY, (VENUE,))}", legend="{{venue}} not ready"),
                Target(query=current(catalogue.AUTH_PREFLIGHT_FAILING, how="sum"), legend="preflight checks failing"),
                Target(query=current(catalogue.AUTH_VAULT_SEALED), legend="vault sealed"),
            ),
            width=16,
            height=6,
            thresholds=(Threshold(value=1, color="red"),),
            texts={0: "no"},
            empty="Prometheus scrapes nothing",
        ),
        Stat(
            title="Alerts firing",
            description="By severity, as automation knows them. The last tile is how long ago alerting was heard.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=current(catalogue.ALERTS_FIRING, ("severity",), {"severity": "critical|warning"}, how="sum"),
                    legend="{{severity}}",
                ),
                Target(query=age(catalogue.WATCHDOG_LAST_SEEN), legend="alerting heard", unit=Unit.SECONDS),
            ),
            width=8,
            height=6,
            base_color="text",
            empty="automation has not been scraped yet",
        ),
    )


def _promises() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Error budget",
            description=(
                "How many times faster than allowed submits use up the month's error budget, over 1 hour, 6 hours and"
                " 3 days. 1 uses it up in exactly 30 days; 14.4 within two."
            ),
            unit=Unit.NONE,
            targets=tuple(
                Target(
                    query=f"{current(foreign.PLACEMENT_ERRORS[window])} / {_BUDGET}",
                    legend="{{service_name}} " + window,
                )
                for window in ("1h", "6h", "3d")
            ),
            empty="nothing was sent yet",
        ),
        TimeSeries(
            title="Alerts by name",
            description="Every alert that fires, over time. The dashboard that it links to says more.",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query="count by (alertname) ("
                    + selector(foreign.ALERTS, {"alertstate": "firing", "severity": "critical|warning"})
                    + ")",
                    legend="{{alertname}}",
                ),
            ),
            empty="no alert fires",
        ),
        TimeSeries(
            title="Logins",
            description="Logins within five minutes by outcome, and when the next session ends (right axis).",
            unit=Unit.COUNT,
            targets=(
                Target(
                    query=increase(catalogue.AUTH_ATTEMPTS, ("outcome",), window="5m") + " > 0", legend="{{outcome}}"
                ),
                Target(
                    query=f"min by (service_name) ({remaining(catalogue.AUTH_SESSION_EXPIRY, (SERVICE, 'account'))})",
                    legend="next session ends",
                    unit=Unit.SECONDS,
                ),
            ),
            empty="nobody logged in, and no session ends by itself",
        ),
    )


def _orders() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Orders",
            description="Wishes per second by what became of them. Not sent and unknown use up the error budget.",
            unit=Unit.PER_SECOND,
            targets=(
                Target(query=rate(catalogue.TRADING_PLACEMENTS, ("outcome",)), legend="{{outcome}}", exemplars=True),
            ),
            empty="nothing was wanted",
        ),
        TimeSeries(
            title="Submit time",
            description="99th percentile of a venue's answer to a submit, and what we add. A dot leads to its trace.",
            unit=Unit.SECONDS,
            targets=(
                Target(
                    query=quantile(0.99, catalogue.TRADING_SUBMIT_DURATION, (VENUE,)),
                    legend="{{venue}} p99",
                    exemplars=True,
                ),
                Target(query=quantile(0.99, catalogue.TRADING_ADDED_LATENCY, ()), legend="added p99"),
            ),
            empty="nothing was sent",
        ),
        TimeSeries(
            title="Result",
            description="The session's profit after fees, of all venues; what each account is worth (right axis).",
            unit=Unit.DOLLARS,
            targets=(
                Target(query=current(catalogue.TRADING_DAY_RESULT), legend="day"),
                Target(query=current(catalogue.TRADING_EQUITY, (VENUE,)), legend="{{venue}} equity", unit=Unit.DOLLARS),
            ),
            signed=True,
            empty="trading has not been scraped yet",
        ),
    )


def _brokers() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Brokers",
            description="1 while new exposure may go to the venue. Right axis: failovers within five minutes.",
            unit=Unit.NONE,
            targets=(
                Target(query=current(catalogue.TRADING_VENUE_READY, (VENUE,), how="min"), legend="{{venue}} ready"),
                Target(
                    query=increase(catalogue.TRADING_FAILOVERS, (SERVICE,), window="5m"),
                    legend="failovers",
                    unit=Unit.COUNT,
                ),
            ),
            empty="trading has not been scraped yet",
        ),
        TimeSeries(
            title="Signals and bars",
            description="Bars per second that came, and signals within five minutes by outcome (right axis).",
            unit=Unit.PER_SECOND,
            targets=(
                Target(query=rate(catalogue.TRADING_BARS), legend="bars"),
                Target(
                    query=increase(catalogue.TRADING_SIGNALS, ("outcome",), window="5m") + " > 0",
                    legend="{{outcome}}",
                    unit=Unit.COUNT,
                ),
            ),
            empty="no strategy runs",
        ),
    )


def _found() -> tuple[Panel, ...]:
    return (
        TimeSeries(
            title="Anomalies",
            description="Anomalies that are not over, by the stage of the work in which they are.",
            unit=Unit.COUNT,
            targets=(Target(query=current(catalogue.ANOMALIES_OPEN, ("stage",), how="sum"), legend="{{stage}}"),),
            empty="agents has not been scraped yet",
        ),
    )


def _closing() -> tuple[Panel, ...]:
    return (
        ServiceMap(
            title="Service map",
            description="Who calls whom, how often and how long, from the traces of the time range (needs Tempo).",
            unit=Unit.NONE,
            targets=(),
            width=12,
            height=10,
            empty="no traces in this time range, or no Tempo",
        ),
        Logs(
            title="Errors",
            description="Error lines of the chosen services, newest first (needs Loki). A line leads to its trace.",
            unit=Unit.NONE,
            targets=(Target(query='{service_name=~"$service", env=~"$env", level=~"error|critical"}', legend=""),),
            width=12,
            height=10,
            empty="no errors in this time range",
        ),
    )
