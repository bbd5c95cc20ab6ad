"""What `sightline backtest` was asked for, apart from the bars."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Which strategy under which conditions, and what to do with the result.

    Attributes:
        given: Parameters as NAME=VALUE.
        shares: 0 for sizing by the budget.
        budget: None for the usual one.
        costs: NAME=VALUE, or "none" alone.
    """

    strategy: str
    given: tuple[str, ...]
    capital: Decimal
    budget: Decimal | None
    shares: int
    costs: tuple[str, ...]
    reference: bool
    report: Path | None
