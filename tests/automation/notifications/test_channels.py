import logging

import pytest
from pydantic import SecretStr

from services.automation.notifications.channels import (
    BadChannelError,
    NotificationFailedError,
    SlackChannel,
    mail_channel,
    other_channels,
)
from services.automation.notifications.mail import MailSecurity, MailServer
from tests.automation.notifications.catching import mailbox, slack


def server(port: int) -> MailServer:
    return MailServer(host="127.0.0.1", port=port, security=MailSecurity.NONE, user="", password=SecretStr(""))


def test_slack_when_told_then_it_gets_text_alone_with_its_own_letters_escaped() -> None:
    with slack() as taken:
        SlackChannel(SecretStr(taken.url)).send("alpha & beta", "1 < 2\nsecond line")
        assert taken.texts == [{"text": "*alpha &amp; beta*\n1 &lt; 2\nsecond line"}]
        assert taken.paths == ["/services/T0/B0/secretpart"]


def test_slack_when_it_refuses_then_the_failure_and_the_log_hold_no_address(caplog: pytest.LogCaptureFixture) -> None:
    with slack() as taken, caplog.at_level(logging.INFO):
        taken.status = 403
        with pytest.raises(NotificationFailedError, match="slack_webhook_url") as failed:
            SlackChannel(SecretStr(taken.url)).send("t", "b")
    assert "secretpart" not in failed.value.detail + caplog.text
    assert "403" in caplog.text


def test_slack_when_it_is_away_then_the_failure_and_the_log_hold_no_address(caplog: pytest.LogCaptureFixture) -> None:
    with slack() as taken:
        url = taken.url
    with caplog.at_level(logging.INFO), pytest.raises(NotificationFailedError):
        SlackChannel(SecretStr(url)).send("t", "b")
    assert "secretpart" not in caplog.text


@pytest.mark.parametrize("address", ["", "hooks.slack.com/x", "ftp://127.0.0.1/x", "http://", "https://x/y?z=1"])
def test_slack_when_its_address_is_none_then_it_is_refused_at_start(address: str) -> None:
    with pytest.raises(BadChannelError):
        SlackChannel(SecretStr(address))


def test_mail_when_sent_then_a_real_server_takes_it_as_it_was_written() -> None:
    with mailbox() as box:
        channel = mail_channel(
            server(box.port), sender="sightline@localhost", recipients=["one@localhost", "two@localhost"]
        )
        channel.send("needs you: alpha", "first\n\nsecond <b> ü")
    # One to each: nobody learns who else is told.
    assert sorted(mail["To"] for mail in box.mails) == ["one@localhost", "two@localhost"]
    mail = box.mails[0]
    assert (mail["Subject"], mail["From"]) == ("needs you: alpha", "sightline@localhost")
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines() == ["first", "", "second <b> ü"]


def test_mail_when_the_server_refuses_then_it_failed() -> None:
    with mailbox() as box:
        box.answer = "451 later"
        with pytest.raises(NotificationFailedError, match="SIGHTLINE_NOTIFY_SMTP_HOST"):
            mail_channel(server(box.port), sender="a@localhost", recipients=["b@localhost"]).send("t", "b")


def test_other_when_apprise_knows_its_address_then_it_is_told_too() -> None:
    with slack() as taken:
        url = taken.url.replace("http://", "json://")
        channels = other_channels(SecretStr(f"{url}\n  {url}\n"))
        assert [channel.name for channel in channels] == ["other-1", "other-2"]
        channels[1].send("title", "body")
        assert [(told["title"], told["message"]) for told in taken.texts] == [("title", "body")]


def test_other_when_its_address_is_unknown_then_it_is_refused_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(BadChannelError, match="address 1") as refused:
        other_channels(SecretStr("nosuch://hunter2hunter2"))
    assert "hunter2" not in refused.value.detail + caplog.text


def test_other_when_there_is_none_then_nobody_else_is_told() -> None:
    assert other_channels(None) == []
