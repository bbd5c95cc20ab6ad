"""Regular expressions of entries: checked before they are used, so that no text can make one run for long.

Python's engine backtracks. What it may try at one place of a text is at most the product of the choices along the
expression: a repetition of one character class has as many as its bounds are apart, an alternation adds up its
branches. Expressions whose product is small are let in; a repeated group that itself repeats or branches, whose
choices grow with a power, is not.
"""

import re
from dataclasses import dataclass
from typing import Final

LONGEST_TEXT: Final = 1_000
"""Characters of an error that are searched; what `*`, `+` and `{n,}` count as."""

MOST_CHOICES: Final = 20_000
"""Choices at one place: times `LONGEST_TEXT` places, a search ends after at most 20 million steps."""

_QUANTIFIER = re.compile(r"[*+?]|\{(\d+)\}|\{(\d*),(\d*)\}")
_SHORTEST = 6


class UnsafePatternError(ValueError):
    """The expression is wrong or could take long; the message says what to change."""


@dataclass(slots=True)
class _Group:
    choices: int = 1
    branches: int = 0  # the sum over the branches that are done
    varies: bool = False  # holds a repetition or an alternation
    last: int = 1  # choices of the atom that a quantifier would repeat
    last_varies: bool = False


def compiled(pattern: str) -> re.Pattern[str]:
    """The expression, ready to search with; upper and lower case are alike.

    Raises:
        UnsafePatternError: It is no expression, says nothing, or could take long.
    """
    try:
        made = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError) as error:
        raise UnsafePatternError(f"is no regular expression: {error}") from None
    choices = _choices(pattern)
    if choices > MOST_CHOICES:
        raise UnsafePatternError(
            f"could try {choices} ways at each place, {MOST_CHOICES} are allowed; write a bound such as .{{0,80}} in"
            " place of * and +, or split it into two entries"
        )
    if made.search("") is not None:
        raise UnsafePatternError("matches a text of no words; ask for some of the error's own")
    return made


def _choices(pattern: str) -> int:
    stack = [_Group()]
    position, literal = 0, 0
    while position < len(pattern):
        character = pattern[position]
        group = stack[-1]
        if character == "(":
            position = _open(pattern, position, stack)
        elif character == ")":
            _close(stack)
            position += 1
        elif character == "|":
            _next_branch(group)
            position += 1
        elif quantifier := _QUANTIFIER.match(pattern, position):
            position = _repeat(pattern, quantifier, group)
        else:
            length = _atom(pattern, position)
            literal += pattern[position].isalnum() and length == 1
            _settle(group)
            position += length
    if literal < _SHORTEST:
        raise UnsafePatternError(f"says too little: it needs {_SHORTEST} letters or digits of the error's own words")
    _settle(stack[0])
    return stack[0].branches + stack[0].choices


def _settle(group: _Group) -> None:
    """Count the atom before this place in: no quantifier can follow it any more."""
    group.choices *= group.last
    group.varies |= group.last_varies
    group.last, group.last_varies = 1, False


def _open(pattern: str, position: int, stack: list[_Group]) -> int:
    _settle(stack[-1])
    stack.append(_Group())
    if pattern.startswith("(?:", position):
        return position + 3
    if pattern.startswith("(?", position):
        raise UnsafePatternError("uses a group that begins with (?; plain groups and (?: are allowed")
    return position + 1


def _close(stack: list[_Group]) -> None:
    group = stack.pop()
    _settle(group)
    outer = stack[-1]
    outer.last = group.branches + group.choices
    outer.last_varies = group.varies or group.branches > 0


def _next_branch(group: _Group) -> None:
    _settle(group)
    group.branches += group.choices
    group.choices = 1


def _repeat(pattern: str, quantifier: re.Match[str], group: _Group) -> int:
    least, most = _bounds(quantifier)
    if most > 1 and group.last_varies:
        raise UnsafePatternError(
            f"repeats, with {quantifier.group()}, a group that itself repeats or has alternatives; its time could"
            " double with every character"
        )
    group.last = group.last ** max(most, 1) if group.last > 1 else 1
    group.last *= most - least + 1
    group.last_varies = group.last_varies or most > least
    end = quantifier.end()
    return end + 1 if pattern.startswith("?", end) else end  # a lazy one has the same choices


def _bounds(quantifier: re.Match[str]) -> tuple[int, int]:
    match quantifier.group():
        case "?":
            return 0, 1
        case "*" | "+":
            return 0, LONGEST_TEXT
    if (exactly := quantifier.group(1)) is not None:
        return int(exactly), int(exactly)
    return int(quantifier.group(2) or 0), min(int(quantifier.group(3) or LONGEST_TEXT), LONGEST_TEXT)


def _atom(pattern: str, position: int) -> int:
    """Length of the single character, escape or class at this place."""
    if pattern[position] == "\\":
        if pattern[position + 1].isdigit():
            raise UnsafePatternError("refers back to a group; write the text out")
        return 2
    if pattern[position] != "[":
        return 1
    end = position + 1 + pattern.startswith("^", position + 1)
    end += pattern.startswith("]", end)
    while pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    return end + 1 - position
