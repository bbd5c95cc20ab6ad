"""The webhook takes Twilio's own calls, each once; everything else is a 403, never a failure."""

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.auth.secret import Secret
from services.contracts.auth import Broker, SmsReceived, SmsUnmatched, UnmatchedSms
from tests.auth.sms.conftest import NUMBER, ROBIN, SCHWAB, SmsHouse, message_id, posted, signed

_MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_call_when_genuine_then_the_waiting_login_gets_the_code_and_the_fact_says_how_long(sms: SmsHouse) -> None:
    challenge = sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    sms.clock.advance(4)
    assert sms.call().status_code == 204
    assert sms.correlator.wait(challenge, 0).reveal() == "482913"
    assert sms.facts.facts == [SmsReceived(subject=ROBIN, broker=Broker.ROBINHOOD, waited_seconds=4)]


def test_call_when_no_login_waits_then_it_is_counted_under_the_numbers_name_without_its_content(sms: SmsHouse) -> None:
    assert sms.call().status_code == 204
    (fact,) = sms.facts.facts
    assert fact == SmsUnmatched(subject="number-of-robinhood-main", reason=UnmatchedSms.NO_CHALLENGE)
    assert sms.call(posted(2, To="+15550999888")).status_code == 204
    assert sms.facts.facts[-1].subject == "number-of-nobody"


def test_call_when_made_then_neither_code_nor_number_is_stored(sms: SmsHouse) -> None:
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    sms.call(posted(body="Your Robinhood code is 736291."))
    stored = b"".join(path.read_bytes() for path in sms.directory.glob("auth.db*"))
    assert message_id(1).encode() in stored
    assert b"736291" not in stored
    assert stored.count(NUMBER.encode()) == stored.count(b"sms_number")


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("", "bad_signature"),
        ("A" * 27 + "=", "bad_signature"),
        ("not base64 at all!", "bad_signature"),
        ("a" * 10_000, "bad_signature"),
    ],
)
def test_call_when_forged_then_refused(sms: SmsHouse, signature: str, reason: str) -> None:
    answer = sms.call(signature=signature)
    assert (answer.status_code, answer.json()["code"]) == (403, "sms_call_refused")
    assert sms.refused(reason) == 1
    assert sms.facts.facts == []


def test_call_when_signed_with_another_token_then_refused(sms: SmsHouse) -> None:
    assert sms.call(signature=signed(posted(), token=Secret("another"))).status_code == 403
    assert sms.refused("bad_signature") == 1


def test_call_when_signed_for_another_address_then_refused_whatever_the_host_header_says(sms: SmsHouse) -> None:
    foreign = "https://other.example/sms/twilio"
    answer = sms.call(
        signature=signed(posted(), url=foreign), headers={"host": "other.example", "x-forwarded-host": "other.example"}
    )
    assert answer.status_code == 403


def test_call_when_the_host_header_is_strange_then_a_genuine_signature_is_still_taken(sms: SmsHouse) -> None:
    assert sms.call(headers={"host": "internal-7", "x-forwarded-proto": "http"}).status_code == 204


@pytest.mark.parametrize("name", ["Body", "To", "MessageSid", "NumMedia"])
def test_call_when_a_field_was_altered_then_refused(sms: SmsHouse, name: str) -> None:
    altered = posted() | {name: posted()[name] + "1"}
    assert sms.call(altered, signature=signed(posted())).status_code == 403


def test_call_when_two_signatures_come_then_refused(sms: SmsHouse) -> None:
    headers = [("content-type", "application/x-www-form-urlencoded")]
    headers += [("x-twilio-signature", signed(posted())), ("x-twilio-signature", "A" * 27 + "=")]
    answer = sms.client.post("/sms/twilio", content=urlencode(posted()).encode(), headers=headers)
    assert answer.status_code == 403


def test_call_when_repeated_then_refused_and_a_new_login_does_not_get_the_old_code(sms: SmsHouse) -> None:
    assert sms.call().status_code == 204
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    assert sms.call().status_code == 403
    assert sms.refused("repeated") == 1
    assert len(sms.correlator.pending()) == 1


def test_call_when_repeated_after_a_restart_then_refused_still(sms: SmsHouse) -> None:
    sms.call()
    sms.restart()
    sms.clock.advance(86_400 * 365)
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    assert sms.call().status_code == 403
    assert len(sms.correlator.pending()) == 1


def test_call_when_it_comes_after_the_challenges_life_then_unmatched(sms: SmsHouse) -> None:
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    sms.clock.advance(301)
    assert sms.call().status_code == 204
    assert sms.facts.of(SmsUnmatched) == [
        SmsUnmatched(subject="number-of-robinhood-main", reason=UnmatchedSms.TOO_LATE)
    ]


