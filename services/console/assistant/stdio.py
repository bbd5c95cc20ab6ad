"""Serves an assistant over standard input and output."""

import anyio

from services.console.assistant.asking import SignedPlatform
from services.console.assistant.server import make_server
from services.console.commands.context import Operator


def serve(operator: Operator) -> None:
    """Answer until standard input ends."""
    anyio.run(make_server(SignedPlatform(operator), operator.clock).run_stdio_async)
