"""The table of causes, read and checked: which evidence speaks for which cause, and what may be done about it."""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from services.agents.signals.table import SIGNALS
from services.contracts.anomalies import Cause
from services.kit.errors import StartError

ACTIONS: Final = (
    "refresh_session",
    "relogin",
    "hold_venue",
    "restore_venue",
    "reduce",
    "halt",
    "restart_strategy",
    "pause_strategy",
    "reconcile",
    "wait",
    "escalate",
)
"""What may be done about a cause, by the platform as far as its policy goes, or by a person; nothing else is named."""

MECHANISMS: Final = (
    "stream_open",
    "stream_and_calls_down",
    "load_up",
    "calls_multiplied",
    "repeats_per_wish",
    "rate_limit_used_up",
    "slow_calls",
    "own_calls_slow",
    "same_event_redelivered",
    "many_events_fail",
    "repeated_execution",
    "many_starts",
)
"""Evidence that `services.agents.analyst.mechanisms` finds by code of its own."""

_Weight = Annotated[float, Field(gt=0.0, lt=1.0)]
_FILE: Final = "causes.yml"


class CausesError(StartError):
    """The table of causes cannot be used."""

    code = "causes_invalid"
    title = "The table of causes is not right"


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FactPattern(_Read):
    """Lines that state a fact: whose event type matches `event` as a whole, and whose fields hold what `where` says."""

    event: str
    where: dict[str, str] = Field(default_factory=dict)
    least: int = Field(default=1, ge=1)


class Phrase(_Read):
    """Lines of level warning and above that hold a text."""

    text: str
    least: int = Field(default=1, ge=1)

    @field_validator("text")
    @classmethod
    def _compiles(cls, value: str) -> str:
        re.compile(value)
        return value


class CauseRow(_Read):
    """What speaks for and against a cause."""

    summary: str
    needs: tuple[tuple[str, ...], ...]
    speaks_for: dict[str, _Weight] = Field(alias="for")
    against: dict[str, _Weight]
    alerts: tuple[str, ...]
    actions: tuple[str, ...] = Field(min_length=1)


class CauseTable(_Read):
    """The whole table."""

    facts: Mapping[str, FactPattern]
    phrases: Mapping[str, Phrase]
    causes: Mapping[Cause, CauseRow]

    def names(self) -> Iterator[str]:
        """Every name of evidence that a cause asks for."""
        for row in self.causes.values():
            yield from row.speaks_for
            yield from row.against
            yield from (name for group in row.needs for name in group)


def load_causes(text: str | None = None) -> CauseTable:
    """The packaged table, or another one. Raises `CausesError` for one that contradicts itself."""
    source = (
        files(__package__ or "services.agents.analyst").joinpath(_FILE).read_text("utf-8") if text is None else text
    )
    try:
        table = CauseTable.model_validate(yaml.safe_load(source))
    except (ValidationError, yaml.YAMLError, re.error) as error:
        raise CausesError(f"{_FILE}: {error}") from error
    known = {*table.facts, *table.phrases, *MECHANISMS, *(signal.name for signal in SIGNALS)}
    unknown = sorted(set(table.names()) - known)
    if unknown:
        raise CausesError(f"{_FILE} asks for evidence that nothing collects: {', '.join(unknown)}.")
    missing = sorted(set(Cause) - set(table.causes))
    if missing:
        raise CausesError(f"{_FILE} lacks {', '.join(missing)}.")
    for cause, row in table.causes.items():
        foreign = sorted(set(row.actions) - set(ACTIONS))
        if foreign:
            raise CausesError(f"{_FILE}: {cause} allows {', '.join(foreign)}, which automation does not know.")
    return table
