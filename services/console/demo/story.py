"""The demo's story: logins and orders, then faults one after the other, each followed to its postmortem."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol, TypeVar

from services.console.demo.running_platform import DemoPlatform
from services.console.demo.scenes import SESSION, Scene
from services.console.stack.errors import StackError
from services.contracts.incidents import IncidentStatus, IncidentView
from services.contracts.orders import OrderStatus

SEEN_SECONDS: Final = 60.0
_ACTED_SECONDS: Final = 60.0
_OVER_SECONDS: Final = 150.0
_WRITTEN_SECONDS: Final = 300.0
_ORDER_SECONDS: Final = 45.0
_EXACT_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.5
T = TypeVar("T")


class Telling(Protocol):
    """Where the story is told."""

    def scene(self, name: str, words: str) -> None:
        """Something begins."""

    def line(self, words: str, *, good: bool | None = None) -> None:
        """Something happened, well or not."""


@dataclass(slots=True)
class Outcome:
    """What became of one fault; times in seconds since it was planted, None for what did not happen in time.

    Attributes:
        ended: resolved or escalated.
        problem: What did not happen, in words; "" when all did.
    """

    scene: str
    incident_id: str = ""
    seen: float | None = None
    acted: float | None = None
    elsewhere: str = ""
    over: float | None = None
    ended: str = ""
    slack: float | None = None
    mail: float | None = None
    written: float | None = None
    document_id: str = ""
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same, as JSON."""
        return asdict(self)


