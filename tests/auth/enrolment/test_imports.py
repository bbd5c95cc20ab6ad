import base64
import io
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.auth.enrolment import wire
from services.auth.enrolment.reading import LARGEST_INPUT_BYTES, read_bytes, read_file, read_stream
from services.auth.errors import EnrolmentError, EnrolmentFault
from services.auth.secret import Secret
from services.auth.totp.seeds import Algorithm
from tests.auth.support import SEED

URI = f"otpauth://totp/Robinhood:me%40example.org?secret={SEED}&issuer=Robinhood"


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _account(secret: bytes, *, name: str = "me", algorithm: int = 1, digits: int = 1, kind: int = 2) -> bytes:
    fields = [_field(1, secret), _field(2, name.encode()), _field(3, b"Robinhood"), _field(4, algorithm)]
    return b"".join([*fields, _field(5, digits), _field(6, kind)])


def _export(*accounts: bytes) -> bytes:
    tail = _field(2, 1) + _field(3, 1) + _field(4, 0) + _field(5, 123_456_789)
    return b"".join(_field(1, account) for account in accounts) + tail


def _migration(payload: bytes) -> str:
    return f"otpauth-migration://offline?data={quote(base64.b64encode(payload).decode(), safe='')}"


def test_address_when_complete_then_everything_is_read() -> None:
    address = (
        f"otpauth://totp/ACME%20Co:john@example.org?secret={SEED}&issuer=ACME%20Co&algorithm=SHA256&digits=8&period=60"
    )
    (offer,) = read_bytes(address.encode())
    assert (offer.issuer, offer.name) == ("ACME Co", "john@example.org")
    assert (offer.seed.digits, offer.seed.period_seconds, offer.seed.algorithm) == (8, 60, Algorithm.SHA256)
    assert offer.seed.secret == Secret(SEED)


def test_address_when_only_the_secret_is_given_then_the_rest_is_usual() -> None:
    (offer,) = read_bytes(f"OTPAUTH://TOTP/me?secret={SEED.lower()}".encode())
    assert (offer.issuer, offer.name, offer.seed.digits, offer.seed.period_seconds) == ("", "me", 6, 30)


def test_input_when_it_has_several_lines_then_each_is_read() -> None:
    text = f"\ufeff\r\n{URI}\r\n\r\n  {_migration(_export(_account(b'k' * 20), _account(b'l' * 10)))}\n"
    offers = read_bytes(text.encode())
    assert [offer.seed.short for offer in offers] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", EnrolmentFault.NO_SEED),
        (" \n\n", EnrolmentFault.NO_SEED),
        ("https://example.org", EnrolmentFault.NOT_OTPAUTH),
        (SEED, EnrolmentFault.NOT_OTPAUTH),
        (f"otpauth://hotp/me?secret={SEED}&counter=1", EnrolmentFault.NOT_TIME_BASED),
        ("otpauth://totp/me", EnrolmentFault.NO_SEED),
        ("otpauth://totp/me?secret=", EnrolmentFault.BAD_SEED),
        ("otpauth://totp/me?secret=JBSWY3DP", EnrolmentFault.SEED_TOO_SHORT),
        (f"{URI}&secret={SEED}", EnrolmentFault.BAD_PARAMETER),
        (f"{URI}&digits=10", EnrolmentFault.BAD_PARAMETER),
        (f"{URI}&digits=%D9%A6", EnrolmentFault.BAD_PARAMETER),
        (f"{URI}&period=99999999999999999999", EnrolmentFault.BAD_PARAMETER),
        (f"{URI}&period=-30", EnrolmentFault.BAD_PARAMETER),
        (f"{URI}&algorithm=MD5", EnrolmentFault.BAD_PARAMETER),
        (f"{URI}&x=%ff", EnrolmentFault.BAD_PARAMETER),
        ("otpauth-migration://offline", EnrolmentFault.NO_SEED),
        ("otpauth-migration://offline?data=", EnrolmentFault.NO_SEED),
        ("otpauth-migration://offline?data=%%%", EnrolmentFault.BAD_PAYLOAD),
        ("otpauth-migration://offline?data=é", EnrolmentFault.BAD_PAYLOAD),
        (_migration(b"\x08\x01"), EnrolmentFault.BAD_PAYLOAD),
        (_migration(_export()), EnrolmentFault.NO_SEED),
        (_migration(_export(_account(b"k" * 20))[:-40]), EnrolmentFault.BAD_PAYLOAD),
        (_migration(_export(_account(b"k" * 20, kind=1))), EnrolmentFault.NOT_TIME_BASED),
        (_migration(_export(_account(b"k" * 20, algorithm=4))), EnrolmentFault.BAD_PARAMETER),
        (_migration(_export(_account(b"k" * 20, digits=7))), EnrolmentFault.BAD_PARAMETER),
        (_migration(_export(_account(b"k" * 5))), EnrolmentFault.SEED_TOO_SHORT),
        (_migration(_field(1, _field(6, 2) + _field(1, 7))), EnrolmentFault.BAD_PAYLOAD),
    ],
)
def test_input_when_malformed_then_the_fault_is_named_and_nothing_of_the_input(
    text: str, fault: EnrolmentFault
) -> None:
    with pytest.raises(EnrolmentError) as refused:
        read_bytes(text.encode())
    assert refused.value.fault is fault
    shown = f"{refused.value!r} {refused.value} {refused.value.args}"
    assert SEED not in shown
    assert "me%40" not in shown
    assert refused.value.__cause__ is None


