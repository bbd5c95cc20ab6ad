"""Where Alpaca may be spoken to, and with which keys. An address that is not listed here gets neither key nor order."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from services.contracts.verdict import Environment
from services.kit.errors import StartError
from services.trading.brokers.port import VenueRefusesKeysError

PAPER_URL: Final = "https://paper-api.alpaca.markets"
LIVE_URL: Final = "https://api.alpaca.markets"
DATA_URL: Final = "https://data.alpaca.markets"

_KEY_ID: Final = "APCA-API-KEY-ID"
_SECRET_KEY: Final = "APCA-API-SECRET-KEY"  # noqa: S105 -- the header's name
# Alpaca gives key ids of paper accounts the first prefix, and those of live accounts the second.
_PREFIXES: Final = {"PK": Environment.PAPER, "AK": Environment.LIVE}
_SOCKET_SCHEMES: Final = {"https": "wss", "http": "ws"}


class ForeignEndpointError(StartError):
    """The address is neither Alpaca's nor a simulator's."""

    code = "foreign_endpoint"
    title = "The address is not Alpaca's"

    def __init__(self) -> None:
        super().__init__(
            f"Orders go to {PAPER_URL} or {LIVE_URL}, or to a simulator at a loopback address or at a host that the "
            f"settings name. Register the account with one of these."
        )


class LiveNotAllowedError(StartError):
    """The address is that of real money, and nobody said that orders may go there."""

    code = "live_not_allowed"
    title = "Live trading is not allowed"

    def __init__(self) -> None:
        super().__init__(
            "This account trades real money. Allow live trading in the settings, or use the address of paper trading."
        )


@dataclass(frozen=True, slots=True)
class AlpacaSite:
    """One place that speaks Alpaca's protocol. Made by `site_at`, which holds the address against the allow-list."""

    trading_url: str
    stream_url: str
    data_url: str
    environment: Environment

    def keys(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Of the headers of a session, those that may be sent here.

        Raises:
            VenueRefusesKeysError: There are none, or they are of the other kind of account.
        """
        sent = {name.upper(): value for name, value in headers.items() if name.upper() in {_KEY_ID, _SECRET_KEY}}
        if len(sent) != 2:  # noqa: PLR2004 -- both
            raise VenueRefusesKeysError("The session has no pair of Alpaca keys. Store them for the account in auth.")
        key_id, _ = key_pair(sent)
        kind = _PREFIXES.get(key_id[:2], self.environment)
        if kind is not self.environment:
            raise VenueRefusesKeysError(
                f"These are keys of a {kind.value} account, and this is {self.environment.value} trading. Nothing was "
                f"sent. Store the right keys for the account in auth."
            )
        return sent


def key_pair(keys: Mapping[str, str]) -> tuple[str, str]:
    """Key id and secret key out of what `AlpacaSite.keys` gave."""
    return keys[_KEY_ID], keys[_SECRET_KEY]


def site_at(trading_url: str, *, allow_live: bool = False, simulator_hosts: frozenset[str] = frozenset()) -> AlpacaSite:
    """The site at an address, held against the allow-list.

    Args:
        trading_url: `PAPER_URL`, `LIVE_URL`, or a simulator's such as "http://127.0.0.1:8740/paper/alpha".
        allow_live: Orders may go to `LIVE_URL`.
        simulator_hosts: Names beside the loopback addresses at which a simulator may stand.

    Raises:
        ForeignEndpointError: The address is not on the list.
        LiveNotAllowedError: It is that of live trading, without `allow_live`.
    """
    url = trading_url.rstrip("/")
    if url == LIVE_URL:
        if not allow_live:
            raise LiveNotAllowedError
        return AlpacaSite(url, _stream_of(url), DATA_URL, Environment.LIVE)
    if url == PAPER_URL:
        return AlpacaSite(url, _stream_of(url), DATA_URL, Environment.PAPER)
    parts = urlsplit(url)
    if parts.scheme not in _SOCKET_SCHEMES or not _is_simulator(parts.hostname or "", simulator_hosts):
        raise ForeignEndpointError
    return AlpacaSite(url, _stream_of(url), url, Environment.PAPER)


def _stream_of(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{_SOCKET_SCHEMES[scheme]}://{rest}/stream"


def _is_simulator(host: str, named: frozenset[str]) -> bool:
    if host == "localhost" or host in named:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