class Story:
    """Tells it once.

    Args:
        wait: Sleeps between two looks; returns after so many seconds.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        platform: DemoPlatform,
        telling: Telling,
        *,
        wait: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._platform, self._telling = platform, telling
        self._wait, self._monotonic = wait, monotonic
        self._planted: dict[str, float] = {}

    def tell(self, scenes: Sequence[Scene]) -> tuple[list[Outcome], list[str]]:
        """The whole story. Returns what became of each fault, and what else is not as it should be.

        Whatever happens, Ctrl-C included, faults are taken back.
        """
        problems = [*self._logins(), *self._orders()]
        outcomes = []
        try:
            outcomes = [self._fault(scene) for scene in scenes]
        finally:
            self._platform.take_back()
        for outcome in outcomes:
            self._follow(outcome)
        return outcomes, [*problems, *self._exact()]

    def _logins(self) -> list[str]:
        self._telling.scene("logins", "who is logged in, and how")
        sessions = self._platform.sessions()
        for each in sessions:
            since = f"since {each.changed_at:%H:%M:%S} UTC" if each.usable else f"{each.state}"
            how = each.method.value.replace("_", " ")
            self._telling.line(f"{each.account} at {each.broker} by {how}, {since}", good=each.usable)
        return [f"{each.account} is {each.state}; `sightline auth report`" for each in sessions if not each.usable]

    def _orders(self) -> list[str]:
        self._telling.scene("orders", "one share through the gate, to whichever venue is healthier")
        self._platform.open_market()
        venue = self._order("buy")
        return [] if venue else ["an order was not filled in time; `sightline orders --which all`"]

    def _fault(self, scene: Scene) -> Outcome:
        outcome = Outcome(scene.name)
        self._telling.scene(scene.name, scene.what)
        if scene.name == SESSION and self._attempts() < 1:
            outcome.problem = "the budget of logins is used up; it is three in 30 minutes"
            self._telling.line(outcome.problem, good=False)
            return outcome
        began = self._planted[scene.name] = self._monotonic()
        self._platform.plant(scene)
        incident = self._until(lambda: self._platform.incidents(scene.target), SEEN_SECONDS)
        if not incident:
            return self._failed(outcome, f"nothing was seen within {SEEN_SECONDS:.0f} s")
        outcome.incident_id, outcome.seen = incident[0].incident_id, self._since(began)
        self._telling.line(f"{outcome.seen:5.1f} s  seen: {incident[0].title} ({outcome.incident_id})")
        acted = self._until(lambda: self._look(outcome, lambda each: bool(each.actions)), _ACTED_SECONDS)
        if acted is None:
            return self._failed(outcome, f"nothing was done about it within {_ACTED_SECONDS:.0f} s")
        outcome.acted = self._since(began)
        cause = f"probably {acted.causes[0]} ({acted.confidence:.0%})" if acted.causes else "no finding"
        self._telling.line(f"{outcome.acted:5.1f} s  {cause}; {', '.join(acted.actions)}")
        if scene.other:
            outcome.elsewhere = self._order("buy") or ""
        if scene.faults:
            self._platform.take_back()
            self._telling.line(f"{self._since(began):5.1f} s  the fault is taken back")
        over = self._until(lambda: self._look(outcome, lambda each: each.status.over), _OVER_SECONDS)
        if over is None:
            return self._failed(outcome, f"it was not over within {_OVER_SECONDS:.0f} s")
        outcome.over, outcome.ended = self._since(began), _ended(over)
        self._telling.line(f"{outcome.over:5.1f} s  {outcome.ended}: {over.changes[-1].detail}", good=True)
        if scene.name == SESSION:
            self._platform.preflight(scene.target)  # the last one failed, and would stand so until the next open
        if scene.other and outcome.elsewhere != scene.other:
            return self._failed(outcome, f"an order went to {outcome.elsewhere or 'nobody'} and not to {scene.other}")
        return outcome

    def _follow(self, outcome: Outcome) -> None:
        """What comes of an incident after its end: messages, and what is written."""
        if not outcome.incident_id:
            return
        began, name = self._planted[outcome.scene], outcome.incident_id
        self._telling.scene(outcome.scene, f"who was told of {name}, and what was written")

        def complete() -> bool:
            if outcome.slack is None and self._platform.in_slack(name):
                outcome.slack = self._since(began)
                self._telling.line(f"{outcome.slack:5.1f} s  in Slack's catcher")
            if outcome.mail is None and self._platform.in_mail(name):
                outcome.mail = self._since(began)
                self._telling.line(f"{outcome.mail:5.1f} s  in the mail catcher")
            document = self._platform.incident(name).document_id
            if outcome.written is None and document:
                outcome.document_id, outcome.written = document, self._since(began)
                self._telling.line(f"{outcome.written:5.1f} s  `sightline documents show {document}`", good=True)
            return None not in {outcome.slack, outcome.mail, outcome.written}

        left = max(0.0, _WRITTEN_SECONDS - self._since(began))
        if not self._until(complete, left):
            seen = {"Slack": outcome.slack, "mail": outcome.mail, "a postmortem": outcome.written}
            missing = [each for each, at in seen.items() if at is None]
            self._failed(outcome, f"no {', no '.join(missing)} within {_WRITTEN_SECONDS:.0f} s")

    def _exact(self) -> list[str]:
        """Sell what was bought; then the books agree, and nothing is unknown."""
        self._telling.scene("books", "sell what was bought, and compare every order, fill and position with the venues")
        held = self._platform.held()
        while held > 0:
            if not self._order("sell") or (now := self._platform.held()) >= held:
                return [f"{held} shares of the demo are left; `sightline positions`"]
            held = now
        told: list[str] = []

        def exact() -> bool:
            unknown = sum(each.unknown for each in self._platform.state().venues)
            told[:] = [f"{unknown} orders are unknown"] if unknown else self._platform.differences()
            return not told

        if not self._until(exact, _EXACT_SECONDS):
            self._telling.line("; ".join(told), good=False)
            return [*told, "`sightline orders --which unknown` shows them"]
        self._telling.line("no difference, no order unknown", good=True)
        return []

    def _order(self, side: str) -> str | None:
        """Where an order was filled; None when it was not in time."""
        began = self._monotonic()

        def placed() -> str | None:
            self._platform.push_price()
            orders = self._platform.submit(side).orders
            taken = {OrderStatus.OPEN, OrderStatus.PARTIAL, OrderStatus.FILLED}
            return orders[-1].client_order_id if orders and orders[-1].status in taken else None

        order_id = self._until(placed, _ORDER_SECONDS)

        def filled() -> str | None:
            order = self._platform.order(order_id or "").order
            if order.status is OrderStatus.FILLED:
                return order.venue
            if order.venue_order_id:
                self._platform.fill(order.venue, order.venue_order_id)
            return None

        venue = self._until(filled, _ORDER_SECONDS) if order_id else None
        words = f"{side} filled at {venue} after {self._since(began):.1f} s: `sightline order {order_id}`"
        self._telling.line(words if venue else f"{side} was not filled in time", good=venue is not None)
        return venue

    def _attempts(self) -> int:
        session = self._platform.session()
        return session.attempts_left if session else 0

    def _look(self, outcome: Outcome, fits: Callable[[IncidentView], bool]) -> IncidentView | None:
        incident = self._platform.incident(outcome.incident_id)
        return incident if fits(incident) else None

    def _failed(self, outcome: Outcome, problem: str) -> Outcome:
        outcome.problem = problem
        self._platform.take_back()
        self._telling.line(problem, good=False)
        return outcome

    def _since(self, began: float) -> float:
        return self._monotonic() - began

    def _until(self, look: Callable[[], T], seconds: float) -> T | None:
        """What `look` finds; None when it finds nothing in time. A service that cannot answer now is asked again."""
        deadline = self._monotonic() + seconds
        while True:
            try:
                if found := look():
                    return found
            except StackError as error:
                if self._monotonic() >= deadline:
                    self._telling.line(error.message, good=False)
            if self._monotonic() >= deadline:
                return None
            self._wait(_LOOK_SECONDS)


def _ended(incident: IncidentView) -> str:
    escalated = any(change.status is IncidentStatus.ESCALATED for change in incident.changes)
    return IncidentStatus.ESCALATED.value if escalated else IncidentStatus.RESOLVED.value
