"""Where each broker may be spoken to. A session sent to another address is a session given away.

The addresses are those of the brokers' own documentation. Local simulators are for paper money alone.
"""

import ipaddress
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from services.auth.accounts import Account
from services.auth.errors import AuthError
from services.contracts.auth import Broker
from services.contracts.verdict import Environment

_PORTS: Final = {"http": 80, "https": 443}
_LOCALHOST: Final = "localhost"

ENDPOINTS: Final[Mapping[tuple[Broker, Environment], frozenset[str]]] = {
    (Broker.ALPACA, Environment.PAPER): frozenset({"https://paper-api.alpaca.markets"}),
    (Broker.ALPACA, Environment.LIVE): frozenset({"https://api.alpaca.markets"}),
    (Broker.SCHWAB, Environment.LIVE): frozenset({"https://api.schwabapi.com"}),
    # The broker's gateway is a program on the trader's own host; it listens on this port.
    (Broker.IBKR, Environment.PAPER): frozenset({"https://localhost:5000", "https://127.0.0.1:5000"}),
    (Broker.IBKR, Environment.LIVE): frozenset({"https://localhost:5000", "https://127.0.0.1:5000"}),
    (Broker.ROBINHOOD, Environment.LIVE): frozenset({"https://api.robinhood.com"}),
}


class EndpointForeignError(AuthError):
    """The account's address is none of its broker's for its environment; nothing is sent there."""

    status_code = HTTPStatus.CONFLICT
    code = "endpoint_foreign"
    title = "The account's address is not its broker's"

    def __init__(self) -> None:
        super().__init__("Nothing was sent there. Register the account with its broker's own address.")


class EndpointTable:
    """The allow-list.

    Args:
        endpoints: Origins (scheme, host and port) by broker and environment.
        simulator_hosts: Names beside the loopback addresses at which a simulator may stand for a broker, in paper
            trading only: the name of its container, for one.
    """

    def __init__(
        self,
        endpoints: Mapping[tuple[Broker, Environment], frozenset[str]] = ENDPOINTS,
        *,
        simulator_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._origins = {key: frozenset(map(_origin, urls)) for key, urls in endpoints.items()}
        self._simulator_hosts = simulator_hosts

    def allows(self, account: Account) -> bool:
        """Whether the account's address is one of its broker's for its environment, or a simulator's for paper."""
        origin = _origin(account.base_url)
        if origin in self._origins.get((account.broker, account.environment), frozenset()):
            return True
        return account.environment is Environment.PAPER and self._is_simulator(origin[1])

    def require(self, account: Account) -> None:
        """Raise `EndpointForeignError` unless `allows`."""
        if not self.allows(account):
            raise EndpointForeignError

    def _is_simulator(self, host: str) -> bool:
        if host == _LOCALHOST or host in self._simulator_hosts:
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
