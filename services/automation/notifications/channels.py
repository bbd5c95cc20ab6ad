"""Ways to a person. apprise speaks to all of them; what it may not do is put an address into the log."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import quote, urlencode

from apprise import Apprise, NotifyFormat
from apprise.plugins.base import NotifyBase
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.email.base import NotifyEmail
from pydantic import SecretStr

from services.automation.notifications.mail import MailSecurity, MailServer
from services.kit.errors import StartError, UnavailableError

_CONNECT_SECONDS = "5"
_ANSWER_SECONDS = "10"


class NotificationFailedError(UnavailableError):
    """The message did not reach its channel; sending it again may help."""

    code = "notification_failed"
    title = "A notification was not delivered"


class BadChannelError(StartError):
    """An address that messages should go to cannot be used."""

    code = "bad_channel"
    title = "A channel for notifications cannot be used"


class Channel(Protocol):
    """A way to a person."""

    @property
    def name(self) -> str:
        """For the log and for metrics: slack, email, other-1, other-2..."""

    def send(self, title: str, body: str) -> None:
        """Deliver one message. Blocks. Raises `NotificationFailedError`."""


class AppriseChannel:
    """A channel of apprise."""

    def __init__(self, name: str, service: NotifyBase, remedy: str) -> None:
        self._name, self._remedy = name, remedy
        self._apprise = Apprise()
        service.request_rate_per_sec = 0  # the queue paces
        self._apprise.add(service)

    @property
    def name(self) -> str:
        return self._name

    def send(self, title: str, body: str) -> None:
        if not self._apprise.notify(body=body, title=title, body_format=NotifyFormat.TEXT):
            raise NotificationFailedError(f"{self._name} did not take it; the log line before says why. {self._remedy}")


class SlackChannel(AppriseChannel):
    """An incoming webhook of Slack, whose address is the secret, or whatever takes `{"text": ...}` by POST."""

    def __init__(self, url: SecretStr) -> None:
        address = url.get_secret_value().strip()
        scheme, separator, rest = address.partition("://")
        if scheme not in {"http", "https"} or not separator or rest.startswith("/") or "?" in rest or not rest:
            raise BadChannelError("The file slack_webhook_url must hold an address such as https://hooks.slack.com/...")
        # Of apprise's own fields only the text is Slack's: the others are renamed to nothing, which leaves them out.
        fields = {":message": "text", ":title": "", ":version": "", ":type": "", ":attachments": ""}
        more = {**fields, "cto": _CONNECT_SECONDS, "rto": _ANSWER_SECONDS, "redirect": "no"}
        service = _service(
            NotifyJSON, f"json{'s' if scheme == 'https' else ''}://{rest}?{urlencode(more)}", "slack_webhook_url"
        )
        super().__init__("slack", service, "Check the file slack_webhook_url.")

    def send(self, title: str, body: str) -> None:
        super().send("", _escaped(f"*{title}*\n{body}"))


def mail_channel(server: MailServer, *, sender: str, recipients: Sequence[str]) -> AppriseChannel:
    """E-mail to `recipients`. Raises `BadChannelError`."""
    login = (
        f"{quote(server.user, safe='')}:{quote(server.password.get_secret_value(), safe='')}@" if server.user else ""
    )
    mode = {MailSecurity.NONE: "insecure", MailSecurity.STARTTLS: "starttls", MailSecurity.TLS: "ssl"}[server.security]
    scheme = "mailto" if server.security is MailSecurity.NONE else "mailtos"
    more = {"from": sender, "to": ",".join(recipients), "mode": mode, "cto": _CONNECT_SECONDS}
    url = f"{scheme}://{login}{server.host}:{server.port}?{urlencode(more)}"
    remedy = f"Check SIGHTLINE_NOTIFY_SMTP_HOST and its neighbours; it is {server.host}:{server.port}."
    return AppriseChannel("email", _service(NotifyEmail, url, "SIGHTLINE_NOTIFY_FROM, _TO or _SMTP_HOST"), remedy)


def other_channels(urls: SecretStr | None) -> list[AppriseChannel]:
    """One for each of apprise's addresses, between which there is white space. Raises `BadChannelError`."""
    found = [] if urls is None else urls.get_secret_value().split()
    return [
        AppriseChannel(
            f"other-{number}",
            _any_service(url, f"address {number} in the file notify_urls"),
            "Check the file notify_urls.",
        )
        for number, url in enumerate(found, start=1)
    ]


def _service(kind: type[NotifyBase], url: str, place: str) -> NotifyBase:
    """Without a search through all of apprise's two hundred services, which costs a second and 20 MB."""
    with _nothing_said():
        fields = kind.parse_url(url)
        try:
            return kind(**(fields or {}))
        except (TypeError, KeyError):  # what apprise raises for parts that are missing or wrong
            raise BadChannelError(f"{place} holds what cannot be used; it is not shown, since it is secret.") from None


def _any_service(url: str, place: str) -> NotifyBase:
    with _nothing_said():
        service = Apprise.instantiate(url)
    if not isinstance(service, NotifyBase):
        raise BadChannelError(f"apprise does not know what to do with {place}; it is not shown, since it is secret.")
    return service


@contextmanager
def _nothing_said() -> Iterator[None]:
    """While an address is read, for one that cannot be is logged by apprise, and an address is a secret."""
    logger = logging.getLogger("apprise")
    was = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = was


def _escaped(text: str) -> str:
    """The three letters that Slack reads as its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
