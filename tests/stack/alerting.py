"""The alerting pipeline as it stands in the files, run by the real programs against catchers on the loopback."""

import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.stack.stackfiles import ROOT

TOKEN = "made-up-for-this-test"
AnswerT = TypeVar("AnswerT")
_READY_SECONDS = 20.0


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(question: Callable[[], AnswerT | None], *, timeout_seconds: float, what: str) -> AnswerT:
    """Ask a foreign process again and again until the answer is neither None nor empty."""
    deadline = time.monotonic() + timeout_seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"waited {timeout_seconds} s for {what}"
        time.sleep(0.05)
    return answer


def get_json(url: str) -> Any:  # noqa: ANN401 -- whatever the foreign API answers
    """The body of a GET, or None while the server does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 -- loopback, made by the test
            return json.loads(response.read())
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


@dataclass
class Caught:
    """What the catchers took, oldest first. Appended to by their threads, read by the test."""

    webhooks: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)  # Authorization header, body
    slack: list[Mapping[str, Any]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)

    def webhook(self, alert: str, status: str = "firing") -> Mapping[str, Any] | None:
        """The first notification about an alert."""
        found = (
            body for _, body in self.webhooks if (body["groupLabels"]["alertname"], body["status"]) == (alert, status)
        )
        return next(found, None)

    def message(self, text: str) -> Mapping[str, Any] | None:
        """The first Slack message whose title holds a text."""
        return next((body for body in self.slack if text in body["attachments"][0]["title"]), None)

    def mail(self, text: str) -> EmailMessage | None:
        """The first mail whose subject holds a text."""
        return next((mail for mail in self.mails if text in mail["Subject"]), None)


class _MailHandler:
    def __init__(self, caught: Caught) -> None:
        self._caught = caught

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        self._caught.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"


@contextmanager
def http_server(handle: Callable[[str, Mapping[str, str], bytes], bytes]) -> Iterator[int]:
    """Serve GET and POST on a free port by a function of path, headers and body; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = handle(self.path, dict(self.headers), body)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def catchers() -> Iterator[tuple[Caught, Mapping[str, str]]]:
    """Webhook, Slack and mail catchers; yields what they take and where each component is found."""
    caught = Caught()

    def take(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        if path == "/alertmanager":
            caught.webhooks.append((headers.get("Authorization", ""), json.loads(body)))
        elif path == "/local/slack":
            caught.slack.append(json.loads(body))
        return b"ok"

    mail = Controller(_MailHandler(caught), hostname="127.0.0.1", port=free_port())
    mail.start()
    try:
        with http_server(take) as port:
            yield caught, {"automation:8710": f"127.0.0.1:{port}", "mailpit:1025": f"127.0.0.1:{mail.port}"}
    finally:
        mail.stop()


def stage(directory: Path, addresses: Mapping[str, str], *, quick: bool = False) -> Path:
    """Copy prometheus/ for a run outside of compose, as a native run does: other addresses, nothing else.

    Args:
        directory: Where the copy goes.
        addresses: `host:port` of the compose stack to where the part is found now.
        quick: Shorten waits to about a second as well, so that a test need not sit through them.
    """
    staged = directory / "prometheus"
    shutil.copytree(ROOT / "prometheus", staged)
    text = (staged / "alertmanager.yml").read_text()
    for name, address in addresses.items():
        text = text.replace(name, address)
    (staged / "alertmanager.yml").write_text(text)
    (staged / "secrets").mkdir(mode=0o700)
    (staged / "secrets/alertmanager_token").write_text(TOKEN)
    slack = addresses.get("automation:8710", "127.0.0.1:9")
    (staged / "secrets/slack_webhook_url").write_text(f"http://{slack}/local/slack")
    if quick:
        _shorten(staged)
    return staged


def _shorten(staged: Path) -> None:
    timing = {
        "alertmanager.yml": r"(group_wait|group_interval): \w+",
        "prometheus.yml": r"(scrape_interval|scrape_timeout|evaluation_interval): \w+",
    }
    for name, pattern in timing.items():
        path = staged / name
        path.write_text(re.sub(pattern, r"\1: 1s", path.read_text()))
    for path in (staged / "rules").glob("*.yml"):
        path.write_text(re.sub(r"\b(for|keep_firing_for): \w+", r"\1: 1s", path.read_text()))


def write_targets(staged: Path, name: str, services: Mapping[str, str]) -> None:
    """Replace one of the staged target files: service name to `host:port`."""
    groups = [
        {"targets": [address], "labels": {"service_name": service, "env": "local"}}
        for service, address in services.items()
    ]
    (staged / "targets" / f"{name}.yml").write_text(yaml.safe_dump(groups))


@contextmanager
def running(program: str, arguments: Sequence[str], *, cwd: Path, ready: str) -> Iterator[None]:
    """Run a real program until the block ends; its output is shown when it does not get ready."""
    path = shutil.which(program)
    assert path is not None
    log = cwd / f"{program}.log"
    with log.open("wb") as output:
        process = subprocess.Popen([path, *arguments], cwd=cwd, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603 -- our own arguments
        try:
            wait_for(
                lambda: process.poll() is not None or _answers(ready), timeout_seconds=_READY_SECONDS, what=program
            )
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)


@contextmanager
def alertmanager(staged: Path) -> Iterator[int]:
    """Alertmanager in its staged directory; yields its port."""
    port = free_port()
    arguments = (
        "--config.file=alertmanager.yml",
        "--storage.path=data-alertmanager",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=debug",
    )
    with running("prometheus-alertmanager", arguments, cwd=staged, ready=f"http://127.0.0.1:{port}/-/ready"):
        yield port


@contextmanager
def prometheus(staged: Path) -> Iterator[int]:
    """Prometheus on the staged files with the flags of the compose stack that concern it; yields its port."""
    port = free_port()
    arguments = (
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data-prometheus",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--enable-feature=exemplar-storage",
        # An alert that fired before service discovery found Alertmanager is sent again after a minute, usually.
        "--rules.alert.resend-delay=1s",
    )
    with running("prometheus", arguments, cwd=staged, ready=f"http://127.0.0.1:{port}/-/ready"):
        yield port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 -- loopback, made by the test
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
