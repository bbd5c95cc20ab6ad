"""The queue of messages over a real database and channels that can fail."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from services.automation.instruments import TABLE
from services.automation.notifications.channels import NotificationFailedError
from services.automation.notifications.desk import NotificationDesk, Pace
from services.automation.notifications.words import Message
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.instruments import Instruments
from telemetry.catalogue import NOTIFICATION_CHANNEL, NOTIFICATIONS
from telemetry.emit.metrics import Metrics
from telemetry.emit.redaction import Redactor
from tests.automation.conftest import MIGRATIONS
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock


@dataclass
class Reached:
    """A channel that takes what comes, or nothing."""

    name: str
    away: bool = False
    told: list[tuple[str, str]] = field(default_factory=list)
    tries: int = 0

    def send(self, title: str, body: str) -> None:
        self.tries += 1
        if self.away:
            raise NotificationFailedError(f"{self.name} is away")
        self.told.append((title, body))


@dataclass
class Told:
    """The queue and what can be seen of it."""

    facts: Facts
    clock: FakeClock
    telemetry: RecordedTelemetry
    slack: Reached = field(default_factory=lambda: Reached("slack"))
    email: Reached = field(default_factory=lambda: Reached("email"))

    def __post_init__(self) -> None:
        self.desk = self.opened()

    def opened(self) -> NotificationDesk:
        """As after a restart."""
        pace = Pace(timedelta(seconds=20), per_minute=4)
        return NotificationDesk([self.slack, self.email], self.facts, self.clock, Redactor(), pace)

    def take(self, message_id: str, title: str = "title", body: str = "body", *, urgent: bool = False) -> None:
        with self.facts.transaction() as tx:
            self.desk.take(tx, message_id, Message(title, body, urgent))

    def counted(self, channel: str, outcome: str) -> float:
        return self.telemetry.value("sightline_notifications_total", channel=channel, outcome=outcome)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    database = Database(f"sqlite:///{tmp_path}/automation.db", service="automation", versions=[MIGRATIONS])
    database.migrate()
    telemetry = RecordedTelemetry(Metrics(_TelemetryClock()))
    telemetry.metrics.declare(NOTIFICATIONS, NOTIFICATION_CHANNEL.name, ["slack", "email"])
    clock = FakeClock()
    yield Told(Facts(database, Instruments(TABLE), telemetry, clock, "automation"), clock, telemetry)
    database.close()


def test_message_when_urgent_then_it_goes_at_once_by_every_channel(told: Told) -> None:
    told.take("1", urgent=True)
    assert told.desk.send_due() == 2
    assert told.slack.told == told.email.told == [("title", "body")]
    assert told.counted("slack", "sent") == 1


def test_message_when_taken_twice_then_it_is_told_once(told: Told) -> None:
    told.take("1", urgent=True)
    told.desk.send_due()
    told.take("1", urgent=True)
    assert told.desk.send_due() == 0


def test_messages_when_not_urgent_then_they_wait_and_go_together(told: Told) -> None:
    told.take("1", "first")
    told.clock.advance(10)
    told.take("2", "second")
    assert told.desk.send_due() == 0
    told.clock.advance(10)
    told.desk.send_due()
    assert told.slack.told == [("first; second", "first\nbody\n\nsecond\nbody")]
    assert told.counted("slack", "sent") == 2


def test_messages_when_there_are_too_many_then_what_is_over_goes_together_a_minute_later(told: Told) -> None:
    for number in range(6):
        told.take(str(number), f"m{number}", urgent=True)
        told.desk.send_due()
    assert [title for title, _ in told.slack.told] == ["m0", "m1", "m2", "m3"]
    told.clock.advance(60)
    told.desk.send_due()
    assert told.slack.told[-1][0] == "m4; m5"


def test_channel_when_it_is_away_then_it_alone_is_tried_again_ever_more_slowly(told: Told) -> None:
    told.email.away = True
    told.take("1", urgent=True)
    told.desk.send_due()
    for _ in range(60):
        told.clock.advance(1)
        told.desk.send_due()
    assert len(told.slack.told) == 1
    assert told.email.tries == 4  # at 0, 5, 15 and 35 seconds
    told.email.away = False
    told.clock.advance(60)
    told.desk.send_due()
    assert told.email.told == [("title", "body")]
    assert told.counted("email", "failed") == 4


def test_channel_when_it_stays_away_for_a_day_then_the_message_is_given_up_and_that_is_stated(told: Told) -> None:
    told.email.away = True
    told.take("1", urgent=True)
    told.desk.send_due()
    told.clock.advance(24 * 3600)
    told.desk.send_due()
    told.email.away = False
    told.clock.advance(3600)
    assert told.desk.send_due() == 0
    assert told.counted("email", "undelivered") == 1


def test_message_when_the_process_ends_before_it_goes_then_it_goes_after_the_start(told: Told) -> None:
    told.take("1")
    again = told.opened()
    told.clock.advance(20)
    assert again.send_due() == 2
    assert again.send_due() == 0


def test_message_when_a_secret_stands_in_it_then_the_secret_goes_nowhere(told: Told) -> None:
    told.take("1", body="the venue said: Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789", urgent=True)
    told.desk.send_due()
    assert "abcdefghij" not in told.slack.told[0][1]


def test_waiting_when_messages_wait_then_their_number_and_age_are_known(told: Told) -> None:
    told.take("1")
    told.clock.advance(7)
    told.take("2")
    assert told.desk.waiting() == {"slack": (2, 7.0), "email": (2, 7.0)}
