import base64
import json
import secrets
import string
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from telemetry.catalogue import TELEMETRY_REDACTIONS
from telemetry.emit.patterns import REPLACEMENTS, may_hold_secret
from telemetry.emit.redaction import MAX_FIELD_CHARS, MAX_FIELDS, MAX_TEXT_CHARS, Redactor

_ALPHANUMERIC = string.ascii_letters + string.digits
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def made_of(alphabet: str, shortest: int, longest: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=shortest, max_size=longest)


_passwords = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Zs", "Cc")), min_size=6, max_size=40
)
_tokens = made_of(_ALPHANUMERIC + "-_", 12, 80).filter(lambda token: any(char.isdigit() for char in token))
_seeds = made_of(_BASE32, 16, 32).filter(lambda seed: any(char.isdigit() for char in seed))
_codes = made_of("0123456789", 6, 8).filter(lambda code: not code.startswith(("4", "5")))
_names = st.sampled_from(["password", "Passwd", "client_secret", "API_KEY", "api-key", "access_token", "seed", "totp"])

# A way to plant a secret: what is secret, and the text that holds it.
_planted = st.one_of(
    st.builds(lambda name, value: (value, f"{name}={value}"), _names, _tokens),
    st.builds(lambda name, value: (value, f'{{"{name}": {json.dumps(value)}}}'), _names, _tokens),
    st.builds(lambda name, value: (repr(value)[1:-1], repr({name: value, "n": 1})), _names, _passwords),
    st.builds(lambda value: (value, f"Authorization: Bearer {value}"), _tokens),
    st.builds(lambda value: (value, f"sent Bearer {value} along"), _tokens),
    st.builds(lambda value: (value, f"Authorization: Basic {value}"), _tokens),
    st.builds(lambda value: (value, f"otpauth://totp/Broker:me?secret={value}&issuer=Broker"), _seeds),
    st.builds(lambda value: (value, f"read {value} from the page"), _seeds),
    st.builds(lambda value: (value, f"the seed {value} was read"), _seeds),
    st.builds(lambda value: (value, f"postgresql://user:{value}@db.internal:5432/app"), _tokens),
    st.builds(
        lambda value: (f"PK{value}", f"key PK{value} used"), made_of(string.ascii_uppercase + string.digits, 18, 24)
    ),
    st.builds(lambda value: (value, f"your code is {value}"), _codes),
    st.builds(lambda value: (value, f"{value} is your Broker passcode"), _codes),
    st.builds(lambda value: (value, f"2FA: {value}"), _codes),
    st.builds(
        lambda head, body: (f"eyJ{head}.eyJ{body}", f"token eyJ{head}.eyJ{body}.sig"),
        made_of(_ALPHANUMERIC, 10, 30),
        made_of(_ALPHANUMERIC, 10, 60),
    ),
    st.builds(
        lambda body: (body, f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"),
        made_of(_ALPHANUMERIC + "+/", 40, 120),
    ),
)
_surroundings = st.text(st.characters(min_codepoint=32, max_codepoint=0x17F), max_size=60)
_clean_words = st.sampled_from(
    [
        "order accepted by the venue",
        "retry 3 of 5 in 12.5 ms",
        "AAPL",
        "2026-07-12T09:30:00Z",
        "status: 200",
        "exit code 137",
        "EURUSD",
        "tokens=512",
        "state=HALTED",
        "http://127.0.0.1:3100/ready",
        "0190f3c2-7d1e-7b44-a0c2-6b3d5a2f9e11",
        "filled",
    ]
)


@given(planted=_planted, before=_surroundings, after=_surroundings)
def test_text_when_a_secret_is_planted_then_it_does_not_survive(
    planted: tuple[str, str], before: str, after: str
) -> None:
    secret, text = planted
    assume(secret not in before + after)
    assert secret not in Redactor().text(f"{before} {text} {after}")


@given(planted=_planted)
def test_text_when_it_was_redacted_before_then_it_stays_as_it_is(planted: tuple[str, str]) -> None:
    once = Redactor().text(planted[1])
    assert Redactor().text(once) == once


@given(words=st.lists(_clean_words, max_size=12))
def test_text_when_it_is_clean_then_it_is_unchanged(words: list[str]) -> None:
    text = " ".join(words)
    assert Redactor().text(text) == text


@given(text=st.one_of(st.text(), _planted.map(lambda pair: pair[1])))
def test_quick_look_when_a_pattern_matches_then_it_has_said_so(text: str) -> None:
    if any(expression.search(text) for _, expression, _ in REPLACEMENTS):
        assert may_hold_secret(text)


# Where the quick look ends early: short texts made of what secrets are made of, and of what they begin with.
_SHORT = st.one_of(
    st.text("eyJbar PKACotpcde2fa0123456789-:=", max_size=20),
    st.lists(st.sampled_from(["bearer", "eyJ", "2fa", "otp", "code", "pwd", "pin", " ", "-", "1", "123456", ":", "="]))
    .map("".join)
    .filter(lambda text: len(text) <= 20),
)


@given(text=_SHORT)
@example("bearer 1")
@example("pwd=1")
@example("otp123456")
def test_quick_look_at_a_short_text_misses_nothing_that_all_patterns_find(text: str) -> None:
    whole = text
    for _, expression, replacement in REPLACEMENTS:
        whole = expression.sub(replacement, whole)
    assert Redactor().text(text) == whole


@given(parts=st.lists(st.one_of(_SHORT, _surroundings), max_size=6))
@example(parts=["code", "123456"])
def test_quick_look_at_several_texts_at_once_misses_nothing_that_one_of_them_may_hold(parts: list[str]) -> None:
    assert may_hold_secret("\n".join(parts)) or not any(map(may_hold_secret, parts))


@given(planted=_planted, others=st.lists(_clean_words, max_size=6))
def test_fields_when_one_of_several_holds_a_secret_then_it_alone_is_hidden(
    planted: tuple[str, str], others: list[str]
) -> None:
    secret, text = planted
    clean = tuple((f"other{number}", word) for number, word in enumerate(others))
    told = Redactor().fields({"text": text, **dict(clean)})
    assert secret not in told[0][1]
    assert told[1:] == clean


def test_names_of_fields_beyond_those_that_are_remembered_are_judged_the_same() -> None:
    redactor = Redactor()
    for number in range(1_100):
        redactor.fields({f"name{number}": "plain"})
    twice = [redactor.fields({"api_key": "abc", "venue": "alpha"}) for _ in range(2)]
    assert twice == [(("api_key", "[redacted]"), ("venue", "alpha"))] * 2


@pytest.mark.parametrize(
    "text",
    [
        "bearer authentication failed",
        "INTERNALSERVERERROR",
        "HTTP status code 429",
        "order 1234567 rejected with code 42210000",
        '{"code":40310000,"message":"insufficient buying power"}',
        "prompt_tokens=1234567",
        "http://127.0.0.1:8700/npm/@scope",
        "trace 0af7651916cd43dd8448eb211c80319c",
        "decoded 12345678 bytes",
        "AAPL MSFT NVDA TSLA META 250 shares",
    ],
)
def test_text_when_it_only_resembles_a_secret_then_it_stays(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("otpauth://totp/x", "otpauth"),
        (f"eyJ{'a' * 12}.{'b' * 12}.{'c' * 12}", "jwt"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", "pem"),
        ("Bearer a1b2c3", "bearer"),
        ("password: x", "key_value"),
        ("redis://:pw@host/0", "url_userinfo"),
        ("JBSW Y3DP EHPK 3PXP", "base32"),
        ("QWER-TYUI-ASDF-GHJ2-KL", "base32"),
        (f"AK{'A1' * 9}", "broker_key"),
        ("otp 123 456", "code"),
    ],
)
def test_text_when_a_pattern_matches_then_it_is_counted_under_its_name(text: str, pattern: str) -> None:
    counts: Counter[str] = Counter()
    Redactor(lambda name: counts.update([name])).text(text)
    assert counts == {pattern: 1}


def test_patterns_when_listed_then_each_is_a_label_of_the_metric() -> None:
    assert {name for name, _, _ in REPLACEMENTS} | {"field"} == set(TELEMETRY_REDACTIONS.labels[0].values or ())


def test_text_when_a_secret_straddles_the_cut_then_none_of_it_survives() -> None:
    token = base64.b32encode(secrets.token_bytes(60)).decode().rstrip("=")
    for offset in range(0, len(token), 7):
        text = "x" * (3 * MAX_TEXT_CHARS // 4 - offset) + token + "y" * (5 * MAX_TEXT_CHARS)
        shown = Redactor().text(text)
        assert not any(token[start : start + 16] in shown for start in range(len(token) - 16))
        assert len(shown) < MAX_TEXT_CHARS + 100


def test_text_when_half_a_surrogate_pair_is_in_it_then_it_can_be_encoded() -> None:
    assert Redactor().text("broken \ud800 text").encode() == b"broken ? text"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "dbPassword",
        "client_secret",
        "accessToken",
        "Authorization",
        "totp_seed",
        "api.key",
        "sms_otp",
        "pin",
    ],
)
def test_fields_when_the_name_says_secret_then_the_value_is_hidden(name: str) -> None:
    ((_, value),) = Redactor().fields({name: "plain"})
    assert value == "[redacted]"


