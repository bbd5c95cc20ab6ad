import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.errors import ChallengeClosedError, SmsCodeMissingError
from services.auth.sms.correlator import LIFE, Matched, SmsCorrelator, SmsMessage
from services.auth.sms.patterns import standard_patterns
from services.contracts.auth import Broker, UnmatchedSms
from services.kit.ids import SystemRandomness
from tests.auth.support import ACCOUNT, OTHER
from tests.fakes.clock import FakeClock

NUMBER = "+15550100"
BODY = "Your Robinhood code is 482913. Don't share it. It is valid for 10 minutes."


@pytest.fixture
def correlator(clock: FakeClock) -> SmsCorrelator:
    return SmsCorrelator(standard_patterns(), clock, SystemRandomness())


def _message(
    clock: FakeClock, body: str = BODY, *, sid: str = "SM1", number: str = NUMBER, ago: float = 0
) -> SmsMessage:
    return SmsMessage(sid, number, body, clock.now() - timedelta(seconds=ago))


def test_code_when_its_message_comes_then_the_waiting_login_gets_it(
    correlator: SmsCorrelator, clock: FakeClock
) -> None:
    challenge = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    clock.advance(7)
    assert correlator.offer(_message(clock)) == Matched(ACCOUNT, Broker.ROBINHOOD, timedelta(seconds=7))
    assert correlator.wait(challenge, 0).reveal() == "482913"


def test_code_when_the_login_is_already_waiting_then_it_wakes_up(clock: FakeClock) -> None:
    correlator = SmsCorrelator(standard_patterns(), clock, SystemRandomness())
    challenge = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    got: list[str] = []
    waiting = threading.Thread(target=lambda: got.append(correlator.wait(challenge, 30).reveal()))
    waiting.start()
    correlator.offer(_message(clock))
    waiting.join(10)
    assert got == ["482913"]


def test_code_when_taken_then_it_cannot_be_taken_again(correlator: SmsCorrelator, clock: FakeClock) -> None:
    challenge = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    correlator.offer(_message(clock))
    correlator.wait(challenge, 0)
    with pytest.raises(ChallengeClosedError):
        correlator.wait(challenge, 0)


def test_code_when_many_wait_for_one_challenge_then_one_gets_it(correlator: SmsCorrelator, clock: FakeClock) -> None:
    challenge = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    got: list[str] = []

    def take() -> None:
        try:
            got.append(correlator.wait(challenge, 30).reveal())
        except ChallengeClosedError:
            got.append("closed")

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    correlator.offer(_message(clock))
    for thread in threads:
        thread.join(10)
    assert sorted(got) == ["482913"] + ["closed"] * 7


def _without_challenge(correlator: SmsCorrelator, clock: FakeClock) -> SmsMessage:
    return _message(clock)


def _other_number(correlator: SmsCorrelator, clock: FakeClock) -> SmsMessage:
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    return _message(clock, number="+15550199")


def _early(correlator: SmsCorrelator, clock: FakeClock) -> SmsMessage:
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    return _message(clock, ago=0.5)


def _late(correlator: SmsCorrelator, clock: FakeClock) -> SmsMessage:
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    clock.advance(LIFE.total_seconds())
    return _message(clock)


def _received_in_time_handed_in_late(correlator: SmsCorrelator, clock: FakeClock) -> SmsMessage:
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    clock.advance(LIFE.total_seconds())
    return _message(clock, ago=60)


def _other_sender(correlator: SmsCorrelator, clock: FakeClock) -> SmsMessage:
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    return _message(clock, "Your MyBank code is 482913")


def _two_codes(correlator: SmsCorrelator, clock: FakeClock) -> SmsMessage:
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    return _message(clock, "Robinhood: 482913 or 482914")


def _two_brokers(correlator: SmsCorrelator, clock: FakeClock) -> SmsMessage:
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    correlator.open(OTHER, NUMBER, Broker.SCHWAB)
    return _message(clock, "Robinhood and Schwab say 482913")


def _repeated(correlator: SmsCorrelator, clock: FakeClock) -> SmsMessage:
    correlator.offer(_message(clock))
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    return _message(clock)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (_without_challenge, UnmatchedSms.NO_CHALLENGE),
        (_other_number, UnmatchedSms.NO_CHALLENGE),
        (_early, UnmatchedSms.TOO_EARLY),
        (_late, UnmatchedSms.TOO_LATE),
        (_received_in_time_handed_in_late, UnmatchedSms.TOO_LATE),
        (_other_sender, UnmatchedSms.NO_CODE),
        (_two_codes, UnmatchedSms.AMBIGUOUS),
        (_two_brokers, UnmatchedSms.AMBIGUOUS),
        (_repeated, UnmatchedSms.DUPLICATE),
    ],
)
def test_message_when_it_does_not_fit_then_the_reason_is_named_and_nobody_gets_a_code(
    correlator: SmsCorrelator, clock: FakeClock, case: object, reason: UnmatchedSms
) -> None:
    assert callable(case)
    assert correlator.offer(case(correlator, clock)) is reason
    assert all(expires_at for *_, expires_at in correlator.pending())
    for challenge, *_ in correlator.pending():
        with pytest.raises(SmsCodeMissingError):
            correlator.wait(challenge, 0)