def test_export_when_its_base64_has_plus_signs_then_they_are_kept() -> None:
    secret = b"kk" + bytes([0xFB, 0xEF, 0xBE]) * 7
    payload = _export(_account(secret))
    assert "+" in base64.b64encode(payload).decode()
    for address in (_migration(payload), f"otpauth-migration://offline?data={base64.b64encode(payload).decode()}"):
        (offer,) = read_bytes(address.encode())
        assert offer.seed.secret == Secret(base64.b32encode(secret).decode().rstrip("="))


def test_export_when_it_holds_fields_that_are_not_known_then_they_are_passed_over() -> None:
    unknown = _field(90, b"later") + _varint(91 << 3 | 5) + b"1234" + _varint(92 << 3 | 1) + b"12345678"
    (offer,) = read_bytes(_migration(unknown + _export(_account(b"k" * 20) + unknown)).encode())
    assert offer.seed.digits == 6


def test_offers_when_printed_then_neither_seed_nor_names_show() -> None:
    shown = repr(read_bytes(URI.encode()))
    assert SEED not in shown
    assert "example.org" not in shown


def _read_anything(data: bytes) -> None:
    try:
        offers = read_bytes(data)
    except EnrolmentError:
        return
    assert offers
    for offer in offers:
        assert len(offer.seed.code(1).reveal()) == offer.seed.digits


@given(st.binary(max_size=2_000))
def test_input_when_any_bytes_then_a_valid_result_or_an_enrolment_error(data: bytes) -> None:
    _read_anything(data)


@given(st.text(max_size=300))
@example("//[?secret=" + SEED)
def test_address_when_any_text_follows_the_scheme_then_a_valid_result_or_an_enrolment_error(text: str) -> None:
    for scheme in ("otpauth://", "otpauth://totp/", "otpauth://totp/me?secret=", f"{URI}&", "otpauth-migration://"):
        _read_anything((scheme + text).encode(errors="surrogatepass"))


@given(st.binary(max_size=300))
def test_export_when_any_bytes_are_its_payload_then_a_valid_result_or_an_enrolment_error(payload: bytes) -> None:
    for message in (payload, _field(1, payload), _export(_account(b"k" * 20) + payload), _export(_account(payload))):
        _read_anything(_migration(message).encode())


@given(st.data())
def test_export_when_any_byte_of_a_good_one_is_changed_then_a_valid_result_or_an_enrolment_error(
    data: st.DataObject,
) -> None:
    payload = bytearray(_export(_account(b"k" * 20), _account(b"l" * 32, digits=2)))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    _read_anything(_migration(bytes(payload)).encode())


@given(st.lists(st.tuples(st.integers(1, 2**20), st.one_of(st.integers(0, 2**63), st.binary(max_size=50)))))
def test_wire_when_fields_are_written_then_the_same_are_read(written: list[tuple[int, int | bytes]]) -> None:
    assert list(wire.fields(b"".join(_field(number, value) for number, value in written))) == written


def test_file_when_it_holds_an_address_then_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "export.txt").write_text(URI)
    assert len(read_file(tmp_path / "export.txt")) == 1


@pytest.mark.parametrize("name", ["missing", ".", "pipe", "a\0b"])
def test_file_when_it_is_no_file_then_it_is_refused_at_once(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EnrolmentError) as refused:
        read_file(tmp_path / name)
    assert refused.value.fault is EnrolmentFault.UNREADABLE


def test_stream_when_it_never_ends_then_only_as_much_as_an_export_can_be_is_read() -> None:
    stream = io.BytesIO(b"x" * (LARGEST_INPUT_BYTES * 10))
    with pytest.raises(EnrolmentError) as refused:
        read_stream(stream)
    assert refused.value.fault is EnrolmentFault.TOO_LARGE
    assert stream.tell() == LARGEST_INPUT_BYTES + 1
