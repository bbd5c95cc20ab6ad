"""What is done by the clock, against an office that can be in any state."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.automation.actions.office import Office, ResearchRuns
from services.automation.pipelines.bridge import Bridge
from services.automation.pipelines.failures import FailedError
from services.automation.pipelines.pipeline import Cause
from services.automation.routines.chores import (
    audit_report,
    digest,
    incident_postmortem,
    knowledge_refresh,
    nightly_backtest,
    weekly_review,
)
from services.automation.routines.table import every
from services.contracts.incidents import IncidentStatus
from services.contracts.market import Symbol
from services.contracts.orders import StrategyName
from services.contracts.pipelines import CauseKind, FailureClass
from services.contracts.strategies import StrategyBudgetView, StrategyState, StrategyView
from tests.automation.routines.conftest import Here
from tests.automation.routines.test_routines import opened_circuit
from tests.fakes.pipelines import Kept, by_event, run

if TYPE_CHECKING:
    from services.clients.trading import TradingClient

AUDITED = (
    "MFA entry",
    "session refresh",
    "403 triage",
    "failed-call triage",
    "strategy restart",
    "broker switch",
    "error handling",
    "report writing",
)
"""Each kind of work that was found to be done by hand."""
BY_CLOCK = Cause(kind=CauseKind.SCHEDULE, cause_id="2026-03-02T23:30:00Z", name="any")


def strategy(name: str = "trend", parameters: Mapping[str, int | float | str] | None = None) -> StrategyView:
    return StrategyView(
        name=StrategyName(name),
        kind="sma-cross",
        state=StrategyState.RUNNING,
        symbols=(Symbol("AAPL"), Symbol("MSFT")),
        timeframe="1day",
        venue=None,
        parameters=parameters or {"fast": 10, "slow": 30},
        budget=budget(),
        equity=Decimal(1_000),
        held={},
        last_bar_at=None,
        last_signal_at=None,
        detail="",
    )


def budget() -> StrategyBudgetView:
    return StrategyBudgetView.model_validate(dict.fromkeys(StrategyBudgetView.model_fields, 1))


@dataclass
class Work:
    """All of the office in one. What is in `failing` fails."""

    done: list[tuple[str, ...]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)

    def office(self) -> Office:
        return Office(letters=self, documents=self, knowledge=self, research=self)  # type: ignore[arg-type] # all in one

    def _do(self, *what: str) -> None:
        if what[0] in self.failing:
            raise FailedError(FailureClass.DEFINITIVE, f"no {what[0]}")
        self.done.append(what)

    def postmortem(self, incident_id: str) -> str:
        self._do("postmortem", incident_id)
        return "doc-1"

    def periodic(self, kind: str, start: datetime, end: datetime) -> str:
        self._do(kind, start.isoformat(), end.isoformat())
        return "doc-2"

    def standing(self) -> dict[str, int]:
        self._do("knowledge")
        return {"entries": 95, "stale": 1, "gaps": 2}

    def strategies(self) -> Sequence[StrategyView]:
        return [strategy()]

    def backtest(self, running: StrategyView, symbol: str) -> dict[str, str]:
        self._do(f"backtest {symbol}", running.name)
        return {"report": f"{symbol}.html"}


def test_postmortem_when_an_incident_is_over_then_it_is_drafted_and_noted(here: Here) -> None:
    here.world.reasons["alpha"] = ["the stream is down"]
    every_pipeline = {each.name: each for each in every(here.house, Work().office())}
    run(every_pipeline["venue_degraded"], opened_circuit(), clock=here.world.clock)
    incident_id = here.incidents()[0].incident_id
    work = Work()
    cause = by_event("incidents.incident_escalated", incident_id, incident_id=incident_id)
    run(incident_postmortem(here.house, work.office()), cause, clock=here.world.clock)
    assert work.done == [("postmortem", incident_id)]
    (incident,) = here.incidents()
    assert (incident.status, incident.document_id) == (IncidentStatus.WRITTEN_UP, "doc-1")


def test_postmortem_when_it_cannot_be_written_then_the_run_fails_and_the_incident_stays_as_it_was(here: Here) -> None:
    cause = by_event("incidents.incident_resolved", "i", incident_id="i")
    ran = run(incident_postmortem(here.house, Work(failing={"postmortem"}).office()), cause, clock=here.world.clock)
    assert ran.error is not None
    assert ran.error.kind is FailureClass.DEFINITIVE


@pytest.mark.parametrize(
    ("make", "kind", "days"),
    [(digest, "digest", 1), (weekly_review, "weekly_review", 7), (audit_report, "audit_report", 7)],
)
def test_text_when_due_then_it_is_about_whole_days_up_to_now(here: Here, make: Any, kind: str, days: int) -> None:  # noqa: ANN401 -- one of two functions
    work, kept = Work(), Kept()
    pipeline = make(here.house, work.office())
    run(pipeline, BY_CLOCK, clock=here.world.clock, kept=kept)
    here.world.clock.advance(3_600)
    run(pipeline, BY_CLOCK, clock=here.world.clock, kept=kept)  # as after a crash: the same text of the same time
    ((written, start, end),) = work.done
    assert written == kind
    assert datetime.fromisoformat(end) - datetime.fromisoformat(start) == timedelta(days=days)
    assert pipeline.schedule is not None


def test_knowledge_when_looked_at_then_the_run_keeps_the_counts(here: Here) -> None:
    kept = Kept()
    run(knowledge_refresh(Work().office()), BY_CLOCK, clock=here.world.clock, kept=kept)
    assert kept.results["look"]["result"] == {"entries": 95, "stale": 1, "gaps": 2}


def test_backtests_when_one_fails_then_the_others_run_and_the_run_says_so(here: Here) -> None:
    work = Work(failing={"backtest AAPL"})
    ran = run(nightly_backtest(work.office()), BY_CLOCK, clock=here.world.clock)
    assert work.done == [("backtest MSFT", "trend")]
    assert ran.error is not None
    assert ran.error.step == "backtest trend AAPL"


def test_backtest_when_no_bars_are_kept_then_it_is_skipped_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_DATA_DIR", str(tmp_path))
    done = runs(tmp_path).backtest(strategy(), "AAPL")
    assert "No bars of AAPL are kept" in done["skipped"]


def test_backtest_when_the_command_refuses_then_the_failure_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_DATA_DIR", str(tmp_path))
    with pytest.raises(FailedError, match="nosuch"):
        runs(tmp_path).backtest(strategy(parameters={"nosuch": 1}), "AAPL")


def runs(directory: Path) -> ResearchRuns:
    nobody = cast("TradingClient", None)  # not asked here
    return ResearchRuns(Bridge(), nobody, directory / "reports")


def test_pipelines_when_listed_then_all_thirteen_of_the_plan_are_there(here: Here) -> None:
    planned = {
        "keep_sessions_alive", "preflight_before_open", "recover_session", "venue_degraded", "order_unknown",
        "data_stale", "anomaly_triage", "nightly_reconciliation", "nightly_backtest", "weekly_review",
        "incident_postmortem", "knowledge_refresh", "digest",
    }  # fmt: skip
    pipelines = every(here.house, Work().office())
    assert planned <= {each.name for each in pipelines}
    assert all(each.purpose.endswith(".") and each.replaces for each in pipelines)


def test_manual_work_when_the_page_lists_it_then_each_pipeline_stands_where_it_says_that_it_replaces_it(
    here: Here,
) -> None:
    replaced: dict[str, set[str]] = {}
    for pipeline in every(here.house, Work().office()):
        for work in pipeline.replaces.split("; "):
            replaced.setdefault(work, set()).add(pipeline.name)
    page = (Path(__file__).parents[3] / "docs" / "pipelines.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    assert {work: set(re.findall(r"`(\w+)`", names)) for work, names in rows} == replaced
    assert list(replaced.keys() ^ set(AUDITED)) == []
