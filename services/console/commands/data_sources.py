"""Where `sightline data fetch` gets bars from."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from services.console.commands.context import Operator
from services.console.commands.tuning_bars import WrongOptionError
from services.kit.ids import SystemRandomness
from services.kit.secret_files import read_secret
from services.trading.marketdata.alpaca_bars import AlpacaBars
from services.trading.marketdata.packaged import PackagedHistory
from services.trading.marketdata.port import BarRequest, BarsUnavailableError, Timeframe

_KEY_FILE: Final = "alpaca_data.json"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
# What is fetched and kept at once.
_PIECE_OF_DAYS: Final = timedelta(days=366)
_PIECE_WITHIN_DAYS: Final = timedelta(days=31)


def alpaca_of(operator: Operator, keys: Path | None, url: str, feed: str) -> AlpacaBars:
    """Alpaca's market data, with the keys of a file.

    Raises:
        WrongOptionError: The address or the feed makes no sense.
        SecretFileError: The file is missing, or others may read it.
        BarsUnavailableError: It holds no keys.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise WrongOptionError("--url begins with https: the keys are sent there.")
    if feed not in {"sip", "iex"}:
        raise WrongOptionError(f"--feed is sip or iex, not {feed!r}.")
    headers = _headers(keys or operator.layout.secrets_dir / _KEY_FILE)
    return AlpacaBars(url, lambda: headers, clock=operator.clock, randomness=SystemRandomness(), feed=feed)


def pieces_of(request: BarRequest) -> Iterator[BarRequest]:
    """The request in parts, oldest first, each small enough to be fetched and kept at once."""
    length = _PIECE_OF_DAYS if request.timeframe is Timeframe.DAY else _PIECE_WITHIN_DAYS
    start = request.start
    while start < request.end:
        end = min(start + length, request.end)
        yield replace(request, start=start, end=end)
        start = end


def packaged_in(dataset: str) -> str:
    """The symbols of a packaged set, or why they are not there."""
    try:
        return ", ".join(PackagedHistory(dataset).symbols)
    except BarsUnavailableError as error:
        return error.detail


def _headers(path: Path) -> dict[str, str]:
    try:
        given = json.loads(read_secret(path))
        return {"APCA-API-KEY-ID": str(given["key_id"]), "APCA-API-SECRET-KEY": str(given["secret_key"])}
    except (ValueError, KeyError, TypeError):
        raise BarsUnavailableError(
            f'{path} does not hold Alpaca\'s keys: write {{"key_id": "...", "secret_key": "..."}} into it.'
        ) from None
