"""Closed trades of a strategy, and whether they still bring what they used to."""

from decimal import Decimal
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

BASELINE_TRADES: Final = 20
_SLACK: Final = 0.25  # standard deviations; k of the cumulative sum
DECIDED: Final = 14.0  # standard deviations; h of the cumulative sum
_MOST_SYMBOLS: Final = 500
_CLIPPED: Final = 4.0


class Held(BaseModel):
    """What is held of a symbol: shares, negative for short, and the mean price at which they were opened."""

    quantity: Decimal = Decimal(0)
    price: Decimal = Decimal(0)


class StrategyRecord(BaseModel):
    """What a strategy's fills have come to.

    Attributes:
        baseline: Returns of the first closed trades, what later ones are compared with; a ratio of what was at stake.
        closed: How many trades were closed.
        excess: The cumulative sum of how much worse trades were than the baseline, in its standard deviations: Page,
            "Continuous inspection schemes", 1954, one-sided, with k = 0.25; `DECIDED` is h.
    """

    model_config = ConfigDict(extra="forbid")

    held: dict[str, Held] = Field(default_factory=dict)
    baseline: list[float] = Field(default_factory=list)
    closed: int = 0
    excess: float = 0.0

    def fill(self, symbol: str, quantity: Decimal, price: Decimal) -> float | None:
        """Take a fill in, `quantity` negative for a sale; the return of what it closed, None when it closed nothing."""
        held = self.held.get(symbol, Held())
        closing = min(abs(quantity), abs(held.quantity)) if quantity * held.quantity < 0 else Decimal(0)
        result = None
        if closing and held.price:
            sign = 1 if held.quantity > 0 else -1
            result = float((price - held.price) / held.price) * sign
            self._judge(result)
        self._hold(symbol, held, quantity, price, closing)
        return result

    def _hold(self, symbol: str, held: Held, quantity: Decimal, price: Decimal, closing: Decimal) -> None:
        left = held.quantity + quantity
        if not left:
            self.held.pop(symbol, None)
            return
        if not closing:
            opened = abs(held.quantity) * held.price + abs(quantity) * price
            held = Held(quantity=left, price=opened / abs(left))
        elif left * quantity > 0:  # it went through 0
            held = Held(quantity=left, price=price)
        else:
            held = Held(quantity=left, price=held.price)
        if symbol in self.held or len(self.held) < _MOST_SYMBOLS:
            self.held[symbol] = held

    def _judge(self, result: float) -> None:
        self.closed += 1
        if len(self.baseline) < BASELINE_TRADES:
            self.baseline.append(result)
            return
        mean = sum(self.baseline) / len(self.baseline)
        variance = sum((each - mean) ** 2 for each in self.baseline) / (len(self.baseline) - 1)
        deviation = max(variance**0.5, 1e-9)
        # So few trades tell the mean only roughly: compared is with what it is at least, within one standard error.
        least = mean - deviation / len(self.baseline) ** 0.5
        worse = max(-_CLIPPED, min(_CLIPPED, (least - result) / deviation))
        self.excess = max(0.0, self.excess + worse - _SLACK)
