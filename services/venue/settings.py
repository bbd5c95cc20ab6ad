"""Settings of the venue: brokers for tests and demonstrations, on this machine."""

import ipaddress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from services.contracts.market import SYMBOL_PATTERN, Symbol
from services.kit.service_settings import ServiceSettings
from services.kit.settings import SecretFile
from services.matching.rules import FillRule
from services.venue.broker.hours import TimeSource

_AUTH_PORT = 8720


class VenueSettings(ServiceSettings):
    """What the venue reads, beside what every service does."""

    service_name: ClassVar[str] = "venue"
    default_port: ClassVar[int] = 8740

    own_network: bool = Field(
        default=False,
        description="The process has a network of its own, a container's, whose port this machine publishes on its "
        "loopback interface alone; only then may it listen on other addresses.",
    )
    sms_webhook_url: str | None = Field(
        default=None, description="Where text messages are delivered. Default: the auth service's webhook."
    )
    twilio_auth_token: Annotated[SecretStr | None, SecretFile("twilio_auth_token")] = Field(
        default=None, description="Signs deliveries to the webhook; without it text messages are lost."
    )

    paper_venues: list[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]] = Field(
        default=["alpha", "beta"], max_length=20, description="Names of the paper venues; each is a market of its own."
    )
    paper_accounts: Annotated[SecretStr | None, SecretFile("paper_accounts.json")] = Field(
        default=None,
        description="Accounts to open at start, as JSON: a list of objects with venue, name, key_id, secret_key, cash.",
    )
    paper_logins: Annotated[SecretStr | None, SecretFile("paper_logins.json")] = Field(
        default=None,
        description="Customers of the simulated Robinhood, as JSON: a list of objects with name, password, totp_seed.",
    )
    paper_hours: Literal["always", "regular"] = Field(
        default="always", description="When paper venues are open: always, or in the New York exchange's sessions."
    )
    paper_time: TimeSource = Field(
        default=TimeSource.MACHINE,
        description="Whose time paper venues go by: machine; replay for that of the bars; present for the machine's "
        "while the bars that are replayed keep their own.",
    )
    paper_fill_rule: FillRule = Field(
        default=FillRule.IMMEDIATE,
        description="When orders trade: immediate at the last price, or next_bar at the open of the next one.",
    )
    paper_participation: Decimal | None = Field(
        default=None, gt=0, le=1, description="Share of a bar's volume that orders may trade. Default: no limit."
    )
    paper_slippage_bps: Decimal = Field(
        default=Decimal(0), ge=0, le=1000, description="How much worse fills that take liquidity are, in basis points."
    )
    paper_fee_per_share: Decimal = Field(default=Decimal(0), ge=0, le=10, description="Fee of each share, in dollars.")
    paper_fee_bps: Decimal = Field(
        default=Decimal(0), ge=0, le=1000, description="Fee on the money that changes hands, in basis points."
    )
    paper_fee_minimum: Decimal = Field(
        default=Decimal(0), ge=0, le=1000, description="Least fee of an order that fills, in dollars."
    )
    paper_requests_per_minute: int = Field(
        default=200, ge=1, le=1_000_000_000, description="Requests that a paper account may send in each minute."
    )
    paper_feed: Literal["none", "synthetic", "file"] = Field(
        default="synthetic",
        description="Where paper venues get bars from: made-up ones, those of a file, or only those pushed to them.",
    )
    paper_bars: Path | None = Field(
        default=None, description="CSV or Parquet file of bars that SIGHTLINE_PAPER_FEED=file replays."
    )
    paper_from: date | None = Field(
        default=None,
        description="Day from which recorded bars are replayed; those before it are history. Default: the first one.",
    )
    paper_symbols: list[Annotated[Symbol, Field(pattern=SYMBOL_PATTERN)]] = Field(
        default=[Symbol(each) for each in ("AAPL", "GOOG", "IBM", "MSFT", "SPY")],
        max_length=1000,
        description="Symbols that are listed from the start, and that made-up bars are for.",
    )
    paper_bar_seconds: int = Field(default=60, ge=1, le=86_400, description="Length of made-up bars, in seconds.")
    paper_feed_speed: float = Field(
        default=1.0,
        gt=0,
        le=1_000_000_000,
        description="Seconds of the bars for each second of ours; other than 1 needs SIGHTLINE_PAPER_TIME=replay or "
        "present.",
    )
    paper_seed: int = Field(default=0, ge=0, description="Determines made-up bars, and faults left to chance.")
    paper_scenario: Path | None = Field(
        default=None, description="JSON file with faults to plan at start: an object of lists by venue's name."
    )

    @model_validator(mode="after")
    def _speed_fits_the_time(self) -> Self:
        if self.paper_feed_speed != 1.0 and self.paper_time is TimeSource.MACHINE:
            raise ValueError(
                "SIGHTLINE_PAPER_FEED_SPEED: only with SIGHTLINE_PAPER_TIME=replay or present can it differ from 1"
            )
        return self

    @model_validator(mode="after")
    def _the_present_has_no_sessions(self) -> Self:
        if self.paper_time is TimeSource.PRESENT and self.paper_hours != "always":
            raise ValueError(
                "SIGHTLINE_PAPER_HOURS: sessions of the past say nothing of now: leave always, or set "
                "SIGHTLINE_PAPER_TIME=replay"
            )
        return self

    @model_validator(mode="after")
    def _file_fits_the_feed(self) -> Self:
        if (self.paper_feed == "file") != (self.paper_bars is not None):
            raise ValueError("SIGHTLINE_PAPER_BARS: it names the file for SIGHTLINE_PAPER_FEED=file; set both or none")
        if self.paper_feed == "file" and self.paper_time is TimeSource.MACHINE:
            raise ValueError(
                "SIGHTLINE_PAPER_FEED: bars of a file are of the past: set SIGHTLINE_PAPER_TIME=replay or present"
            )
        return self

    @model_validator(mode="after")
    def _only_here(self) -> Self:
        if not (self.own_network or self.host == "localhost" or _is_loopback(self.host)):
            raise ValueError("SIGHTLINE_HOST: simulated brokers ask nobody who they are; listen on 127.0.0.1")
        return self

    @property
    def webhook_url(self) -> str:
        """Where text messages go."""
        return self.sms_webhook_url or f"http://127.0.0.1:{_AUTH_PORT + self.port_offset}/sms/twilio"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
