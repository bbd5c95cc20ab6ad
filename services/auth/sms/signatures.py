"""Twilio's signature: HMAC-SHA-1 over the address that it calls and the form's fields in order.

The account's auth token is the key, so whoever holds it can call the webhook. The signature covers neither a time nor a
nonce: a call that was overheard stays valid for ever, which is why `seen` remembers every message.
"""

import base64
import hmac
import importlib
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

from services.auth.secret import Secret

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class SignatureMaker(Protocol):
    """Computes signatures; `twilio.request_validator.RequestValidator` is one."""

    def compute_signature(self, uri: str, params: Mapping[str, str]) -> str:
        """The signature of a call of `uri` with these fields, in base64."""


class PlainSignatureMaker:
    """What Twilio documents, without its SDK."""

    def __init__(self, auth_token: Secret) -> None:
        self._auth_token = auth_token

    def compute_signature(self, uri: str, params: Mapping[str, str]) -> str:
        signed = (uri + "".join(name + params[name] for name in sorted(params))).encode()
        mac = self._auth_token.use(lambda key: hmac.digest(key.encode(), signed, "sha1"))
        return base64.b64encode(mac).decode()


def signature_maker(auth_token: Secret) -> SignatureMaker:
    """The SDK's own where the extra `twilio` is installed, else ours; both compute the same."""
    try:
        sdk = importlib.import_module("twilio.request_validator")
    except ModuleNotFoundError:
        return PlainSignatureMaker(auth_token)
    made: SignatureMaker = auth_token.use(sdk.RequestValidator)
    return made


class SignatureCheck:
    """Whether a call was signed for our public address.

    The address comes from the settings. The request's Host header names whatever its sender likes, and behind a proxy
    it is not the one that Twilio called.
    """

    def __init__(self, maker: SignatureMaker, public_url: str) -> None:
        self._maker = maker
        self._urls = _spellings(public_url)

    def passes(self, fields: Mapping[str, str], signature: str) -> bool:
        """Compare in time that does not tell how much is right. Raises nothing, whatever is handed in."""
        try:
            given = signature.encode("ascii")
            made = [self._maker.compute_signature(url, fields).encode() for url in self._urls]
        except UnicodeEncodeError:
            return False
        # Every spelling is compared, also behind one that fits.
        return sum(hmac.compare_digest(each, given) for each in made) > 0


def _spellings(public_url: str) -> tuple[str, ...]:
    # Twilio signs an address sometimes with its port and sometimes without; its SDK accepts both.
    parts = urlsplit(public_url)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 443)
    without, with_port = (parts._replace(netloc=netloc).geturl() for netloc in (host, f"{host}:{port}"))
    return (without, with_port)
