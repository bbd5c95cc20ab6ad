import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.auth.verdicts import VerdictSigner
from services.contracts.auth import AccountId
from services.contracts.verdict import (
    Environment,
    SettingsDigest,
    Verdict,
    VerdictError,
    VerdictExpiredError,
    VerdictForeignError,
    VerdictForgedError,
    VerdictMalformedError,
    VerdictNotYetValidError,
    VerdictRevokedError,
    VerdictVerifier,
    sign,
)
from tests.fakes.clock import FakeClock

KEY = Ed25519PrivateKey.generate()
VERIFIER = VerdictVerifier({"auth-1": KEY.public_key()})
NOW = FakeClock().now()
DIGEST = "ab" * 32
ASKED: dict[str, Any] = {
    "account": "alpaca-paper",
    "environment": Environment.PAPER,
    "settings_digest": DIGEST,
    "now": NOW,
}


def _verdict(**changes: object) -> Verdict:
    fields = {
        "verdict_id": "v1",
        "account": "alpaca-paper",
        "environment": "paper",
        "settings_digest": DIGEST,
        "issued_at": NOW,
        "expires_at": NOW + timedelta(seconds=120),
        "warnings": ("mfa_method",),
    }
    return Verdict.model_validate({**fields, **changes})


TOKEN = sign(_verdict(), KEY, key_id="auth-1")


def test_verdict_when_asked_about_what_it_was_signed_for_then_it_is_returned() -> None:
    assert VERIFIER.verify(TOKEN, **ASKED) == _verdict()


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"account": "alpaca-live"}, VerdictForeignError),
        ({"environment": Environment.LIVE}, VerdictForeignError),
        ({"settings_digest": "cd" * 32}, VerdictForeignError),
        ({"now": NOW + timedelta(seconds=120)}, VerdictExpiredError),
        ({"now": NOW + timedelta(days=1)}, VerdictExpiredError),
        ({"now": NOW - timedelta(seconds=3)}, VerdictNotYetValidError),
        ({"revoked_until": NOW}, VerdictRevokedError),
    ],
)
def test_verdict_when_asked_about_something_else_then_it_is_refused(
    asked: dict[str, Any], error: type[VerdictError]
) -> None:
    with pytest.raises(error):
        VERIFIER.verify(TOKEN, **{**ASKED, **asked})


@pytest.mark.parametrize("now", [NOW - timedelta(seconds=2), NOW + timedelta(seconds=119.9)])
def test_verdict_when_within_its_life_then_it_is_valid(now: datetime) -> None:
    earlier = NOW - timedelta(microseconds=1)
    assert VERIFIER.verify(TOKEN, **{**ASKED, "now": now, "revoked_until": earlier}).verdict_id == "v1"


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_at": NOW + timedelta(seconds=120, microseconds=1)},
        {"expires_at": NOW},
        {"expires_at": NOW - timedelta(seconds=1)},
        {"settings_digest": "AB" * 32},
        {"issued_at": datetime(2026, 3, 2, 12)},  # noqa: DTZ001 -- a naive time must be refused
        {"account": ""},
        {"more": 1},
    ],
)
def test_verdict_when_it_breaks_a_rule_then_it_cannot_be_made(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _verdict(**changes)


def _signed_by_another() -> str:
    return sign(_verdict(), Ed25519PrivateKey.generate(), key_id="auth-1")


def _unknown_key() -> str:
    return sign(_verdict(), KEY, key_id="auth-2")


def _other_payload() -> str:
    version, key_id, _, signature = TOKEN.split(".")
    payload = base64.urlsafe_b64encode(_verdict(environment="live").model_dump_json().encode()).rstrip(b"=").decode()
    return f"{version}.{key_id}.{payload}.{signature}"


@pytest.mark.parametrize("forge", [_signed_by_another, _unknown_key, _other_payload])
def test_verdict_when_forged_then_it_is_refused(forge: Callable[[], str]) -> None:
    with pytest.raises(VerdictForgedError):
        VERIFIER.verify(forge(), **ASKED)


def test_verdict_when_signed_with_a_longer_life_then_it_is_refused_all_the_same() -> None:
    long = _verdict().model_copy(update={"expires_at": NOW + timedelta(hours=1)})
    with pytest.raises(VerdictMalformedError):
        VERIFIER.verify(sign(long, KEY, key_id="auth-1"), **ASKED)


def test_verdict_when_any_character_is_changed_then_it_is_refused() -> None:
    for position, character in enumerate(TOKEN):
        changed = TOKEN[:position] + ("A" if character != "A" else "B") + TOKEN[position + 1 :]
        with pytest.raises(VerdictError):
            VERIFIER.verify(changed, **ASKED)


def test_verdict_when_only_unused_bits_of_its_spelling_are_changed_then_it_is_refused() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    with pytest.raises(VerdictMalformedError):
        VERIFIER.verify(TOKEN[:-1] + alphabet[alphabet.index(TOKEN[-1]) ^ 1], **ASKED)


@given(st.one_of(st.text(max_size=300), st.text(max_size=300).map(lambda text: f"v1.auth-1.{text}")))
def test_verdict_when_it_is_any_text_then_it_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(VerdictError):
        VERIFIER.verify(text, **ASKED)


def test_verdict_when_huge_then_it_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(VerdictMalformedError):
        VERIFIER.verify(TOKEN + "A" * 10_000, **ASKED)


def test_errors_when_listed_then_each_has_a_code_of_its_own() -> None:
    codes = [each.code for each in VerdictError.__subclasses__()]
    assert len(set(codes)) == len(codes) == 6
    assert "VERDICT_EXPIRED" in codes


def test_key_id_when_it_would_break_the_form_then_signing_is_refused() -> None:
    with pytest.raises(ValueError, match="key id"):
        sign(_verdict(), KEY, key_id="a.b")


def test_signer_when_asked_then_its_token_is_valid_for_exactly_its_life() -> None:
    clock = FakeClock()
    signer = VerdictSigner(KEY, "auth-1", clock, life=timedelta(seconds=60))
    signed = signer.sign(AccountId("alpaca-paper"), Environment.PAPER, SettingsDigest(DIGEST), warnings=("mfa_method",))
    assert VERIFIER.verify(signed.token, **ASKED) == signed.verdict
    clock.advance(60)
    with pytest.raises(VerdictExpiredError):
        VERIFIER.verify(signed.token, **{**ASKED, "now": clock.now()})


@pytest.mark.parametrize("seconds", [0, -1, 121])
def test_signer_when_the_life_is_too_long_or_nothing_then_it_cannot_be_made(seconds: int) -> None:
    with pytest.raises(ValueError, match="at most 120 seconds"):
        VerdictSigner(KEY, "auth-1", FakeClock(), life=timedelta(seconds=seconds))
