import base64

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.errors import EnrolmentError, EnrolmentFault
from services.auth.secret import Secret
from services.auth.totp.seeds import Algorithm, TotpSeed
from tests.auth.support import SEED, SHORT_SEED

# RFC 6238, appendix B: the seed's length follows the hash.
_LENGTHS = {Algorithm.SHA1: 20, Algorithm.SHA256: 32, Algorithm.SHA512: 64}
_VECTORS = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]


@pytest.mark.parametrize(
    ("moment", "algorithm", "code"),
    [(row[0], algorithm, row[1 + place]) for row in _VECTORS for place, algorithm in enumerate(Algorithm)],
)
def test_code_when_computed_then_it_is_the_rfcs(moment: int, algorithm: Algorithm, code: str) -> None:
    seed = TotpSeed.from_bytes((b"1234567890" * 7)[: _LENGTHS[algorithm]], digits=8, algorithm=algorithm)
    assert seed.code(seed.step_at(moment)).reveal() == code


def test_code_when_the_seed_has_eighty_bits_then_it_is_computed_all_the_same() -> None:
    seed = TotpSeed.from_text(SHORT_SEED)
    assert seed.short
    with pytest.raises(ValueError, match="112 bits"):
        pyotp.TOTP(SHORT_SEED)  # the reason for the subclass
    same_key = SHORT_SEED + base64.b32encode(bytes(10)).decode()  # HMAC fills a short key up with zeros
    assert seed.code(58_000_000).reveal() == pyotp.TOTP(same_key).generate_otp(58_000_000)


@pytest.mark.parametrize(
    "shown",
    ["jbswy3dp ehpk3pxp jbswy3dp ehpk3pxp", "JBSW-Y3DP-EHPK-3PXP-JBSW-Y3DP-EHPK-3PXP", f"\t{SEED}\n", f"{SEED}===="],
)
def test_seed_when_shown_with_filling_then_it_is_the_same_seed(shown: str) -> None:
    assert TotpSeed.from_text(shown).secret == Secret(SEED)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", EnrolmentFault.BAD_SEED),
        ("JBSWY3DPEHPK3PX0", EnrolmentFault.BAD_SEED),
        ("JBSWY3DPEHPK3PXPA", EnrolmentFault.BAD_SEED),
        ("\u0408\u0412\u0405WY3DPEHPK3PXP", EnrolmentFault.BAD_SEED),
        ("JBSWY3DP", EnrolmentFault.SEED_TOO_SHORT),
        ("A" * 400, EnrolmentFault.BAD_SEED),
    ],
)
def test_seed_when_it_is_none_then_the_fault_is_named_and_the_text_is_not(text: str, fault: EnrolmentFault) -> None:
    with pytest.raises(EnrolmentError) as refused:
        TotpSeed.from_text(text)
    assert refused.value.fault is fault
    assert not text or text not in repr(refused.value) + str(refused.value)


@pytest.mark.parametrize("wrong", [{"digits": 5}, {"digits": 9}, {"period_seconds": 0}, {"period_seconds": 121}])
def test_seed_when_a_parameter_is_out_of_range_then_it_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(EnrolmentError):
        TotpSeed.from_text(SEED, **wrong)  # type: ignore[arg-type] # integers all, by name


@given(st.binary(min_size=10, max_size=64), st.sampled_from(Algorithm), st.integers(6, 8), st.integers(1, 120))
def test_seed_when_put_into_the_vault_and_back_then_it_gives_the_same_codes(
    raw: bytes, algorithm: Algorithm, digits: int, period_seconds: int
) -> None:
    seed = TotpSeed.from_bytes(raw, digits=digits, period_seconds=period_seconds, algorithm=algorithm)
    back = TotpSeed.from_vault(seed.to_vault())
    assert back == seed
    assert back.code(5).reveal() == seed.code(5).reveal()


@given(st.text(max_size=100))
def test_seed_when_the_vault_holds_something_else_then_it_is_refused(text: str) -> None:
    with pytest.raises(EnrolmentError):
        TotpSeed.from_vault(Secret(text))


def test_seed_when_printed_then_it_does_not_show() -> None:
    assert SEED not in repr(TotpSeed.from_text(SEED))
