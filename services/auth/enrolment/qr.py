"""From a picture of QR codes, on the operator's machine, to the seeds in them (extra `qr`)."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from services.auth.enrolment.offers import SeedOffer
from services.auth.enrolment.reading import read_bytes
from services.auth.errors import EnrolmentError, EnrolmentFault

LARGEST_PICTURE_BYTES: Final = 32 * 1024 * 1024
LARGEST_PICTURE_PIXELS: Final = 60_000_000  # a phone's photograph has up to 50 million
_SIGNATURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class QrReader(Protocol):
    """Finds QR codes in a picture."""

    def texts(self, path: Path) -> Sequence[str]:
        """The text of every code in the picture. Raises `EnrolmentError`."""


def is_picture(path: Path) -> bool:
    """Whether the file begins as a PNG or JPEG does; False too when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(_SIGNATURES)
    except OSError:
        return False


def read_picture(path: Path, reader: QrReader) -> list[SeedOffer]:
    """Read the seeds in a picture. Raises `EnrolmentError`."""
    texts = reader.texts(path)
    if not texts:
        raise EnrolmentError(EnrolmentFault.NO_QR_CODE)
    return read_bytes("\n".join(texts).encode())


class InstalledReader:
    """Reads with Pillow and zxing-cpp.

    Raises:
        EnrolmentError: The extra is not installed.
    """

    def __init__(self) -> None:
        try:
            # By name: the packages are an extra, and a type checker without them must still pass.
            self._pillow: Any = importlib.import_module("PIL.Image")
            self._zxing: Any = importlib.import_module("zxingcpp")
        except ImportError:
            raise EnrolmentError(EnrolmentFault.NO_QR_READER) from None

    def texts(self, path: Path) -> Sequence[str]:
        try:
            if path.stat().st_size > LARGEST_PICTURE_BYTES:
                raise EnrolmentError(EnrolmentFault.TOO_LARGE)
            with self._pillow.open(path, formats=("PNG", "JPEG")) as picture:
                # The size stands in the file's head, before anything is unpacked.
                if picture.width * picture.height > LARGEST_PICTURE_PIXELS:
                    raise EnrolmentError(EnrolmentFault.TOO_LARGE)
                grey = picture.convert("L")
        except self._pillow.DecompressionBombError:
            raise EnrolmentError(EnrolmentFault.TOO_LARGE) from None
        except (OSError, ValueError, SyntaxError):  # SyntaxError: Pillow's word for a broken PNG
            raise EnrolmentError(EnrolmentFault.UNREADABLE) from None
        found = self._zxing.read_barcodes(grey, formats=self._zxing.BarcodeFormat.QRCode)
        return [code.text for code in found]
