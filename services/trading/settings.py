"""Settings of the trading service, and the file that says where it trades and how much."""

from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from services.contracts.auth import Broker
from services.contracts.orders import PAPER_VENUES, VenueName
from services.contracts.verdict import Environment
from services.kit import yaml_text
from services.kit.errors import StartError
from services.kit.service_settings import ServiceSettings
from services.trading.engine.config import MOST_STRATEGIES, BarsConfig, StrategyConfig, problem_of
from services.trading.marketdata.port import Timeframe
from services.trading.risk.limits import Limits

_AUTH_PORT: Final = 8720
_PAPER_PORT: Final = 8740


class TradingFileError(StartError):
    """The trading file cannot be used."""

    code = "bad_trading_file"
    title = "The trading file is not valid"


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VenueConfig(_File):
    """One account that orders can go to.

    Attributes:
        name: The account's name at auth, too.
        base_url: Where its orders go; the broker's own address unless it is given.
    """

    name: Annotated[VenueName, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
    broker: Broker = Broker.ALPACA
    environment: Environment = Environment.PAPER
    base_url: str = ""

    @model_validator(mode="after")
    def _can_trade(self) -> Self:
        if self.broker is not Broker.ALPACA:
            raise ValueError(f"there is no way for orders to {self.broker} yet; use alpaca")
        return self


class TradingFile(_File):
    """Where to trade, when, and within which limits.

    Attributes:
        venues: The local paper venues in a file that names none.
        sessions: The exchange's calendar that the gate goes by, or "always" for venues that never close.
        strategies: What runs in the engine.
        bars: What it looks at.
    """

    venues: tuple[VenueConfig, ...] = Field(min_length=1, max_length=16)
    sessions: Literal["XNYS", "always"] = "XNYS"
    limits: Limits = Limits()
    strategies: tuple[StrategyConfig, ...] = Field(default=(), max_length=MOST_STRATEGIES)
    bars: BarsConfig = BarsConfig()

    @model_validator(mode="after")
    def _strategies_can_run(self) -> Self:
        if problem := problem_of(self.strategies):
            raise ValueError(problem)
        names = [venue.name for venue in self.venues]
        for named, who in [(self.bars.venue, "bars"), *((each.venue, each.name) for each in self.strategies)]:
            if named is not None and named not in names:
                raise ValueError(f"{who} names the venue {named}; there are {', '.join(names)}")
        queued = self.sessions == "always" or self.limits.queue_when_closed
        daily = [each.name for each in self.strategies if each.timeframe is Timeframe.DAY]
        if daily and not queued:
            raise ValueError(
                f"{', '.join(daily)} decides when its session has ended, and no order may be sent then: set "
                "limits.queue_when_closed to true"
            )
        return self

    @property
    def bar_sessions(self) -> str:
        """The calendar that bars follow."""
        return self.bars.sessions or self.sessions

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [venue.name for venue in self.venues]
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            raise ValueError(f"two venues are called {', '.join(double)}")
        return self


class TradingSettings(ServiceSettings):
    """What the trading service reads, beside what every service does."""

    service_name: ClassVar[str] = "trading"
    default_port: ClassVar[int] = 8730

    trading_file: Path | None = Field(
        default=None,
        description="YAML file with venues, limits and strategies. Default: two local paper venues, no strategies.",
    )
    simulator_hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")], ...] = Field(
        default=(), description="Hosts beside this machine where a paper venue may stand, in paper trading only."
    )
    price_feed: Literal["iex", "sip"] = Field(
        default="iex",
        description="Whose trades give Alpaca's prices: iex, or sip for all exchanges, which costs extra.",
    )
    allow_live: bool = Field(default=False, description="Whether venues that move real money may be used.")
    tuning_storage: str | None = Field(
        default=None,
        description="Postgres that studies share, as `sightline tune --storage` has it. Default: the data directory's.",
    )
    auth_url: str | None = Field(default=None, description="Base URL of auth. Default: its own port on this machine.")
    paper_url: str | None = Field(
        default=None, description="Base URL of the local paper venues. Default: the venue service on this machine."
    )

    @property
    def auth_base_url(self) -> str:
        """Where auth is called."""
        return self.auth_url or f"http://127.0.0.1:{_AUTH_PORT + self.port_offset}"

    @property
    def paper_base_url(self) -> str:
        """Where the local paper venues are."""
        return (self.paper_url or f"http://127.0.0.1:{_PAPER_PORT + self.port_offset}").rstrip("/")

    def trading(self) -> TradingFile:
        """The file's content, or the local paper venues without a file.

        Raises:
            TradingFileError: It cannot be read or is not valid; the message names each place.
        """
        return _read(self.trading_file, self._local()) if self.trading_file else self._local()

    def _local(self) -> TradingFile:
        return TradingFile(
            venues=tuple(
                VenueConfig(name=name, base_url=f"{self.paper_base_url}/paper/{name}") for name in PAPER_VENUES
            ),
            sessions="always",
        )


def _read(path: Path, local: TradingFile) -> TradingFile:
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml_text.parse(text)
    except OSError as error:
        raise TradingFileError(f"{path} cannot be read: {error.strerror}. See SIGHTLINE_TRADING_FILE.") from error
    except UnicodeDecodeError as error:
        raise TradingFileError(f"{path} is not UTF-8 text.") from error
    except yaml_text.YamlUnreadableError as error:
        raise TradingFileError(f"{path} {error}. docs/trading.md has an example.") from error
    if isinstance(content, dict) and "venues" not in content:
        content = {"sessions": "always", **content, "venues": [venue.model_dump() for venue in local.venues]}
    try:
        return TradingFile.model_validate(content)
    except ValidationError as error:
        problems = (_told(text, each["loc"], each["msg"]) for each in error.errors())
        raise TradingFileError(f"{path}: " + "; ".join(problems)) from None


def _told(text: str, place: tuple[int | str, ...], message: str) -> str:
    line = yaml_text.line_of(text, place)
    where = f"line {line}, " if line and place else ""
    return f"{where}{'.'.join(map(str, place)) or 'the file'}: {message.removeprefix('Value error, ')}"
