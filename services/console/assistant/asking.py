"""How the assistant's tools ask the platform: by questions alone, in the operator's name."""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from mcp.server.mcpserver.exceptions import ToolError

from services.console.commands.calling import call
from services.console.commands.context import Operator
from services.console.stack.errors import StackError


class Platform(Protocol):
    """What answers questions. It has no way to do anything else."""

    def ask(self, service: str, *path: str, query: Mapping[str, str | list[str]] | None = None) -> Any:  # noqa: ANN401 -- whatever JSON the service answers
        """The answer of a service to a GET of the path.

        Raises:
            ToolError: There is none; the words say what to do.
        """


class SignedPlatform:
    """The platform that runs here, asked over HTTP with the operator's key."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def ask(self, service: str, *path: str, query: Mapping[str, str | list[str]] | None = None) -> Any:  # noqa: ANN401 -- as above
        target = "/" + "/".join(quote(part, safe="") for part in path)
        if query:
            target += "?" + urlencode(query, doseq=True)
        try:
            answer = call(self._operator, service, "GET", target)
            return answer.json()
        except StackError as error:
            raise ToolError(f"{error.message}. What to do: {error.remedy}") from None
        except ValueError:
            raise ToolError(f"{service} answered with something that is no JSON.") from None
