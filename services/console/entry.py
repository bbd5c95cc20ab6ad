"""Where the `sightline` command begins.

The command takes half a second to import. Ctrl-C within it would show Python's traceback through modules that are there
by halves; from here on it is answered in words. Hence no import of our own before that is seen to.
"""

import importlib
import os
import signal
from types import FrameType
from typing import Final

_INTERRUPTED: Final = 130


def main() -> None:
    """Run the command of this process's arguments and exit with its code."""
    # A shell that starts a command in the background has it ignore Ctrl-C: so be it.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    importlib.import_module("services.console.cli").main()


def _leave(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"sightline: interrupted\n")
    # At once and without an exception: nothing was begun that would have to be ended.
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
