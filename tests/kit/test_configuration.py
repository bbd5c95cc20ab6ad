"""docs/configuration.md tells of every setting, as the settings classes have it."""

import importlib
import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.kit.service_settings import ServiceSettings
from services.kit.settings import SecretFile, Settings

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "configuration.md").read_text()
MODULES = sorted(path for path in (ROOT / "services").rglob("*settings.py") if "kit" not in path.parts)


def settings_classes() -> list[type[Settings]]:
    found: list[type[Settings]] = [ServiceSettings]
    for path in MODULES:
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        found += [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Settings) and value.__module__ == module.__name__
        ]
    return found


def rows_of(settings_class: type[Settings]) -> list[str]:
    """The rows of its table: its own settings, without those that every service has."""
    shared = {} if settings_class is ServiceSettings else ServiceSettings.model_fields
    variables = {field: variable for variable, field in settings_class.variables().items()}
    return [
        f"| `{variables[name]}` | {_default(field)} | {field.description} |"
        for name, field in settings_class.model_fields.items()
        if name not in shared
    ]


def _default(field: FieldInfo) -> str:
    files = [marker for marker in field.metadata if isinstance(marker, SecretFile)]
    if files:
        place = f"`{files[0].default}` among the secrets"
        return place if field.is_required() else f"{place}, if it is there"
    if field.default is PydanticUndefined:
        return "must be set" if field.default_factory is None else "empty"
    return "none" if field.default is None else f"`{field.default}`"


@pytest.mark.parametrize("settings_class", settings_classes(), ids=lambda found: found.__name__)
def test_settings_when_documented_then_the_rows_are_those_of_the_class(settings_class: type[Settings]) -> None:
    rows = rows_of(settings_class)
    missing = [row for row in rows if row not in DOCUMENT]
    assert missing == [], "put these rows into docs/configuration.md:\n" + "\n".join(missing)


def test_documentation_when_it_names_a_setting_then_some_class_has_it() -> None:
    known = {variable for settings_class in settings_classes() for variable in settings_class.variables()}
    named = set(re.findall(r"^\| `(SIGHTLINE_[A-Z_]+)`", DOCUMENT, re.MULTILINE))
    assert named <= known


@pytest.mark.parametrize("settings_class", settings_classes(), ids=lambda found: found.__name__)
def test_settings_when_defined_then_each_says_what_it_is_for(settings_class: type[Settings]) -> None:
    silent = [name for name, field in settings_class.model_fields.items() if not field.description]
    assert silent == []
