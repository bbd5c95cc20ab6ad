"""Catchers on loopback: what a mail server and a webhook took."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.fakes.json_server import Answer, Asked, JsonServer
from tests.stack.alerting import free_port


@dataclass
class Slack:
    """An incoming webhook. `status` is what it answers."""

    url: str = ""
    status: int = 200
    texts: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def take(self, asked: Asked) -> Answer:
        self.paths.append(asked.path)
        if self.status == 200:
            self.texts.append(json.loads(asked.body))
        return Answer(self.status, b"ok", "text/plain")


@contextmanager
def slack() -> Iterator[Slack]:
    """A webhook that takes what comes."""
    taken = Slack()
    with JsonServer(taken.take) as server:
        taken.url = f"{server.url}/services/T0/B0/secretpart"
        yield taken


@dataclass
class Mailbox:
    """A mail server. `answer` is what it says to a mail."""

    port: int
    answer: str = "250 taken"
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        if self.answer.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.answer


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A real SMTP server."""
    box = Mailbox(free_port())
    server = Controller(box, hostname="127.0.0.1", port=box.port)
    server.start()
    try:
        yield box
    finally:
        server.stop()
