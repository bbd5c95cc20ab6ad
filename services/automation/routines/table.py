"""Every pipeline of the platform."""

from services.automation.pipelines.pipeline import Pipeline
from services.automation.routines.anomalies import anomaly_triage
from services.automation.routines.handling import House
from services.automation.routines.market import data_stale, preflight_before_open, strategy_stopped
from services.automation.routines.orders import nightly_reconciliation, order_unknown
from services.automation.routines.sessions import keep_sessions_alive, recover_session
from services.automation.routines.venues import venue_degraded


def routines(house: House) -> tuple[Pipeline, ...]:
    """The pipelines, over the rest of the platform."""
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
