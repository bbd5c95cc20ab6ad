"""Every pipeline of the platform."""

from services.automation.actions.office import Office
from services.automation.pipelines.pipeline import Pipeline
from services.automation.routines.alerts import alert_triage
from services.automation.routines.anomalies import anomaly_triage
from services.automation.routines.chores import (
    audit_report,
    digest,
    incident_postmortem,
    knowledge_refresh,
    nightly_backtest,
    weekly_review,
)
from services.automation.routines.halting import trading_halted
from services.automation.routines.handling import House
from services.automation.routines.letters import dead_letters
from services.automation.routines.market import data_stale, preflight_before_open, strategy_stopped
from services.automation.routines.orders import nightly_reconciliation, order_unknown
from services.automation.routines.sessions import keep_sessions_alive, recover_session
from services.automation.routines.venues import venue_degraded


def routines(house: House) -> tuple[Pipeline, ...]:
    """The pipelines that keep the platform well."""
    return (
        anomaly_triage(house),
        data_stale(house),
        keep_sessions_alive(house),
        nightly_reconciliation(house),
        order_unknown(house),
        preflight_before_open(house),
        recover_session(house),
        strategy_stopped(house),
        venue_degraded(house),
    )


def chores(house: House, office: Office) -> tuple[Pipeline, ...]:
    """The pipelines that need the office too."""
    return (
        audit_report(house, office),
        dead_letters(house, office),
        digest(house, office),
        incident_postmortem(house, office),
        knowledge_refresh(office),
        nightly_backtest(office),
        weekly_review(house, office),
    )


def every(house: House, office: Office) -> tuple[Pipeline, ...]:
    """All of them; an alert that has none of its own is triaged."""
    special = (*routines(house), trading_halted(house), *chores(house, office))
    taken = {name for pipeline in special for name in pipeline.alerts}
    return (*special, alert_triage(house, taken))
