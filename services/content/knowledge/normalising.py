"""Makes errors comparable: secrets out, variable parts out, so that the same fault reads the same each time."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from services.content.knowledge.patterns import LONGEST_TEXT
from services.contracts.knowledge import MatchQuery
from telemetry.emit.redaction import Redactor

LONGEST_SIGNATURE: Final = 300

_SPACE = re.compile(r"\s+")
# The order matters: what is longer and more telling goes first. No pattern repeats a repetition.
_VARIABLE: Final = (
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\"<>)\]]{1,500}", re.IGNORECASE), "<url>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?"), "<time>"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2}\b"), "<date>"),
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}(:\d{1,5})?\b"), "<host>"),
    (re.compile(r"(?<![\w/.<])/[\w.@+-]{1,100}(/[\w.@+-]{0,100}){1,20}"), "<path>"),
    (re.compile(r"\b(?=[0-9a-f]{0,64}\d)(?=[0-9a-f]{0,64}[a-f])[0-9a-f]{8,64}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"'[^'\n]{1,200}'(?!\w)|\"[^\"\n]{1,200}\""), "<text>"),
    (re.compile(r"(?<![\w<])[+-]?\$?\d{1,18}([,_]\d{3}){0,6}(\.\d{1,18})?(?![\w>])"), "<n>"),
    (re.compile(r"(?<=[A-Za-z_-])\d{1,18}\b"), "<n>"),
)


@dataclass(frozen=True, slots=True)
class Signature:
    """An error as it is compared.

    Attributes:
        text: Its words without secrets, in one line, at most `LONGEST_TEXT` characters.
        template: The same without its variable parts, at most `LONGEST_SIGNATURE` characters.
        id: The same for the same venue, status, code and template, whatever their case.
    """

    text: str
    template: str
    venue: str
    http_status: int | None
    code: str

    @property
    def id(self) -> str:
        parts = (self.venue.casefold(), str(self.http_status or ""), self.code.casefold(), self.template.casefold())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


class Normaliser:
    """Makes signatures. Safe to call from any thread."""

    def __init__(self) -> None:
        self._redactor = Redactor()

    def signature(self, query: MatchQuery) -> Signature:
        """The signature of an error."""
        text = self.clean(query.text or query.alert_name)
        return Signature(
            text=text,
            template=template_of(text),
            venue=self.clean(query.venue),
            http_status=query.http_status,
            code=self.clean(query.code),
        )

    def clean(self, text: str) -> str:
        """The text without secrets, in one line, at most `LONGEST_TEXT` characters."""
        return _SPACE.sub(" ", self._redactor.text(text)).strip()[:LONGEST_TEXT]


def template_of(text: str) -> str:
    """A clean text with its numbers, ids, times, addresses and quotations taken out."""
    for pattern, placeholder in _VARIABLE:
        text = pattern.sub(placeholder, text)
    return text[:LONGEST_SIGNATURE].rstrip()
