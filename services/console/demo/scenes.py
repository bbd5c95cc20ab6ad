"""The faults of the demo: how each is planted on the running platform, and taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

REFUSED: Final = "refused"
OUTAGE: Final = "outage"
SESSION: Final = "session"
ACCOUNT: Final = "robinhood-paper"
_UNTIL_TAKEN_BACK: Final = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One fault.

    Attributes:
        target: The venue or account that it is about; incidents name it.
        faults: Planned at the venue; none for a session that the broker ends.
        other: The venue that takes orders meanwhile; "" where none are sent.
    """

    name: str
    what: str
    target: str
    faults: tuple[Mapping[str, Any], ...] = ()
    other: str = ""


# What orders are about, and not the read of the account: a broker that refuses that one says that the keys are wrong,
# and wrong keys are for a person.
_OF_ORDERS: Final = ("submit", "orders", "order", "find", "positions", "activities", "cancel")
SCENES: Final = MappingProxyType(
    {
        each.name: each
        for each in (
            Scene(
                name=REFUSED,
                what="alpha answers 403 to whatever is about orders",
                target="alpha",
                faults=({"fault": "forbidden", "on": _OF_ORDERS, "count": _UNTIL_TAKEN_BACK},),
                other="beta",
            ),
            Scene(
                name=SESSION,
                what=f"the broker ends the session of {ACCOUNT}",
                target=ACCOUNT,
            ),
            Scene(
                name=OUTAGE,
                what="beta closes every connection and its streams",
                target="beta",
                faults=(
                    {"fault": "drop", "count": _UNTIL_TAKEN_BACK},
                    {"fault": "disconnect", "count": _UNTIL_TAKEN_BACK},
                ),
                other="alpha",
            ),
        )
    }
)
