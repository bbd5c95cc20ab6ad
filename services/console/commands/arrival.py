"""Waits until the platform does its main job: logged in, vouched for, trading, watched, and with its first fill."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import httpx

from services.console.commands.calling import call
from services.console.commands.context import Operator
from services.console.commands.main_job import MainJob
from services.console.commands.preflight import NO_SETTINGS
from services.console.commands.render import number
from services.console.stack.errors import StackError
from services.console.stack.layout import HOST
from services.contracts.knowledge import EntryList
from services.contracts.orders import TradingState
from services.contracts.preflight import PreflightView
from services.contracts.sessions import SessionList, SessionView
from services.contracts.strategies import StrategyList, StrategyState, StrategyView
from services.contracts.trading_views import OrderPage, OrderView, TradingView

_LOOK_SECONDS: Final = 0.5
_PREFLIGHT_SECONDS: Final = 15.0
_OPERATOR: Final = "operator"
_ALPACA_ACCOUNT: Final = "alpaca-paper"


class KeysRefusedError(StackError):
    """Alpaca does not take the keys: waiting does not help."""


@dataclass(slots=True)
class Arrived:
    """How the platform stands once it does its job.

    Attributes:
        first_fill: The earliest filled order of a strategy; None where none came in time.
    """

    sessions: Sequence[SessionView] = ()
    strategies: Sequence[StrategyView] = ()
    first_fill: OrderView | None = None


@dataclass(slots=True)
class _Step:
    """One thing that is waited for.

    Attributes:
        look: Says in words how it stands once it is so; None, or a StackError, before.
        remedy: What to do when it does not come.
        needed: Whether the platform is not well without it.
    """

    name: str
    look: Callable[[], str | None]
    remedy: str
    needed: bool = True
    problem: str = ""


class Arrival:
    """Looks at a platform that has just become ready.

    Args:
        since: Fills from before are those of an earlier run; None when they count as well.
    """

    def __init__(self, operator: Operator, job: MainJob, *, since: datetime | None) -> None:
        self._operator = operator
        self._job = job
        self._since = since
        self._passed: dict[str, int] = {}
        self.arrived = Arrived()

    def wait(self, *, timeout_seconds: float) -> Arrived:
        """Wait for everything, and tell each thing as it comes. Raises StackError with what does not come."""
        began = time.monotonic()
        waiting, progress = self._steps(), self._operator.progress
        try:
            while waiting:
                progress.waiting([step.name for step in waiting])
                waiting = [step for step in waiting if not self._is_there(step, began)]
                if waiting and time.monotonic() - began > timeout_seconds:
                    break
                if waiting:
                    time.sleep(_LOOK_SECONDS)
        finally:
            progress.waiting([])
        missing = [step for step in waiting if step.needed]
        if missing:
            raise StackError(
                "; ".join(f"{step.name}: {step.problem}" for step in missing),
                remedy="; ".join(dict.fromkeys(step.remedy for step in missing)),
            )
        for step in waiting:
            progress.note(f"  {step.name}: not yet; {step.remedy}")
        return self.arrived

    def _steps(self) -> list[_Step]:
        steps = [
            _Step("logins", self._sessions, "`sightline auth report` shows them, `sightline logs auth` why"),
            _Step("preflight", self._preflight, "`sightline preflight ACCOUNT` shows each check and what to do"),
            _Step("venues", self._venues, "`sightline trading` says why"),
            _Step("strategies", self._strategies, "`sightline strategies list` says why, `restart` begins anew"),
            _Step("knowledge", self._knowledge, "`sightline kb check` looks at the entries"),
            _Step("events", self._events, "`sightline doctor` looks at the event bus"),
        ]
        if self._port("prometheus") is not None and self._port("alertmanager") is not None:
            steps.append(_Step("alerts", self._alerts, "`sightline doctor` looks at Prometheus and Alertmanager"))
        if self._job.replays:
            steps.append(_Step("first fill", self._fill, "`sightline orders --which all` shows it", needed=False))
        return steps

    def _is_there(self, step: _Step, began: float) -> bool:
        try:
            words = step.look()
        except KeysRefusedError:
            raise
        except StackError as error:
            step.problem = error.message
            return False
        if words is None:
            step.problem = step.problem or "not so yet"
            return False
        self._operator.progress.step(step.name, f"{words} ({time.monotonic() - began:.1f} s)", "green")
        return True

    def _sessions(self) -> str | None:
        found = SessionList.model_validate_json(self._ask("auth", "/sessions")).sessions
        self.arrived.sessions = found
        lacking = [f"{each.account} is {each.state}" for each in found if not each.usable]
        if self._job.alpaca_keys:
            _require_alpaca(found)
        if lacking or not found:
            raise StackError("; ".join(lacking) or "no account is registered yet")
        return ", ".join(f"{each.account} by {each.method.value.replace('_', ' ')}" for each in found)

    def _preflight(self) -> str | None:
        for session in self.arrived.sessions:
            if session.account in self._passed or not session.usable:
                continue
            target = f"/preflight/{quote(session.account, safe='')}?environment={session.environment}"
            answer = self._ask("auth", f"{target}&settings_digest={NO_SETTINGS}", timeout_seconds=_PREFLIGHT_SECONDS)
            found = PreflightView.model_validate_json(answer)
            failed = [check.why for check in found.checks if check.outcome == "fail"]
            if failed:
                raise StackError(f"{session.account}: {'; '.join(failed)}")
            self._passed[session.account] = len(found.checks)
        if not self._passed or len(self._passed) < len(self.arrived.sessions):
            return None
        return f"{sum(self._passed.values())} checks of {len(self._passed)} accounts, none fails"

    def _venues(self) -> str | None:
        view = TradingView.model_validate_json(self._ask("trading", "/state"))
        if view.state is not TradingState.ACTIVE:
            raise StackError(f"trading is {view.state.value}: {view.reason}; `sightline resume` lets orders through")
        lacking = [f"{each.venue}: {'; '.join(each.reasons)}" for each in view.venues if not each.ready]
        if lacking:
            raise StackError(" / ".join(lacking))
        return f"{', '.join(each.venue for each in view.venues)} take orders"

    def _strategies(self) -> str | None:
        found = StrategyList.model_validate_json(self._ask("trading", "/strategies")).strategies
        self.arrived.strategies = found
        fit = {StrategyState.RUNNING, StrategyState.WARMING_UP, StrategyState.PAUSED}
        stopped = [f"{each.name}: {each.detail}" for each in found if each.state not in fit]
        if stopped or not found:
            raise StackError("; ".join(stopped) or "none is there yet")
        return f"{', '.join(each.name for each in found)} at work"

    def _knowledge(self) -> str | None:
        entries = EntryList.model_validate_json(self._ask("content", "/knowledge")).entries
        return f"{len(entries)} entries" if entries else None

    def _events(self) -> str | None:
        messages = int(self._look_at("nats", "nats_monitor", "/jsz").get("messages", 0))
        return f"{messages} on the bus" if messages else None

    def _alerts(self) -> str | None:
        groups = self._look_at("prometheus", "", "/api/v1/rules?type=alert")["data"]["groups"]
        receivers = self._look_at("prometheus", "", "/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
        rules = sum(len(group["rules"]) for group in groups)
        return f"{rules} rules armed, Alertmanager takes what they find" if rules and receivers else None

    def _fill(self) -> str | None:
        page = OrderPage.model_validate_json(self._ask("trading", "/orders?which=all&limit=500"))
        filled = [each for each in page.orders if each.filled and each.strategy != _OPERATOR and self._is_new(each)]
        if not filled:
            return None
        first = self.arrived.first_fill = min(filled, key=lambda order: order.changed_at)
        price = "" if first.average_price is None else f" at {number(first.average_price)}"
        ticket = first.ticket
        return f"{ticket.side} {number(first.filled)} {ticket.symbol}{price} at {first.venue} for {first.strategy}"

    def _is_new(self, order: OrderView) -> bool:
        return self._since is None or order.changed_at >= self._since

    def _ask(self, service: str, target: str, *, timeout_seconds: float = 10.0) -> bytes:
        return call(self._operator, service, "GET", target, timeout_seconds=timeout_seconds).content

    def _look_at(self, component: str, port_name: str, path: str) -> Any:  # noqa: ANN401 -- JSON
        try:
            with httpx.Client(trust_env=False, timeout=2.0) as client:
                answer = client.get(f"http://{HOST}:{self._port(component, port_name)}{path}").raise_for_status()
                return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise StackError(f"{component} does not answer") from error

    def _port(self, component: str, name: str = "") -> int | None:
        record = self._operator.record()
        for unit in record.units if record else ():
            if unit.name == component:
                return unit.ports[name] if name else unit.port
        return None


def _require_alpaca(sessions: Sequence[SessionView]) -> None:
    session = next((each for each in sessions if each.account == _ALPACA_ACCOUNT), None)
    if session is None:
        raise StackError(f"{_ALPACA_ACCOUNT} is not registered yet")
    if session.block_reason is not None:
        raise KeysRefusedError(
            f"Alpaca does not take these keys ({session.block_reason.value})",
            remedy="make new ones on the paper account's page at Alpaca, put them into APCA_API_KEY_ID and"
            " APCA_API_SECRET_KEY, and run `sightline down && sightline up`; without them it trades here",
        )
