"""What a service says about itself and about where its telemetry goes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryOptions:
    """Options of `telemetry.emit.setup.setup`.

    Attributes:
        service_name: Label `service_name` of log lines, `service.name` of spans.
        env: Label `env`: local, paper or live.
        version: The service's version, on spans and in `sightline_build_info`.
        data_dir: The spool lies in `spool/<service_name>` below it.
        log_level: Lowest level that is kept: DEBUG, INFO, WARNING, ERROR or CRITICAL.
        console: How lines look on stderr; "off" prints none.
        loki_url: Base URL of Loki, such as http://127.0.0.1:3100.
        otlp_url: Base URL of an OTLP/HTTP collector, such as http://127.0.0.1:4318.
        embedded_path: SQLite file that takes what has no URL; metric readings are written there too.
        sample_ratio: Share of traces to keep, 0.0 to 1.0.
        forced_routes: Path prefixes whose requests are always traced.
        audit_path: File that holds lines of `audit.*` loggers until they are delivered, so that SIGKILL loses none.

    Raises:
        ValueError: The level is unknown, the ratio out of its range or a URL malformed.
    """

    service_name: str
    env: str
    version: str
    data_dir: Path
    log_level: str = "INFO"
    console: Literal["text", "json", "off"] = "text"
    loki_url: str | None = None
    otlp_url: str | None = None
    embedded_path: Path | None = None
    sample_ratio: float = 1.0
    forced_routes: tuple[str, ...] = ()
    audit_path: Path | None = None

    def __post_init__(self) -> None:
        if self.log_level.upper() not in LEVELS:
            raise ValueError(f"the log level must be one of {', '.join(LEVELS)}, not {self.log_level!r}")
        if not 0.0 <= self.sample_ratio <= 1.0:
            raise ValueError(f"the sampling ratio must lie between 0 and 1, not {self.sample_ratio}")
        for name, url in (("loki_url", self.loki_url), ("otlp_url", self.otlp_url)):
            if url is not None and not _is_base_url(url):
                # Without the value: it may hold a password.
                raise ValueError(f"{name} must be a base URL such as http://127.0.0.1:3100")


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False
