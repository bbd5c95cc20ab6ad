"""What every command works with: settings, layout, where to print. Made once, when the command starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

import typer
from pydantic import Field
from rich.console import Console

from services.auth.settings import AuthSettings
from services.console.commands.progress import ConsoleProgress
from services.console.stack.components import Component
from services.console.stack.docker import DockerPlatform
from services.console.stack.layout import Layout, checkout
from services.console.stack.native import NativePlatform
from services.console.stack.record import RunRecord
from services.kit.clock import Clock
from services.kit.service_settings import ServiceSettings
from services.kit.settings import PREFIX, Settings, load

# Settings of services that reach them through `sightline up`; all others follow from the layout.
_PASSED_ON = (
    "LOG_LEVEL",
    "CONSOLE",
    "SAMPLE_RATIO",
    "SHUTDOWN_SECONDS",
    "MAX_BODY_BYTES",
    "LOKI_URL",
    "OTLP_URL",
    "TEMPO_URL",
    "PROMETHEUS_URL",
)


ALPACA_KEY: Final = "APCA_API_KEY_ID"
ALPACA_SECRET: Final = "APCA_API_SECRET_KEY"  # noqa: S105 -- the name of a variable
"""Alpaca's own names for its keys: where they are set, `sightline up` trades at Alpaca with paper money."""


class OperatorSettings(Settings):
    """Settings of the `sightline` command."""

    env: str = Field(default="local", pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="Name of the environment.")
    data_dir: Path | None = Field(default=None, description="Everything that is kept. Default: var in the checkout.")
    port_offset: int = Field(
        default=0, ge=0, le=50_000, description="Added to every port of a native run, to run two on one machine."
    )
    slack_webhook_url_file: Path | None = Field(
        default=None, description="File (mode 0600) with the Slack webhook that alerts go to. Default: a local catcher."
    )
    loki_url: str | None = Field(default=None, description="A Loki elsewhere, to read logs from.")
    tempo_url: str | None = Field(default=None, description="A Tempo elsewhere, to read traces from.")
    prometheus_url: str | None = Field(default=None, description="A Prometheus elsewhere, to read metrics from.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The context of one command.

    Attributes:
        out: Where results go.
        progress: Where it is told what happens.
        service_settings: Environment handed on to services.
        environ: The settings that the operator's environment holds, for commands that do a service's work, and keys for
            Alpaca.
    """

    settings: OperatorSettings
    layout: Layout
    components: Sequence[Component]
    clock: Clock
    out: Console
    progress: ConsoleProgress
    service_settings: Mapping[str, str]
    environ: Mapping[str, str]

    def record(self) -> RunRecord | None:
        """What was started and not stopped."""
        return RunRecord.load(self.layout.run_dir)

    def native(self) -> NativePlatform:
        """The platform under supervisord."""
        return NativePlatform(self.layout, self.progress)

    def docker(self) -> DockerPlatform:
        """The platform in containers."""
        return DockerPlatform(self.layout.root)

    def mode(self) -> Literal["native", "docker", "stopped"]:
        """How the platform runs now, as far as its record tells."""
        record = self.record()
        return record.mode if record else "stopped"


def operator_of(context: typer.Context) -> Operator:
    """The context of the command that runs now. Raises SettingsError."""
    return cast("Operator", context.obj())


def make_operator(components: Sequence[Component], clock: Clock, environ: Mapping[str, str]) -> Operator:
    """Read the settings and find out where everything lies. Raises SettingsError."""
    own = tuple(name for component in components for name in component.settings)
    settings = load(OperatorSettings, environ, also_known=(ServiceSettings, AuthSettings), other_variables=own)
    root = checkout()
    data_dir = (settings.data_dir or root / "var").absolute()
    secrets_given = "secrets_dir" in settings.model_fields_set
    layout = Layout(
        root=root,
        data_dir=data_dir,
        secrets_dir=settings.secrets_dir.absolute() if secrets_given else data_dir / "secrets",
        port_offset=settings.port_offset,
        env=settings.env,
    )
    out = Console(highlight=False)
    names = (*(PREFIX + name for name in _PASSED_ON), *own)
    return Operator(
        settings=settings,
        layout=layout,
        components=components,
        clock=clock,
        out=out,
        progress=ConsoleProgress(out),
        service_settings={name: environ[name] for name in names if environ.get(name)},
        environ={
            name: value
            for name, value in environ.items()
            if name.startswith(PREFIX) or name in {ALPACA_KEY, ALPACA_SECRET}
        },
    )
