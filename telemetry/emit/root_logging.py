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

    Several at once share the root logger: each one's handlers receive every record, the latest one's level counts,
    and the last to go restores what the first one found, in whatever order they go.

    Args:
        handlers: Added to the root logger.
        level: Name of the root logger's level, such as "INFO".

    Raises:
        ValueError: There is no such level.
    """

    def __init__(self, handlers: Sequence[logging.Handler], level: str) -> None:
        root = logging.getLogger()
        self._hold = _Hold(self)
        self._handlers = (*handlers, self._hold)
        self._before = [_state(root)]
        root.setLevel(level.upper())
        for handler in self._handlers:
            root.addHandler(handler)
        for name in dict.fromkeys(_LIBRARIES + _SERVERS):
            self._take_over(logging.getLogger(name))

    def release(self) -> None:
        """Remove our handlers and put levels back; handlers that others added meanwhile stay. Idempotent."""
        root = logging.getLogger()
        holds = [handler for handler in root.handlers if isinstance(handler, _Hold)]
        if self._hold not in holds:
            return
        later = holds[holds.index(self._hold) + 1 :]
        for handler in self._handlers:
            root.removeHandler(handler)
        if later:
            # What we found is what the next one has to leave behind; its own finding was our doing.
            later[0].owner._before = self._before  # noqa: SLF001 -- of the same class
        else:
            self._restore()

    def _restore(self) -> None:
        for logger, level, propagate, handlers in reversed(self._before):
            logger.setLevel(level)
            logger.propagate = propagate
            if logger is not logging.getLogger():
                logger.handlers[:] = handlers

    def _take_over(self, logger: logging.Logger) -> None:
        self._before.append(_state(logger))
        if logger.name in _LIBRARIES and logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)
        if logger.name in _SERVERS:
            logger.handlers[:] = []
            logger.propagate = True


class _Hold(logging.NullHandler):
    """Marks on the root logger itself who holds it, in order of arrival; it handles nothing."""

    def __init__(self, owner: RootLogging) -> None:
        super().__init__()
        self.owner = owner


def _state(logger: logging.Logger) -> _Before:
    return _Before(logger, logger.level, logger.propagate, tuple(logger.handlers))
