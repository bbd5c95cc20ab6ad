"""Seeds from pictures, with the real reader over codes that the tests draw."""

import zlib
from pathlib import Path

import numpy as np
import pyotp
import pytest
import zxingcpp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from services.auth.enrolment.qr import InstalledReader, is_picture, read_picture
from services.auth.errors import EnrolmentError, EnrolmentFault


def _address(seed: str) -> str:
    return f"otpauth://totp/Broker:me?secret={seed}&issuer=Broker"


def _code(text: str) -> Image.Image:
    drawn = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode).to_image(scale=5)
    return Image.fromarray(np.array(drawn))


def _chunk(content: bytes) -> bytes:
    return (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_picture_when_it_shows_a_code_then_its_seed_is_offered(tmp_path: Path, kind: str) -> None:
    seed = pyotp.random_base32()
    path = tmp_path / "picture"
    _code(_address(seed)).rotate(7, expand=True, fillcolor=255).save(path, format=kind)

    assert is_picture(path)
    (offer,) = read_picture(path, InstalledReader())
    assert offer.seed.secret.use(lambda text: text == seed)
    assert (offer.issuer, offer.name) == ("Broker", "me")


def test_picture_when_it_shows_no_code_then_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    Image.new("L", (200, 200), 255).save(path)

    with pytest.raises(EnrolmentError) as caught:
        read_picture(path, InstalledReader())
    assert caught.value.fault is EnrolmentFault.NO_QR_CODE


def test_picture_when_its_code_is_something_else_then_nothing_of_it_is_repeated(tmp_path: Path) -> None:
    path = tmp_path / "menu.png"
    _code("https://example.com/canary").save(path)

    with pytest.raises(EnrolmentError) as caught:
        read_picture(path, InstalledReader())
    assert caught.value.fault is EnrolmentFault.NOT_OTPAUTH
    assert "canary" not in str(caught.value)


def test_picture_when_it_claims_a_huge_size_then_it_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    head = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    chunks = [head, b"IDAT" + zlib.compress(b"\x00" * 100), b"IEND"]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(content) for content in chunks))

    with pytest.raises(EnrolmentError) as caught:
        read_picture(path, InstalledReader())
    assert caught.value.fault is EnrolmentFault.TOO_LARGE


def test_file_when_it_is_text_then_it_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "seed.txt"
    path.write_text(_address(pyotp.random_base32()))

    assert not is_picture(path)
    assert not is_picture(tmp_path / "missing")


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_picture_when_it_is_any_bytes_then_it_is_refused_in_words(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)

    with pytest.raises(EnrolmentError):
        read_picture(path, InstalledReader())
