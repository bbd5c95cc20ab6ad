"""What a run does, all of it from its seed: wishes, changes of mind, faults, and moments to be killed at."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from services.contracts.market import OrderType, Side, Symbol
from services.contracts.orders import OrderIntent, OrderTicket, intent_id

STRATEGY: Final = "crashes"
_SYMBOLS: Final = (Symbol("AAPL"), Symbol("MSFT"))
PRICE: Final = 100
"""Of everything, when a run begins, in dollars."""

_CALLS: Final = ("submit", "cancel", "replace", "orders", "find", "positions", "activities", "account", "clock")
_AFTER: Final = ("server_error", "gateway_timeout", "drop", "hang", "garbage")
_BEFORE: Final = (*_AFTER, "throttled", "latency")
_RACES: Final = (
    "partial_fills",
    "slow_cancel",
    "fill_before_cancel",
    "fill_after_cancel",
    "slow_replace",
    "fill_before_replace",
)
_FRAMES: Final = (
    "duplicate_frame",
    "reorder_frames",
    "drop_frame",
    "delay_frame",
    "mute",
    "frame_status",
    "garbage_frame",
    "disconnect",
)


@dataclass(frozen=True)
class Step:
    """One thing that the process does: a wish, or a change of mind about an earlier one."""

    intent: OrderIntent | None = None
    cancel: int | None = None
    replace: int | None = None
    price: Decimal | None = None


@dataclass(frozen=True)
class Script:
    """A whole run.

    Attributes:
        steps: The process does them in order, and after each kill all of them again from the first.
        faults: What the venues do wrong, by venue.
        kills: For each life of the process that ends early: after how many steps, and how many milliseconds into the
            next one.
    """

    seed: int
    steps: Sequence[Step]
    faults: Mapping[str, Sequence[Mapping[str, Any]]]
    kills: Sequence[tuple[int, float]]

    @property
    def intents(self) -> list[OrderIntent]:
        """Every wish."""
        return [step.intent for step in self.steps if step.intent is not None]


def script(seed: int, began: datetime, venues: Sequence[str]) -> Script:
    """The run of a seed; `began` only dates its wishes."""
    chance = random.Random(seed)  # noqa: S311 -- reproducible on purpose
    steps = _steps(chance, began)
    return Script(
        seed=seed,
        steps=steps,
        faults={venue: [_fault(chance) for _ in range(chance.randint(1, 5))] for venue in venues},
        kills=[(chance.randrange(len(steps)), chance.uniform(0.0, 30.0)) for _ in range(chance.randint(1, 3))],
    )


def _steps(chance: random.Random, began: datetime) -> list[Step]:
    steps: list[Step] = []
    told = 0
    while told < 8:
        kind = chance.random()
        if told and kind < 0.15:
            steps.append(Step(cancel=chance.randrange(told)))
        elif told and kind < 0.3:
            steps.append(Step(replace=chance.randrange(told), price=Decimal(chance.randint(80, 120))))
        else:
            steps.append(Step(intent=_intent(chance, told, began)))
            told += 1
    return steps


def _intent(chance: random.Random, number: int, began: datetime) -> OrderIntent:
    symbol = chance.choice(_SYMBOLS)
    terms: dict[str, Any] = {
        "symbol": symbol,
        "side": chance.choice((Side.BUY, Side.BUY, Side.SELL)),
        "quantity": Decimal(chance.randint(1, 20)),
    }
    if chance.random() < 0.6:
        price = PRICE + chance.randint(-4, 4)
        terms |= {"order_type": OrderType.LIMIT, "limit_price": Decimal(price)}
    moment, leg = began + timedelta(milliseconds=number), f"wish-{number}"
    return OrderIntent(
        intent_id=intent_id(STRATEGY, symbol, moment, leg),
        strategy=STRATEGY,
        signal_at=moment,
        leg=leg,
        ticket=OrderTicket.model_validate(terms),
        reference_price=Decimal(PRICE),
    )


def _fault(chance: random.Random) -> dict[str, Any]:
    kind = chance.random()
    some = {"skip": chance.randint(0, 4), "count": chance.randint(1, 3)}
    if kind < 0.5:
        when = chance.choice(("before", "after"))
        fault = chance.choice(_AFTER if when == "after" else _BEFORE)
        # Mostly where it hurts: at what places and changes orders.
        on = chance.choice(_CALLS[:3] if chance.random() < 0.7 else _CALLS)
        return {"fault": fault, "on": [on], "when": when, "seconds": chance.uniform(0.05, 1.5), **some}
    if kind < 0.7:
        fault = chance.choice(_RACES)
        shares = {"quantities": [str(chance.randint(1, 3))]} if fault == "partial_fills" else {}
        return {"fault": fault, "seconds": chance.uniform(0.05, 0.5), **shares, **some}
    return {"fault": chance.choice(_FRAMES), "seconds": chance.uniform(0.05, 0.5), **some}
