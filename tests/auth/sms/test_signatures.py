"""Our computation is Twilio's, and the check raises nothing."""

import importlib.util
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.secret import Secret
from services.auth.sms.signatures import PlainSignatureMaker, SignatureCheck, signature_maker

# From Twilio's documentation of webhook security.
_TOKEN = Secret("12345")
_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
_FIELDS = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
_SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_SDK = importlib.util.find_spec("twilio")


def test_sign_when_given_the_documented_example_then_the_documented_signature() -> None:
    assert PlainSignatureMaker(_TOKEN).compute_signature(_URL, _FIELDS) == _SIGNATURE


@pytest.mark.parametrize("url", ["https://mycompany.com:443/myapp.php?foo=1&bar=2", _URL])
def test_check_when_the_public_address_names_its_port_or_not_then_both_signatures_pass(url: str) -> None:
    assert SignatureCheck(PlainSignatureMaker(_TOKEN), url).passes(_FIELDS, _SIGNATURE)


def test_check_when_the_address_is_another_then_it_fails() -> None:
    assert not SignatureCheck(PlainSignatureMaker(_TOKEN), "https://mycompany.com/myapp.php").passes(
        _FIELDS, _SIGNATURE
    )


@given(signature=st.text(max_size=40), fields=st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=5))
def test_check_when_given_anything_then_it_fails_and_raises_nothing(signature: str, fields: Mapping[str, str]) -> None:
    assert not SignatureCheck(PlainSignatureMaker(_TOKEN), _URL).passes(fields, signature)


@pytest.mark.skipif(_SDK is None, reason="the extra twilio is not installed")
@given(token=_TEXT.filter(bool), fields=st.dictionaries(_TEXT, _TEXT, max_size=6))
def test_sign_when_the_sdk_is_installed_then_it_is_used_and_both_compute_the_same(
    token: str, fields: dict[str, str]
) -> None:
    secret = Secret(token)
    sdk = signature_maker(secret)
    assert not isinstance(sdk, PlainSignatureMaker)
    assert sdk.compute_signature(_URL, fields) == PlainSignatureMaker(secret).compute_signature(_URL, fields)
