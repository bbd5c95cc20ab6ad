"""Kinds of log lines: a tree that finds the template of a line, after Drain.

He, Zhu, Zheng and Lyu, "Drain: an online log parsing approach with fixed depth tree", 2017: lines are told apart by
their number of words and their first words, and within a leaf by the share of words that agree; where two lines of a
kind differ stands <*>. What is a number, an id, an address or a quoted text is masked before.
"""

import re
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

MOST_TEMPLATES: Final = 2_000
_ANY: Final = "<*>"
_SIMILAR: Final = 0.5
_LEADING_WORDS: Final = 2
_MOST_WORDS: Final = 40
_MOST_LETTERS: Final = 2_000

# The order matters: what is found first is masked as a whole.
_MASKS: Final = (
    (re.compile(r"\"[^\"]*\"|'[^']*'"), "<text>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b(?:https?|nats|tcp|postgresql)://\S+"), "<url>"),
    (re.compile(r"(?<![\w.])/(?:[\w.+@-]+/)*[\w.+@-]+"), "<path>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{8,}\b|0x[0-9a-fA-F]+"), "<id>"),
    (re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])\w{12,}\b"), "<id>"),
    (re.compile(r"(?<![A-Za-z_\d])[-+]?\d[\d,]*+(?:\.\d++)?(?:[eE][-+]?\d++)?(?![A-Za-z_\d])"), "<number>"),
)


def masked(line: str) -> str:
    """The line's first part with what varies taken out: numbers, ids, times, addresses, paths, quoted text."""
    text = line[:_MOST_LETTERS]
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


@dataclass(slots=True)
class Template:
    """A kind of line. `words` change as lines differ from each other; the number stays."""

    number: int
    words: list[str]
    lines: int = 0

    @property
    def text(self) -> str:
        """The line with <*> for every word that varies."""
        return " ".join(self.words)


class KnownTemplate(BaseModel):
    """A template as it is stored."""

    model_config = ConfigDict(extra="forbid")

    number: int
    words: list[str]
    lines: int


class TemplateMinerState(BaseModel):
    """What a miner has learnt."""

    model_config = ConfigDict(extra="forbid")

    following: int = 1
    templates: list[KnownTemplate] = Field(default_factory=list)


class TemplateMiner:
    """Finds templates, at most `MOST_TEMPLATES`: beyond that the one not seen for longest is forgotten."""

    def __init__(self, state: TemplateMinerState | None = None) -> None:
        self._leaves: dict[tuple[str, ...], list[Template]] = defaultdict(list)
        # The one seen last is the last.
        self._known: OrderedDict[int, Template] = OrderedDict()
        self._following = state.following if state else 1
        for known in state.templates if state else []:
            self._put(Template(known.number, [*known.words], known.lines))

    def __len__(self) -> int:
        return len(self._known)

    def add(self, line: str) -> tuple[Template, bool]:
        """The line's template, and whether it is new."""
        words = masked(line).split()[:_MOST_WORDS] or [_ANY]
        leaf = self._leaves[_path(words)]
        best = max(leaf, key=lambda known: _likeness(known.words, words), default=None)
        if best is not None and _likeness(best.words, words) >= _SIMILAR:
            best.words[:] = [have if have == new else _ANY for have, new in zip(best.words, words, strict=True)]
            best.lines += 1
            self._known.move_to_end(best.number)
            return best, False
        template = Template(self._following, words, 1)
        self._following += 1
        self._put(template)
        self._forget()
        return template, True

    def state(self) -> TemplateMinerState:
        """What it has learnt."""
        return TemplateMinerState(
            following=self._following,
            templates=[
                KnownTemplate(number=each.number, words=each.words, lines=each.lines) for each in self._known.values()
            ],
        )

    def _put(self, template: Template) -> None:
        self._leaves[_path(template.words)].append(template)
        self._known[template.number] = template

    def _forget(self) -> None:
        while len(self._known) > MOST_TEMPLATES:
            _, oldest = self._known.popitem(last=False)
            path = _path(oldest.words)
            leaf = [each for each in self._leaves[path] if each.number != oldest.number]
            if leaf:
                self._leaves[path] = leaf
            else:
                del self._leaves[path]


def _path(words: list[str]) -> tuple[str, ...]:
    # A word with a digit left in it may vary; it must not decide where to look.
    leading = (_ANY if any(letter.isdigit() for letter in word) else word for word in words[:_LEADING_WORDS])
    return (str(len(words)), *leading)


def _likeness(known: list[str], words: list[str]) -> float:
    agreeing = sum(have == new and have != _ANY for have, new in zip(known, words, strict=True))
    fixed = sum(have != _ANY for have in known)
    return agreeing / fixed if fixed else 1.0
