"""`sightline mcp`: lets an assistant look at the platform."""

import importlib

import typer

from services.console.commands.context import operator_of


def mcp(context: typer.Context) -> None:
    """Serve the Model Context Protocol on standard input and output, for an assistant that starts this command.

    It looks and changes nothing. It asks in the operator's name; what it hands on is without secrets, and bounded.
    """
    operator = operator_of(context)
    # The protocol's library takes longer to import than everything else together, and no other command needs it.
    importlib.import_module("services.console.assistant.stdio").serve(operator)
