"""Settings: read once from the environment, frozen afterwards; every problem is told at once, in words."""

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from services.kit.errors import StartError
from services.kit.secret_files import SecretFileError, SecretFileMissingError, read_secret

PREFIX = "SIGHTLINE_"
_FILE_SUFFIX = "_FILE"


class SettingsError(StartError):
    """The environment does not make valid settings.

    Attributes:
        problems: One readable line for each problem.
    """

    code = "bad_settings"
    title = "The settings are not valid"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class SecretFile:
    """Marks a field whose value stands in a file: `Annotated[SecretStr, SecretFile("nats_token")]`.

    The file is the one that SIGHTLINE_<FIELD>_FILE names, else `default` in the secrets directory, where
    `{service}` stands for the service's name.
    """

    default: str


class Settings(BaseSettings):
    """Base of all settings. `load` reads the environment; the constructor takes values and reads nothing."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_ignore_empty=True, hide_input_in_errors=True
    )

    service_name: ClassVar[str] = ""

    secrets_dir: Path = Field(
        default=Path("var/secrets"), description="Directory that holds the secrets' files, made by `sightline up`."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the constructor alone, so that making settings in a test reads no environment."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @classmethod
    def variables(cls) -> dict[str, str]:
        """The environment variable of each field: variable to field name."""
        return {_variable(name, field): name for name, field in cls.model_fields.items()}


SettingsT = TypeVar("SettingsT", bound=Settings)


def load(
    settings_class: type[SettingsT],
    environ: Mapping[str, str] | None = None,
    *,
    also_known: Iterable[type[Settings]] = (),
    other_variables: Iterable[str] = (),
) -> SettingsT:
    """Read the settings once.

    Args:
        settings_class: What to read.
        environ: The environment; the process's own when None.
        also_known: Settings of other programs that share this environment; their variables are passed over.
        other_variables: Further variables to pass over.

    Raises:
        SettingsError: with one line for each problem. No line holds a value.
    """
    environment = dict(os.environ if environ is None else environ)
    others = {*other_variables, *(name for other in also_known for name in other.variables())}
    problems = _unknown_variables(settings_class, environment, others)
    values, unreadable = _read_plain(settings_class, environment)
    problems += unreadable
    secrets, unusable = _read_secrets(settings_class, environment, values)
    problems += [problem for _, problem in unusable]
    fields: dict[str, Any] = {**values, **secrets}
    try:
        settings = settings_class(**fields)
    except ValidationError as error:
        told = {field for field, _ in unusable}
        problems += [
            _describe(settings_class, detail) for detail in error.errors() if not told.intersection(detail["loc"][:1])
        ]
        raise SettingsError(problems) from None
    if problems:
        raise SettingsError(problems)
    return settings


class _Environment(EnvSettingsSource):
    """pydantic-settings' own reading of variables (prefix, JSON for lists), from the mapping it is given."""

    def __init__(self, settings_class: type[Settings], environment: Mapping[str, str]) -> None:
        self._environment = {name.lower(): value for name, value in environment.items() if value}
        super().__init__(settings_class)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._environment


def _read_plain(settings_class: type[Settings], environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    source = _Environment(settings_class, environment)
    values: dict[str, Any] = {}
    problems = []
    for name, field in settings_class.model_fields.items():
        if _secret_file(field) is not None:
            continue
        try:
            raw, _, is_complex = source.get_field_value(field, name)
            value = source.prepare_field_value(name, field, raw, is_complex)
        except ValueError:
            problems.append(f"{_variable(name, field)}: write it as JSON. {_meaning(field)}")
            continue
        if value is not None:
            values[name] = value
    return values, problems


def _read_secrets(
    settings_class: type[Settings], environment: Mapping[str, str], values: Mapping[str, Any]
) -> tuple[dict[str, SecretStr], list[tuple[str, str]]]:
    directory = Path(values.get("secrets_dir") or settings_class.model_fields["secrets_dir"].default)
    secrets: dict[str, SecretStr] = {}
    problems = []
    for name, field in settings_class.model_fields.items():
        marker = _secret_file(field)
        if marker is None:
            continue
        named = environment.get(_variable(name, field))
        path = Path(named) if named else directory / marker.default.format(service=settings_class.service_name)
        try:
            secrets[name] = SecretStr(read_secret(path))
        except SecretFileMissingError as error:
            if named or field.is_required():
                problems.append((name, f"{_variable(name, field)}: {error.detail} {_meaning(field)}".rstrip()))
        except SecretFileError as error:
            problems.append((name, f"{_variable(name, field)}: {error.detail}"))
    return secrets, problems


def _unknown_variables(settings_class: type[Settings], environment: Mapping[str, str], others: set[str]) -> list[str]:
    known = others.union(settings_class.variables())
    problems = []
    for variable in sorted(name for name in environment if name.upper().startswith(PREFIX) and name not in known):
        as_file = f"{variable}{_FILE_SUFFIX}"
        if as_file in known:
            problems.append(f"{variable}: a secret does not belong in the environment; put it into a file, {as_file}.")
            continue
        # Without the prefix: it would make everything alike.
        candidates = sorted(name.removeprefix(PREFIX) for name in known)
        near = difflib.get_close_matches(variable.upper().removeprefix(PREFIX), candidates, n=1)
        hint = f"did you mean {PREFIX}{near[0]}?" if near else "docs/configuration.md lists them all."
        problems.append(f"{variable}: there is no such setting; {hint}")
    return problems


def _describe(settings_class: type[Settings], detail: Any) -> str:  # noqa: ANN401 -- pydantic's ErrorDetails is not exported
    location = detail["loc"]
    name = str(location[0]) if location else ""
    field = settings_class.model_fields.get(name)
    message: str = detail["msg"].removeprefix("Value error, ")
    if field is None:
        return message
    if detail["type"] == "missing":
        return f"{_variable(name, field)}: not set. {_meaning(field)}".rstrip()
    return f"{_variable(name, field)}: {message}. {_meaning(field)}".rstrip()


def _variable(name: str, field: FieldInfo) -> str:
    suffix = _FILE_SUFFIX if _secret_file(field) is not None else ""
    return f"{PREFIX}{name.upper()}{suffix}"


def _meaning(field: FieldInfo) -> str:
    return field.description or ""


def _secret_file(field: FieldInfo) -> SecretFile | None:
    return next((marker for marker in field.metadata if isinstance(marker, SecretFile)), None)
