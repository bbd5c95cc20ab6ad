"""Which facts tell of an error, and how each of them is asked about. The one table of it."""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from services.contracts.auth import LoginBlocked, LoginFailed, PreflightFailed, SessionEnded, SmsUnmatched
from services.contracts.events import Envelope, Event
from services.contracts.knowledge import MatchQuery
from services.contracts.pipelines import PipelineStepFailed
from services.contracts.strategies import ParityDiverged, StrategyStopped
from services.contracts.trading import (
    CircuitChanged,
    DriftFound,
    OrderDenied,
    OrderIncident,
    OrderNotSent,
    OrderRejected,
    OrderUnknown,
    ReconciliationFailed,
    StreamLost,
)

# Trading puts the venue's own code before its words, and Alpaca's begins with the HTTP status.
_CODE_FIRST = re.compile(r"^([0-9a-z_]{3,40}): (.+)$", re.DOTALL)
_WITH_STATUS = re.compile(r"^([45]\d\d)\d{5}$")
_LONGEST_TEXT = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How an event is asked about.

    Attributes:
        event: Its class.
        words: The error's text; `{name}` stands for the event's field of that name.
        venue: The field that holds the venue or broker; "" for none.
        code: The field that holds the error's code; "" for none.
        each: A field that holds several errors: each is asked about by itself, as `{each}` and as the code.
        only: Fields and the values that they must have for the event to tell of an error.
        code_in_words: Whether the words may begin with the venue's code.
    """

    event: type[Event]
    words: str
    venue: str = ""
    code: str = ""
    each: str = ""
    only: Mapping[str, str] = field(default_factory=dict)
    code_in_words: bool = False

    def names(self) -> set[str]:
        """The event's fields that it goes by."""
        told = {name for _, name, _, _ in string.Formatter().parse(self.words) if name} - {"each"}
        return (told | {self.venue, self.code, self.each} | set(self.only)) - {""}

    def queries(self, envelope: Envelope) -> list[MatchQuery]:
        """What to ask about the event."""
        values: Mapping[str, Any] = {**envelope.payload, "subject": envelope.subject}
        if any(values[name] != wanted for name, wanted in self.only.items()):
            return []
        if self.each:
            return [self._query(envelope, {**values, "each": item}, code=item) for item in values[self.each]]
        code = str(values[self.code]) if self.code else ""
        if not code and not self.words.format_map(values).strip():
            return []  # it says nothing of what went wrong
        return [self._query(envelope, values, code=code)]

    def _query(self, envelope: Envelope, values: Mapping[str, Any], *, code: str) -> MatchQuery:
        text, status = self.words.format_map(values), None
        if self.code_in_words and (found := _CODE_FIRST.match(text)):
            code, text = found.group(1), found.group(2)
            with_status = _WITH_STATUS.match(code)
            status = int(with_status.group(1)) if with_status else None
        return MatchQuery(
            text=text[:_LONGEST_TEXT],
            venue=str(values[self.venue])[:64] if self.venue else "",
            http_status=status,
            code=code,
            source=envelope.event_type,
            service_name=envelope.source,
        )


TABLE: Final = (
    Reading(event=OrderRejected, words="{reason}", venue="venue", code_in_words=True),
    Reading(event=OrderNotSent, words="{reason}", venue="venue", code_in_words=True),
    Reading(event=OrderUnknown, words="{reason}", venue="venue", code_in_words=True),
    Reading(event=OrderDenied, words="order denied ({reason}): {detail}", code="reason"),
    Reading(event=OrderIncident, words="order incident: {detail}", venue="venue", code="kind"),
    Reading(event=ReconciliationFailed, words="reconciliation failed: {reason}", venue="subject"),
    Reading(event=DriftFound, words="reconciliation found {kind}: {detail}", venue="subject", code="kind"),
    Reading(event=StreamLost, words="stream lost: {reason}", venue="subject"),
    Reading(event=CircuitChanged, words="circuit opened: {reason}", venue="subject", only={"now": "open"}),
    Reading(event=LoginFailed, words="login failed: {reason}", venue="broker", code="reason"),
    Reading(event=LoginBlocked, words="logins are blocked: {reason}", venue="broker", code="reason"),
    Reading(event=SessionEnded, words="session ended: {reason}", venue="broker"),
    Reading(event=SmsUnmatched, words="text message matched no login: {reason}", code="reason"),
    Reading(event=PreflightFailed, words="preflight check {each} failed", each="failed_checks"),
    Reading(event=StrategyStopped, words="strategy stopped: {detail}", only={"cause": "error"}),
    Reading(event=PipelineStepFailed, words="{detail}"),
    Reading(event=ParityDiverged, words="live trading differs from the reference: {difference}"),
)

READINGS: Final[Mapping[str, Reading]] = MappingProxyType({reading.event.event_type: reading for reading in TABLE})