def test_fields_when_a_value_is_an_object_then_only_its_class_is_kept() -> None:
    class Login:
        def __repr__(self) -> str:
            return "Login(hunter2)"

    assert Redactor().fields({"login": Login(), "all": [Login(), 1]}) == (("login", "<Login>"), ("all", "<Login>, 1"))


def test_fields_when_nested_then_names_are_joined_and_secrets_hidden() -> None:
    fields = Redactor().fields({"order": {"id": "o-1", "price": Decimal("1.50"), "token": "abc"}})
    assert fields == (("order_id", "o-1"), ("order_price", "1.50"), ("order_token", "[redacted]"))


def test_fields_when_a_code_stands_under_its_name_then_it_is_hidden() -> None:
    assert Redactor().fields({"sms_code": "123456", "exit_code": 137}) == (
        ("sms_code", "[redacted]"),
        ("exit_code", "137"),
    )


def test_fields_when_there_are_too_many_or_too_long_ones_then_they_are_bounded() -> None:
    fields = Redactor().fields({f"f{index}": "x" * 5_000 for index in range(MAX_FIELDS + 5)})
    assert len(fields) == MAX_FIELDS
    assert all(len(value) < MAX_FIELD_CHARS + 40 for _, value in fields)


def test_fields_when_a_name_holds_a_secret_then_it_is_not_shown() -> None:
    seed = "JBSWY3DPEHPK3PXP"
    assert seed not in str(Redactor().fields({f"seen {seed}": 1, f"{seed}_count": 2}))
