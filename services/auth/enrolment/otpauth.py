"""Seeds in `otpauth://totp/...` addresses, as QR codes hold them.

https://github.com/google/google-authenticator/wiki/Key-Uri-Format
"""

from typing import Final
from urllib.parse import unquote

from services.auth.enrolment.offers import SeedOffer
from services.auth.errors import EnrolmentError, EnrolmentFault
from services.auth.totp.seeds import Algorithm, TotpSeed

SCHEME: Final = "otpauth://"
_DEFAULTS: Final = {"digits": "6", "period": "30", "algorithm": "SHA1", "issuer": ""}
_MOST_DIGITS_OF_A_NUMBER: Final = 4


def parse(address: str) -> SeedOffer:
    """Read one address.

    Raises:
        EnrolmentError: It is not one, or not for time-based codes, or its seed or parameters are not usable.
    """
    if address[: len(SCHEME)].lower() != SCHEME:
        raise EnrolmentError(EnrolmentFault.NOT_OTPAUTH)
    path, _, query = address[len(SCHEME) :].partition("?")
    kind, _, label = path.partition("/")
    if kind.lower() != "totp":
        raise EnrolmentError(EnrolmentFault.NOT_TIME_BASED)
    fields = parameters(query.partition("#")[0])
    if "secret" not in fields:
        raise EnrolmentError(EnrolmentFault.NO_SEED)
    known = {**_DEFAULTS, **fields}
    issuer, _, name = unquoted(label).rpartition(":")
    seed = TotpSeed.from_text(
        known["secret"],
        digits=_number(known["digits"]),
        period_seconds=_number(known["period"]),
        algorithm=_algorithm(known["algorithm"]),
    )
    return SeedOffer(seed, issuer=known["issuer"].strip() or issuer.strip(), name=name.strip())


def parameters(query: str) -> dict[str, str]:
    """The query's parameters, each at most once.

    By `unquote`, not `parse_qs`: that one turns "+" into a space, which would spoil base64 in silence.

    Raises:
        EnrolmentError: One is doubled, or not UTF-8.
    """
    fields: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = unquoted(name).lower()
        if name in fields:
            raise EnrolmentError(EnrolmentFault.BAD_PARAMETER)
        if name:
            fields[name] = unquoted(value)
    return fields


def unquoted(text: str) -> str:
    """Percent-encoding undone. Raises `EnrolmentError` if the result is not UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise EnrolmentError(EnrolmentFault.BAD_PARAMETER) from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS_OF_A_NUMBER:
        raise EnrolmentError(EnrolmentFault.BAD_PARAMETER)
    return int(text)


def _algorithm(text: str) -> Algorithm:
    try:
        return Algorithm(text.upper().replace("-", ""))
    except ValueError:
        raise EnrolmentError(EnrolmentFault.BAD_PARAMETER) from None
