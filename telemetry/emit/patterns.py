"""What a secret looks like in text: one pattern per label of `sightline_telemetry_redactions_total`.

Every expression is free of nested repetition, so that its time grows with the length of the text and no faster.
"""

import re

REDACTED = "[redacted]"

_TEXT = re.IGNORECASE | re.ASCII

# Names of fields and keys whose value is a secret whatever it looks like. "tokens" (a count) and "tokenizer" are not.
_WORDS = (
    r"passw(?:or)?d|pass[_-]?phrase|pass[_-]?code|secret|token(?!s|iz)|authorization|credential|api[_.-]?key"
    r"|private[_.-]?key|access[_.-]?key|signing[_.-]?key|encryption[_.-]?key|cookie|mnemonic|seed|totp|jwt|cvv"
)
SECRET_NAME = re.compile(rf"{_WORDS}|(?:^|[_.-])(?:auth|pwd|pin|otp|2fa|sid)(?:$|[_.-])", _TEXT)
CODE_NAME = re.compile(r"(?:^|[_.-])codes?(?:$|[_.-])", _TEXT)

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)", re.DOTALL)
_OTPAUTH = re.compile(r"otpauth(?:-migration)?:[^\s\"'<>]*", _TEXT)
_JWT = re.compile(r"eyJ[\w-]{6,}(?:\.[\w-]*){0,4}", re.ASCII)
# Userinfo of a URL; after a colon that is followed by a port and a slash there is a path, not a password.
_URL_USERINFO = re.compile(r"(?<=://)(?:[^\s/?#:@]*:(?!\d{1,5}(?:[/?#\s]|$))\S{0,512}|[^\s/?#@]+)@", re.ASCII)
_NOT_YET_DONE = r"(?!\s{0,3}\[redacted\](?:[\s\"',;)}\]&]|$))"
# A quoted value ends at its quote, a bare one at the next blank: a password may hold any other character.
_KEY_VALUE = re.compile(
    rf"(?P<key>(?:{_WORDS}|(?<![a-z])(?:pwd|input_value)(?![a-z]))"
    r"[\w.\[\]-]{0,40}\\?[\"']?\s{0,3}(?:=>|:=|[=:])\s{0,3})"
    rf"{_NOT_YET_DONE}"
    r"(?:[rbuf]{0,2}\\?\"(?:[^\"\\]|\\.)*\"?|[rbuf]{0,2}\\?'(?:[^'\\]|\\.)*'?"
    r"|(?:(?:basic|bearer|digest|token|negotiate)\s{1,3})?\S+)",
    _TEXT | re.DOTALL,
)
# Headers and phrases hold several words: everything up to the end of the line goes.
_REST_OF_LINE = re.compile(
    r"(?P<key>(?:authorization|cookie|mnemonic|pass[_-]?phrase|seed[ _-]?phrase)\s{0,3}[=:]\s{0,3})"
    rf"{_NOT_YET_DONE}(?![\"'\\])[^\r\n]+",
    _TEXT,
)
# "Bearer" before an ordinary word is prose ("bearer authentication failed"); a token holds a digit or is long.
_BEARER = re.compile(r"(?P<key>bearer\s{1,3})(?=\S*\d|\S{16})[^\s\"',;]+", _TEXT)
# A seed of one-time codes. Sixteen capitals alone may be a word, so a digit or twenty-six letters are asked for;
# brokers also print seeds in groups of four, where one whole group must hold a digit: tickers have four letters too.
_BASE32 = re.compile(
    r"(?=[A-Z]*[2-7])[A-Z2-7]{16,}=*|[A-Z]{26,}=*"
    r"|(?=(?:[A-Z]{4}[ -]){0,7}(?=[A-Z2-7]{4}(?![A-Za-z0-9]))[A-Z]{0,3}[2-7])"
    r"[A-Z2-7]{4}(?:[ -][A-Z2-7]{4}){3,}(?:[ -][A-Z2-7]{1,3}(?![A-Za-z0-9]))?"
)
_BROKER_KEY = re.compile(r"(?<![A-Za-z0-9])(?:PK|AK|CK)[A-Z0-9]{18,24}(?![A-Za-z0-9])")
_CODE_WORD = r"(?:(?<![a-z])(?:pass[ _-]?)?codes?(?![a-z])|(?<![a-z])t?otp(?![a-z])|(?<![a-z0-9])2fa(?![a-z]))"
# Alpaca's error codes (40310000: an HTTP status and 1000x) stand next to the word "code" and must stay readable.
_DIGITS = r"(?<![\d.])(?!(?:4[0-2]\d|50\d)1000[0-9](?!\d))(?:\d{6,8}|\d{3}[ -]\d{3})(?!\.?\w)"
CODE_VALUE = re.compile(_DIGITS, re.ASCII)
_CODE_AFTER = re.compile(rf"(?P<key>{_CODE_WORD}\D{{0,32}}?){_DIGITS}", _TEXT)
_CODE_BEFORE = re.compile(
    rf"{_DIGITS}(?P<tail>\s{{0,2}}[-(:]?\s{{0,2}}{_CODE_WORD}|\s{{1,3}}is\s{{1,3}}(?:\w{{1,20}}\s{{1,3}}){{0,4}}{_CODE_WORD})",
    _TEXT,
)

