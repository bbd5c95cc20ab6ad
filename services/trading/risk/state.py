"""Which changes of the trading state are allowed: anybody may tighten it, only a person loosens it."""

from enum import StrEnum
from typing import Final

from services.contracts.orders import TradingState


class Command(StrEnum):
    """What is asked of the trading state."""

    HALT = "halt"
    REDUCE = "reduce"
    RESUME = "resume"


class NotAllowedError(Exception):
    """The trading state may not be changed like this; the words say who may."""


_TIGHTNESS: Final = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}
_TIGHTENING: Final = {Command.HALT: TradingState.HALTED, Command.REDUCE: TradingState.REDUCING}


def changed(state: TradingState, command: Command, *, person: bool, halting: bool = False) -> TradingState:
    """The state after a command. It is latched: reducing what is halted leaves it halted.

    Args:
        person: A person gives the command, not a program.
        halting: The kill switch is at work.

    Raises:
        NotAllowedError: A program wants to resume, or somebody does while the kill switch is at work.
    """
    if command is Command.RESUME:
        if not person:
            raise NotAllowedError("Only a person resumes trading: look at what stopped it, then `sightline resume`.")
        if halting:
            raise NotAllowedError("The kill switch is at work: wait until it is done, then resume.")
        return TradingState.ACTIVE
    return max(state, _TIGHTENING[command], key=_TIGHTNESS.__getitem__)
