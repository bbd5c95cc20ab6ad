"""What a broker's message with a code looks like."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from services.contracts.auth import Broker

LONGEST_BODY: Final = 1_600  # characters; what a concatenated message can hold


class Reading(Enum):
    """Why no code was read."""

    NO_CODE = "no_code"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class BrokerPattern:
    """How to find the code in a broker's message.

    Attributes:
        mention: A word that the message must hold, so that another sender's code is not taken; in lower case.
        code: Matches a code as its first group. No nested repetition: the text comes from outside.
    """

    broker: Broker
    mention: str
    code: re.Pattern[str]

    def read(self, body: str) -> str | Reading:
        """The one code in a message."""
        text = body[:LONGEST_BODY]
        if self.mention not in text.lower():
            return Reading.NO_CODE
        codes = set(self.code.findall(text))
        if len(codes) > 1:
            return Reading.AMBIGUOUS
        return codes.pop() if codes else Reading.NO_CODE


def standard_patterns() -> Sequence[BrokerPattern]:
    """Patterns of the brokers that send codes by text message. ASCII digits only, and none that is part of a number."""
    six_digits = re.compile(r"(?<![0-9$#.,-])([0-9]{6})(?![0-9]|[.,-][0-9])")
    return (
        BrokerPattern(Broker.ROBINHOOD, "robinhood", six_digits),
        BrokerPattern(Broker.SCHWAB, "schwab", six_digits),
        BrokerPattern(Broker.IBKR, "interactive brokers", six_digits),
    )