# In this order: what spans lines first, then what is recognised by its own shape, then what is known by its name.
REPLACEMENTS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("pem", _PEM, REDACTED),
    ("otpauth", _OTPAUTH, REDACTED),
    ("jwt", _JWT, REDACTED),
    ("url_userinfo", _URL_USERINFO, f"{REDACTED}@"),
    ("key_value", _REST_OF_LINE, rf"\g<key>{REDACTED}"),
    ("key_value", _KEY_VALUE, rf"\g<key>{REDACTED}"),
    ("bearer", _BEARER, rf"\g<key>{REDACTED}"),
    ("broker_key", _BROKER_KEY, REDACTED),
    ("base32", _BASE32, REDACTED),
    ("code", _CODE_AFTER, rf"\g<key>{REDACTED}"),
    ("code", _CODE_BEFORE, rf"{REDACTED}\g<tail>"),
)

# For the quick look: capitals and digits alike become "A"; blanks and hyphens, which group a seed or a code, vanish.
_CAPITALS_AND_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_SHAPE = bytes.maketrans(_CAPITALS_AND_DIGITS, b"A" * len(_CAPITALS_AND_DIGITS))
_DIGIT_SHAPE = bytes.maketrans(b"0123456789", b"0" * 10)
_GROUPING = b" -"
_LEAST_SEED = 16
_LEAST_WORD = 8  # "bearer 1"; all that is shorter names its secret, and needs a colon or an equals sign for it


def may_hold_secret(text: str) -> bool:
    """Say quickly whether any pattern could match; False is certain, True only means that it is worth looking.

    Almost every line is clean, and this is what a clean line costs: about 0.5 us for 40-120 characters, where one
    expression of all the words below takes 5-13 us. (`in` is three times as fast on str as on bytes.)
    """
    if len(text) < _LEAST_WORD and ":" not in text and "=" not in text:
        return False
    lowered = text.lower()
    if "eyj" in lowered or "bearer" in lowered or "-----b" in lowered:
        return True
    if len(text) >= _LEAST_SEED and _has_seed_shape(text):
        return True
    if ("code" in lowered or "otp" in lowered or "2fa" in lowered) and _has_six_digits(text):
        return True
    return (":" in text or "=" in text) and _may_hold_named_secret(lowered)


def _has_seed_shape(text: str) -> bool:
    return "AAAAAAAAAAAAAAAA" in text.encode("ascii", "replace").translate(_SHAPE, _GROUPING).decode("ascii")


def _has_six_digits(text: str) -> bool:
    return b"000000" in text.encode("ascii", "replace").translate(_DIGIT_SHAPE, _GROUPING)


def _may_hold_named_secret(lowered: str) -> bool:
    return (
        "pass" in lowered
        or "secret" in lowered
        or "token" in lowered
        or "auth" in lowered
        or "key" in lowered
        or "seed" in lowered
        or "credential" in lowered
        or "cookie" in lowered
        or "mnemonic" in lowered
        or "otp" in lowered
        or "jwt" in lowered
        or "pwd" in lowered
        or "cvv" in lowered
        or "input_value" in lowered
        or ("://" in lowered and "@" in lowered)
    )
