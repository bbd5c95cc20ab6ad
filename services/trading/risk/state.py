"""What each trading state lets pass, and which of two is the stricter.

The state is latched: programs and people may make it stricter, and only a person makes it looser.
"""

from typing import Final

from services.contracts.orders import TradingState

KILL_SWITCH: Final = "kill-switch"
"""The strategy whose orders flatten what is held while trading is halted."""

_STRICTNESS: Final = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


def stricter(one: TradingState, other: TradingState) -> bool:
    """Whether `one` lets less pass than `other`."""
    return _STRICTNESS[one] > _STRICTNESS[other]


def admits(state: TradingState, strategy: str, *, reduces: bool) -> bool:
    """Whether an order of the strategy passes; `reduces` says that it only takes away from a position.

    The kill switch has no other right than to reduce while trading is halted: its name on an order opens nothing.
    """
    match state:
        case TradingState.ACTIVE:
            return reduces or strategy != KILL_SWITCH
        case TradingState.REDUCING:
            return reduces
        case TradingState.HALTED:
            return reduces and strategy == KILL_SWITCH
