"""Seeds in `otpauth-migration://offline?data=...` addresses: Google Authenticator's export of accounts.

The payload is a protobuf message whose schema Google has not published; its fields have been the same since 2020:
MigrationPayload { repeated OtpParameters otp_parameters = 1; ... }
OtpParameters { bytes secret = 1; string name = 2; string issuer = 3; Algorithm algorithm = 4; DigitCount digits = 5;
OtpType type = 6; ... }
"""

import base64
import binascii
from typing import Final

from services.auth.enrolment import otpauth, wire
from services.auth.enrolment.offers import SeedOffer
from services.auth.errors import EnrolmentError, EnrolmentFault
from services.auth.totp.seeds import Algorithm, TotpSeed

SCHEME: Final = "otpauth-migration://"
_OTP_PARAMETERS: Final = 1
_SECRET, _NAME, _ISSUER, _ALGORITHM, _DIGITS, _TYPE = 1, 2, 3, 4, 5, 6
_TOTP: Final = 2
_ALGORITHMS: Final = {0: Algorithm.SHA1, 1: Algorithm.SHA1, 2: Algorithm.SHA256, 3: Algorithm.SHA512}
_DIGIT_COUNTS: Final = {0: 6, 1: 6, 2: 8}


def parse(address: str) -> list[SeedOffer]:
    """Read one address; an export of many accounts comes as several.

    Raises:
        EnrolmentError: It is not one, its payload is damaged, or it holds a seed that cannot be used.
    """
    if address[: len(SCHEME)].lower() != SCHEME:
        raise EnrolmentError(EnrolmentFault.NOT_OTPAUTH)
    data = otpauth.parameters(address.partition("?")[2].partition("#")[0]).get("data")
    if not data:
        raise EnrolmentError(EnrolmentFault.NO_SEED)
    messages = [value for number, value in wire.fields(_payload(data)) if number == _OTP_PARAMETERS]
    if not messages:
        raise EnrolmentError(EnrolmentFault.NO_SEED)
    return [_offer(_bytes(message)) for message in messages]


def _payload(data: str) -> bytes:
    # Some readers of QR codes undo the percent-encoding before they hand the text on; "+" survives either way.
    try:
        raw = data.strip().rstrip("=").encode("ascii")
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise EnrolmentError(EnrolmentFault.BAD_PAYLOAD) from None


def _offer(message: bytes) -> SeedOffer:
    fields = dict(wire.fields(message))  # as protobuf has it, of a repeated field the last one counts
    if fields.get(_TYPE) != _TOTP:
        raise EnrolmentError(EnrolmentFault.NOT_TIME_BASED)
    algorithm = _ALGORITHMS.get(_number(fields.get(_ALGORITHM, 0)))
    digits = _DIGIT_COUNTS.get(_number(fields.get(_DIGITS, 0)))
    if algorithm is None or digits is None:
        raise EnrolmentError(EnrolmentFault.BAD_PARAMETER)
    seed = TotpSeed.from_bytes(_bytes(fields.get(_SECRET, b"")), digits=digits, algorithm=algorithm)
    return SeedOffer(seed, issuer=_text(fields.get(_ISSUER, b"")), name=_text(fields.get(_NAME, b"")))


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise EnrolmentError(EnrolmentFault.BAD_PAYLOAD)
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise EnrolmentError(EnrolmentFault.BAD_PAYLOAD)
    return value


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode().strip()
    except UnicodeDecodeError:
        raise EnrolmentError(EnrolmentFault.BAD_PAYLOAD) from None
