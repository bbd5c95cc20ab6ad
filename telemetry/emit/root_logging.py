"""Puts handlers on the process's root logger and, when done, leaves logging as it was found."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

# Libraries that tell at INFO or DEBUG what our own spans, metrics and log lines say already.
_LIBRARIES = (
    "aiosmtpd",
    "alembic",
    "asyncio",
    "httpcore",
    "httpx",
    "mail",
    "nats",
    "opentelemetry",
    "requests",
    "sqlalchemy",
    "urllib3",
    "uvicorn.access",  # one line a request; the server span and the request histogram hold the same and more
)
# Their records go to the root logger alone, or each would be printed twice and bypass redaction.
_SERVERS = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access")


class _Before(NamedTuple):
    """A logger's state before we touched it."""

    logger: logging.Logger
    level: int
    propagate: bool
    handlers: tuple[logging.Handler, ...]


class RootLogging:
    """Our hold on the standard library's logging, the one thing that is global in a process.

    Two at once in a process share the root logger: each one's handlers receive every record.

    Args:
        handlers: Added to the root logger.
        level: Name of the root logger's level, such as "INFO".

    Raises:
        ValueError: There is no such level.
    """

    def __init__(self, handlers: Sequence[logging.Handler], level: str) -> None:
        root = logging.getLogger()
        self._handlers = tuple(handlers)
        self._before = [_state(root)]
        root.setLevel(level.upper())
        for handler in self._handlers:
            root.addHandler(handler)
        for name in dict.fromkeys(_LIBRARIES + _SERVERS):
            self._take_over(logging.getLogger(name))

    def release(self) -> None:
        """Remove our handlers and put levels back; handlers that others added meanwhile stay. Idempotent."""
        root = logging.getLogger()
        for handler in self._handlers:
            root.removeHandler(handler)
        while self._before:
            logger, level, propagate, handlers = self._before.pop()
            logger.setLevel(level)
            logger.propagate = propagate
            if logger is not root:
                logger.handlers[:] = handlers

    def _take_over(self, logger: logging.Logger) -> None:
        self._before.append(_state(logger))
        if logger.name in _LIBRARIES and logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)
        if logger.name in _SERVERS:
            logger.handlers[:] = []
            logger.propagate = True


def _state(logger: logging.Logger) -> _Before:
    return _Before(logger, logger.level, logger.propagate, tuple(logger.handlers))
