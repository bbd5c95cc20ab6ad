"""What closed trades tell. Profits are in dollars, fees taken off. A measure without trades to tell of is NaN."""

from typing import Final

from services.contracts.columns import Floats

_NONE: Final = float("nan")


def win_rate(profits: Floats) -> float:
    """Trades that won something, as a share of all: one that came out even did not win."""
    return float((profits > 0).mean()) if len(profits) else _NONE


def profit_factor(profits: Floats) -> float:
    """`sum of profits / |sum of losses|`; NaN when nothing was lost (Schwager 1984)."""
    lost = -float(profits[profits < 0].sum())
    return float(profits[profits > 0].sum()) / lost if lost > 0 else _NONE


def expectancy(profits: Floats) -> float:
    """Mean profit of a trade: `win rate * mean win - loss rate * mean loss` (Tharp 1998)."""
    return float(profits.mean()) if len(profits) else _NONE


def mean_win(profits: Floats) -> float:
    """Mean profit of the trades that won."""
    won = profits[profits > 0]
    return float(won.mean()) if len(won) else _NONE


def mean_loss(profits: Floats) -> float:
    """Mean profit of the trades that lost, a negative number."""
    lost = profits[profits < 0]
    return float(lost.mean()) if len(lost) else _NONE


def longest_losing_streak(profits: Floats) -> int:
    """The most trades in a row, in the order in which they ended, that did not win."""
    longest = streak = 0
    for won in (profits > 0).tolist():
        streak = 0 if won else streak + 1
        longest = max(longest, streak)
    return longest
