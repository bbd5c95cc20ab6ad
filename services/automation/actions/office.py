"""What chores work with beside the rest of the platform: dead letters, documents, knowledge and backtests."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from services.automation.pipelines.bridge import Bridge
from services.automation.pipelines.failures import FailedError
from services.clients.content import ContentClient
from services.clients.trading import TradingClient
from services.contracts.pipelines import FailureClass
from services.contracts.strategies import StrategyView
from services.kit.http_client import ServiceClient

_LATE_SECONDS = 900.0
_MANY = 1_000
_LONGEST_WORDS = 400


class DeadLetter(BaseModel):
    """An event that a consumer could not handle."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    consumer: str
    event_id: str
    event_type: str


class DeadLetters(Protocol):
    """Events that could not be handled, of every service."""

    def listing(self, service: str) -> Sequence[DeadLetter]:
        """Those of a service; none of one that is not known here."""

    def redrive(self, service: str, letter: DeadLetter) -> None:
        """Have the event handled again, now."""


class Documents(Protocol):
    """Texts that write themselves."""

    def postmortem(self, incident_id: str) -> str:
        """Draft an incident's postmortem; asked again it is the same one. Its id."""

    def periodic(self, kind: str, start: datetime, end: datetime) -> str:
        """Write about a period; asked again it is the same text. Its id."""


class Knowledge(Protocol):
    """What is known."""

    def standing(self) -> dict[str, int]:
        """How many entries there are, how many are stale, and how many errors nothing answers."""


class Research(Protocol):
    """What strategies would have done."""

    def strategies(self) -> Sequence[StrategyView]:
        """Those that run."""

    def backtest(self, strategy: StrategyView, symbol: str) -> dict[str, str]:
        """Run one over the bars that are kept; where its report lies, or why there is none."""


@dataclass(frozen=True, slots=True)
class Office:
    """Everything that chores work with."""

    letters: DeadLetters
    documents: Documents
    knowledge: Knowledge
    research: Research


@dataclass(frozen=True, slots=True)
class DeadLetterCalls:
    """Dead letters over each service's own routes."""

    bridge: Bridge
    clients: Mapping[str, ServiceClient]

    def listing(self, service: str) -> Sequence[DeadLetter]:
        if service not in self.clients:
            return []
        answer = self.bridge.call(self.clients[service].get("/dead-letters", query={"limit": str(_MANY)}))
        return [DeadLetter.model_validate(each) for each in answer.json()["dead_letters"]]

    def redrive(self, service: str, letter: DeadLetter) -> None:
        path = {"consumer": letter.consumer, "event_id": letter.event_id}
        self.bridge.call(self.clients[service].post("/dead-letters/{consumer}/{event_id}/redrive", path=path))


@dataclass(frozen=True, slots=True)
class DocumentCalls:
    """Documents over the content service's routes."""

    bridge: Bridge
    client: ServiceClient

    def postmortem(self, incident_id: str) -> str:
        return self._write({"kind": "postmortem", "incident_id": incident_id})

    def periodic(self, kind: str, start: datetime, end: datetime) -> str:
        return self._write({"kind": kind, "period_start": start.isoformat(), "period_end": end.isoformat()})

    def _write(self, body: dict[str, Any]) -> str:
        return str(self.bridge.call(self.client.post("/documents", body=body)).json()["id"])


@dataclass(frozen=True, slots=True)
class KnowledgeCalls:
    """Knowledge over the content service's client."""

    bridge: Bridge
    client: ContentClient

    def standing(self) -> dict[str, int]:
        entries = self.bridge.call(self.client.entries()).entries
        gaps = self.bridge.call(self.client.gaps(limit=_MANY)).gaps
        return {"entries": len(entries), "stale": sum(each.stale for each in entries), "gaps": len(gaps)}


@dataclass(frozen=True, slots=True)
class ResearchRuns:
    """Strategies of the trading service, and backtests by `sightline backtest` in a process of their own.

    Attributes:
        reports: Directory for the reports; a strategy's newest one replaces the one before.
    """

    bridge: Bridge
    client: TradingClient
    reports: Path

    def strategies(self) -> Sequence[StrategyView]:
        return self.bridge.call(self.client.strategies()).strategies

    def backtest(self, strategy: StrategyView, symbol: str) -> dict[str, str]:
        self.reports.mkdir(parents=True, exist_ok=True)
        report = self.reports / f"{strategy.name}-{symbol}.html".replace("/", "_")
        given = [part for name, value in sorted(strategy.parameters.items()) for part in ("--set", f"{name}={value}")]
        options = ["--symbols", symbol, "--timeframe", strategy.timeframe, "--report", str(report)]
        return _ran([strategy.kind, *options, *given], report)


def _ran(arguments: list[str], report: Path) -> dict[str, str]:
    command = [sys.executable, "-m", "services.console.entry", "backtest", *arguments]
    environment = os.environ | {"NO_COLOR": "1"}
    try:
        ended = subprocess.run(  # noqa: S603 -- our own command; its arguments are no shell's
            command, env=environment, capture_output=True, text=True, timeout=_LATE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise FailedError(FailureClass.DEFINITIVE, f"no end within {_LATE_SECONDS / 60:.0f} minutes") from None
    words = " ".join(ended.stderr.split())[-_LONGEST_WORDS:]
    if ended.returncode == 0:
        return {"report": str(report)}
    if "No bars of" in words:
        return {"skipped": words}
    raise FailedError(FailureClass.DEFINITIVE, words or f"it ended with {ended.returncode}")
