"""The settings of a service that runs here, or would: for commands that do its work themselves."""

from typing import TypeVar

from services.console.commands.context import Operator
from services.console.stack.errors import StackError
from services.console.stack.layout import HOST
from services.kit.service_settings import ServiceSettings
from services.kit.settings import load

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def own_settings(operator: Operator, settings_class: type[SettingsT]) -> SettingsT:
    """Read them as the service does, for this platform.

    Raises:
        StackError: What the service keeps lies in a container's volume.
        SettingsError: They are not valid.
    """
    layout, record, name = operator.layout, operator.record(), settings_class.service_name
    if record is not None and record.mode == "docker":
        raise StackError(
            f"with Docker what {name} keeps lies in a volume",
            remedy=f"run it inside: `docker compose exec {name} sightline ...`",
        )
    given = {key: value for key, value in operator.environ.items() if key in settings_class.variables()}
    loki = next((unit.port for unit in record.units if unit.name == "loki"), None) if record else None
    if loki is not None:
        given["SIGHTLINE_LOKI_URL"] = f"http://{HOST}:{loki}"
    derived = {
        "SIGHTLINE_ENV": layout.env,
        "SIGHTLINE_DATA_DIR": str(layout.data_dir),
        "SIGHTLINE_SECRETS_DIR": str(layout.secrets_dir),
        "SIGHTLINE_PORT_OFFSET": str(layout.port_offset),
        "SIGHTLINE_CONSOLE": "off",
    }
    return load(settings_class, {**given, **derived})
