"""How the matching core decides that an order trades, as far as venues and backtests differ."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class FillRule(StrEnum):
    """When an order can trade for the first time."""

    NEXT_BAR = "next_bar"  # at the open of the first bar that starts at or after its submission
    IMMEDIATE = "immediate"  # what is marketable at once, at the last price; the rest like next_bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is chosen once for a `Matcher`.

    Attributes:
        participation: The share of a bar's volume that all orders together may trade, above 0 and at most 1, rounded
            down to whole shares; None for no limit.
    """

    fill_rule: FillRule = FillRule.NEXT_BAR
    participation: Decimal | None = None

    def __post_init__(self) -> None:
        if self.participation is not None and not 0 < self.participation <= 1:
            raise ValueError("participation is a share of the volume: above 0 and at most 1, or None")
