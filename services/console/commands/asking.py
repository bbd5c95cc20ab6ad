"""Asks the person at the keyboard; what is secret is never shown and never an argument of a command."""

import getpass
import sys

from services.console.stack.errors import StackError


def secret_line(prompt: str) -> str:
    """A line that is not shown while it is typed; from standard input when that is no terminal.

    Raises:
        StackError: There is no line.
    """
    if sys.stdin.isatty():
        text = getpass.getpass(f"{prompt}: ")
    else:
        text = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    if not text:
        raise StackError(
            f"nothing was given for: {prompt}", remedy="type it, or hand it in on standard input, a line each"
        )
    return text


def new_secret_line(prompt: str) -> str:
    """The same, asked for twice at a terminal. Raises `StackError` when the two differ."""
    text = secret_line(prompt)
    if sys.stdin.isatty() and secret_line(f"{prompt}, once more") != text:
        raise StackError("the two differ; nothing was changed", remedy="try again")
    return text