def test_call_when_it_comes_before_the_login_asks_then_the_login_does_not_get_it(sms: SmsHouse) -> None:
    sms.call()
    sms.clock.advance(1)
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    assert len(sms.correlator.pending()) == 1


def test_call_when_to_another_number_then_the_waiting_login_does_not_get_it(sms: SmsHouse) -> None:
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    assert sms.call(posted(To="+15550100201")).status_code == 204
    assert len(sms.correlator.pending()) == 1


def test_calls_when_two_logins_wait_at_one_number_then_each_gets_its_brokers_code(sms: SmsHouse) -> None:
    robin = sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    schwab = sms.correlator.open(SCHWAB, NUMBER, Broker.SCHWAB)
    sms.call(posted(1, "Schwab: 111222 is your access code"))
    sms.call(posted(2, "Your Robinhood code is 333444"))
    assert sms.correlator.wait(schwab, 0).reveal() == "111222"
    assert sms.correlator.wait(robin, 0).reveal() == "333444"


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=utf-16"],
)
def test_call_when_it_is_no_form_then_refused(sms: SmsHouse, content_type: str) -> None:
    assert sms.call(content_type=content_type).status_code == 403
    assert sms.refused("not_a_form") == 1


def test_call_when_the_charset_is_named_then_taken(sms: SmsHouse) -> None:
    assert sms.call(content_type="application/x-www-form-urlencoded; charset=UTF-8").status_code == 204


@pytest.mark.parametrize("size", [16 * 1024 + 1, 90_000])
def test_call_when_oversized_then_refused_before_it_is_read_as_a_form(sms: SmsHouse, size: int) -> None:
    assert sms.call(raw=b"Body=" + b"a" * size).status_code == 403
    assert sms.refused("too_large") == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"Body",
        b"Body=%FF%FE",
        b"Body=%ED%A0%80",
        b"Body=a&Body=b",
        "Body=ä".encode("latin-1"),
        b"&".join(b"f%d=1" % number for number in range(101)),
    ],
)
def test_call_when_the_form_is_malformed_then_refused(sms: SmsHouse, raw: bytes) -> None:
    assert sms.call(raw=raw).status_code == 403
    assert sms.refused("malformed") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"MessageSid": "SM1"},
        {"MessageSid": "XX" + "0" * 32},
        {"MessageSid": message_id(1) + "\n"},
        {"To": "15550100200"},
        {"To": "+0555"},
        {"To": "+\u0661\u0665\u0665\u0665\u0660\u0661\u0660\u0660"},
        {"AccountSid": "AC1"},
        {"Body": "a" * 1_601},
    ],
    ids=str,
)
def test_call_when_signed_but_a_field_has_another_form_then_refused(sms: SmsHouse, changes: dict[str, str]) -> None:
    assert sms.call(posted() | changes).status_code == 403
    assert sms.refused("malformed") == 1


def test_call_when_signed_but_without_body_then_refused(sms: SmsHouse) -> None:
    without = {name: value for name, value in posted().items() if name != "Body"}
    assert sms.call(without).status_code == 403


def test_call_when_it_is_another_twilio_accounts_then_refused(sms: SmsHouse) -> None:
    assert sms.call(posted(AccountSid="AC" + "2" * 32)).status_code == 403
    assert sms.refused("foreign_account") == 1


def test_call_when_the_longest_message_is_in_another_script_then_taken(sms: SmsHouse) -> None:
    assert sms.call(posted(body="\u30b3" * 1_600)).status_code == 204


def test_answers_when_refused_then_all_read_the_same(sms: SmsHouse) -> None:
    sms.call()
    answers = [
        sms.call(),
        sms.call(signature="A" * 27 + "="),
        sms.call(posted(AccountSid="AC" + "2" * 32)),
        sms.call(raw=b"Body"),
        sms.call(content_type="text/plain"),
    ]
    assert len({(answer.status_code, answer.json()["code"], answer.json()["detail"]) for answer in answers}) == 1


@_MANY
@given(raw=st.binary(max_size=400), signature=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_call_when_it_is_anything_at_all_then_refused_and_never_a_failure(
    sms: SmsHouse, raw: bytes, signature: str
) -> None:
    assert sms.call(raw=raw, signature=signature).status_code == 403


@_MANY
@given(body=st.text(st.characters(exclude_categories=["Cs"]), max_size=1_600))
def test_call_when_genuine_then_taken_once_whatever_the_message_says(sms: SmsHouse, body: str) -> None:
    number = 10 + sms.facts.commits
    assert sms.call(posted(number, body)).status_code == 204
    assert sms.call(posted(number, body)).status_code == 403