def test_message_when_polled_in_the_second_of_opening_then_its_rounding_is_allowed_for(
    correlator: SmsCorrelator, clock: FakeClock
) -> None:
    clock.advance(0.4)
    challenge = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    message = SmsMessage("SM1", NUMBER, BODY, clock.now() - timedelta(seconds=0.4), timedelta(seconds=1))
    assert isinstance(correlator.offer(message), Matched)
    assert correlator.wait(challenge, 0).reveal() == "482913"


def test_message_when_the_challenge_has_its_code_then_a_second_one_does_not_replace_it(
    correlator: SmsCorrelator, clock: FakeClock
) -> None:
    challenge = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    correlator.offer(_message(clock))
    assert correlator.offer(_message(clock, "Robinhood 111111", sid="SM2")) is UnmatchedSms.NO_CHALLENGE
    assert correlator.wait(challenge, 0).reveal() == "482913"


def test_message_when_two_brokers_are_awaited_then_each_gets_its_own(
    correlator: SmsCorrelator, clock: FakeClock
) -> None:
    first = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    second = correlator.open(OTHER, NUMBER, Broker.SCHWAB)
    correlator.offer(_message(clock, "Schwab code: 222222", sid="SM2"))
    correlator.offer(_message(clock, sid="SM1"))
    assert (correlator.wait(first, 0).reveal(), correlator.wait(second, 0).reveal()) == ("482913", "222222")


def test_challenge_when_opened_anew_then_the_one_before_is_closed(correlator: SmsCorrelator, clock: FakeClock) -> None:
    first = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    second = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    with pytest.raises(ChallengeClosedError):
        correlator.wait(first, 0)
    correlator.offer(_message(clock))
    assert correlator.wait(second, 0).reveal() == "482913"


def test_code_when_it_came_in_time_and_is_fetched_too_late_then_it_is_not_given(
    correlator: SmsCorrelator, clock: FakeClock
) -> None:
    challenge = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    correlator.offer(_message(clock))
    clock.advance(LIFE.total_seconds())
    with pytest.raises(SmsCodeMissingError):
        correlator.wait(challenge, 30)


def test_operator_when_he_enters_the_code_then_the_login_gets_it_and_a_second_entry_is_refused(
    correlator: SmsCorrelator,
) -> None:
    challenge = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    assert [each[:3] for each in correlator.pending()] == [(challenge, ACCOUNT, Broker.ROBINHOOD)]
    correlator.enter(challenge, " 482 913 ")
    assert correlator.pending() == []
    with pytest.raises(ChallengeClosedError):
        correlator.enter(challenge, "111111")
    assert correlator.wait(challenge, 0).reveal() == "482913"


def test_operator_when_the_challenge_is_over_then_the_entry_is_refused(
    correlator: SmsCorrelator, clock: FakeClock
) -> None:
    expired = correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    clock.advance(LIFE.total_seconds())
    cancelled = correlator.open(ACCOUNT, NUMBER, Broker.SCHWAB)
    correlator.cancel(cancelled)
    for challenge in (expired, cancelled, "unknown"):
        with pytest.raises(ChallengeClosedError):
            correlator.enter(challenge, "482913")


def test_challenge_when_the_broker_sends_no_codes_then_it_cannot_be_opened(correlator: SmsCorrelator) -> None:
    with pytest.raises(ChallengeClosedError):
        correlator.open(ACCOUNT, NUMBER, Broker.ALPACA)


@pytest.mark.parametrize(
    "body",
    [
        "Robinhood: $482913",
        "Robinhood 1-482913",
        "Robinhood 4829131",
        "Robinhood 482,913.00",
        "Robinhood ٤٨٢٩١٣",
        "Robinhood 482913.50",
    ],
)
def test_pattern_when_the_digits_are_part_of_something_else_then_they_are_no_code(
    correlator: SmsCorrelator, clock: FakeClock, body: str
) -> None:
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    assert correlator.offer(_message(clock, body)) is UnmatchedSms.NO_CODE


@given(st.text(max_size=3_000), st.text(max_size=40))
def test_message_when_its_body_is_any_text_then_nothing_is_raised(body: str, sid: str) -> None:
    clock = FakeClock()
    correlator = SmsCorrelator(standard_patterns(), clock, SystemRandomness())
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    assert correlator.offer(_message(clock, "robinhood " + body, sid=sid))


def test_message_and_result_when_printed_then_neither_number_nor_code_shows(
    correlator: SmsCorrelator, clock: FakeClock
) -> None:
    correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
    message = _message(clock)
    shown = repr(message) + repr(correlator.offer(message)) + repr(correlator._challenges.values())
    assert "482913" not in shown
    assert NUMBER not in repr(message)
