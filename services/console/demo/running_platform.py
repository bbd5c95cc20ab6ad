"""What the demo asks of the running platform, in the operator's name."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx

from services.console.demo.scenes import ACCOUNT, Scene
from services.console.stack.errors import StackError
from services.contracts.incidents import IncidentList, IncidentView
from services.contracts.sessions import SessionList, SessionView
from services.contracts.strategies import StrategyList
from services.contracts.trading_views import (
    OrderHistory,
    PlacementView,
    PositionList,
    ReconciliationView,
    TradingView,
)
from services.kit.clock import Clock

Ask = Callable[[str, str, str, dict[str, Any] | None], bytes]
"""Service, method, path and body of a signed call; gives the answer's body. Raises StackError."""

SYMBOL: Final = "DEMO"
VENUES: Final = ("alpha", "beta")
_PRICE: Final = Decimal("25.00")
_BEFORE_THE_REPLAY: Final = timedelta(days=17 * 366)  # which begins in 2014
_SLACK: Final = "services.automation.local_slack"


class DemoPlatform:
    """The platform under the demo.

    Args:
        ask: Calls a service.
        clock: For the moments of bars and log windows.
        mails: Where the mail catcher keeps mails.
        brokers_url: Where the simulated brokers are.
        settings_digest: What preflight is asked for.
    """

    def __init__(self, ask: Ask, clock: Clock, *, mails: Path, brokers_url: str, settings_digest: str) -> None:
        self._ask, self._clock, self._mails = ask, clock, mails
        self._brokers_url, self._digest = brokers_url, settings_digest
        self._began = clock.now()
        self._planted: dict[str, list[int]] = {}
        self._replays = False

    def plant(self, scene: Scene) -> None:
        """Let the fault begin."""
        if scene.faults:
            body = {"faults": [dict(fault) for fault in scene.faults]}
            answer = self._ask("venue", "POST", f"/venues/{scene.target}/faults", body)
            self._planted[scene.target] = numbers_in(answer)
            return
        asked = {"broker": "robinhood", "name": scene.target}
        try:
            with httpx.Client(trust_env=False, timeout=5.0) as client:
                client.request("DELETE", f"{self._brokers_url}/local/sessions", json=asked).raise_for_status()
        except httpx.HTTPError as error:
            raise StackError(
                "the simulated brokers do not end the session", remedy="run `sightline down && sightline up`"
            ) from error
        # Preflight is what meets it first, as before an open.
        self.preflight(scene.target)

    def preflight(self, account: str) -> None:
        """Have every check of an account made."""
        query = f"environment=paper&settings_digest={self._digest}"
        self._ask("auth", "GET", f"/preflight/{quote(account, safe='')}?{query}", None)

    def take_back(self) -> None:
        """Take every fault back that the demo planted."""
        for venue, numbers in list(self._planted.items()):
            for number in numbers:
                self._ask("venue", "DELETE", f"/venues/{venue}/faults/{number}", None)
            del self._planted[venue]

    def sessions(self) -> tuple[SessionView, ...]:
        """Every account's session."""
        return SessionList.model_validate_json(self._ask("auth", "GET", "/sessions", None)).sessions

    def session(self) -> SessionView | None:
        """That of the account whose login takes a code."""
        return next((each for each in self.sessions() if each.account == ACCOUNT), None)

    def incidents(self, target: str) -> list[IncidentView]:
        """Those about a target that began since the demo did, the oldest first."""
        answer = self._ask("automation", "GET", "/incidents?limit=100", None)
        found = IncidentList.model_validate_json(answer).incidents
        return [each for each in reversed(found) if each.target == target and each.detected_at >= self._began]

    def incident(self, incident_id: str) -> IncidentView:
        """One with its history."""
        return IncidentView.model_validate_json(self._ask("automation", "GET", f"/incidents/{incident_id}", None))

    def in_slack(self, incident_id: str) -> bool:
        """Whether the Slack catcher has a message about it."""
        query = {"service": "automation", "logger": _SLACK, "text": incident_id, "since": self._began.isoformat()}
        return b'"line"' in self._ask("console", "GET", f"/api/logs?{urlencode(query)}", None)

    def in_mail(self, incident_id: str) -> bool:
        """Whether the mail catcher has one."""
        mails = (path.read_text(errors="replace") for path in (self._mails / "new").glob("*"))
        return any(incident_id in mail.replace("=\n", "") for mail in mails)

    def open_market(self) -> None:
        """Have the venues list the demo's own symbol, so that no strategy's position is touched."""
        for venue in VENUES:
            self._ask("venue", "PUT", f"/venues/{venue}/instruments/{SYMBOL}", {})
        answer = self._ask("trading", "GET", "/strategies", None)
        self._replays = bool(StrategyList.model_validate_json(answer).strategies)
        self.push_price()

    def push_price(self) -> None:
        """A price of now at every venue."""
        # Where the past is replayed, a bar of now would lead the venue's time away from it. One from before the replay
        # does not, and its price counts as of now.
        start: datetime = self._clock.now() - (_BEFORE_THE_REPLAY if self._replays else timedelta(seconds=1))
        prices = dict.fromkeys(("open", "high", "low", "close"), str(_PRICE))
        bar = {"symbol": SYMBOL, "start": start.isoformat(), "seconds": 1, **prices, "volume": "100000"}
        for venue in VENUES:
            self._ask("venue", "POST", f"/venues/{venue}/bars", {"bars": [bar]})

    def submit(self, side: str, quantity: str = "1") -> PlacementView:
        """An order through the gate, to whichever venue the router chooses."""
        ticket = {"symbol": SYMBOL, "side": side, "quantity": quantity}
        return PlacementView.model_validate_json(self._ask("trading", "POST", "/orders", {"ticket": ticket}))

    def fill(self, venue: str, venue_order_id: str) -> None:
        """Let a venue that waits for its next recorded bar fill the demo's order at once."""
        if self._replays:
            body = {"quantity": "1", "price": str(_PRICE)}
            self._ask("venue", "POST", f"/venues/{venue}/orders/{venue_order_id}/fills", body)

    def order(self, order_id: str) -> OrderHistory:
        """One order with its steps."""
        answer = self._ask("trading", "GET", f"/orders/{quote(order_id, safe='')}", None)
        return OrderHistory.model_validate_json(answer)

    def held(self) -> Decimal:
        """Shares of the demo's symbol at all venues."""
        found = PositionList.model_validate_json(self._ask("trading", "GET", "/positions", None)).positions
        return sum((each.quantity for each in found if each.symbol == SYMBOL), Decimal(0))

    def state(self) -> TradingView:
        """How trading stands."""
        return TradingView.model_validate_json(self._ask("trading", "GET", "/state", None))

    def differences(self) -> list[str]:
        """What our books and the venues' do not agree about, compared now."""
        answers = [self._ask("trading", "POST", f"/venues/{venue}/reconcile", {}) for venue in VENUES]
        return [each for answer in answers for each in ReconciliationView.model_validate_json(answer).differences]


def numbers_in(answer: bytes) -> list[int]:
    """Numbers of planned faults in the venue's answer."""
    return [int(each["number"]) for each in httpx.Response(200, content=answer).json()["faults"]]
