"""YAML that people write: read safely, and a name that is given twice is refused instead of half lost."""

from typing import Any

import yaml


class YamlUnreadableError(ValueError):
    """The text is no YAML; the words say where it is wrong, and repeat nothing of it."""


def parse(text: str) -> Any:  # noqa: ANN401 -- whatever the text says
    """What a YAML text says; None for an empty one. Raises `YamlUnreadableError`."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 -- a SafeLoader that refuses more
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise YamlUnreadableError(f"is not YAML{where}: {error.problem}") from None
    except yaml.YAMLError:
        raise YamlUnreadableError("is not YAML: it holds characters that YAML does not allow") from None


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 -- PyYAML's signature
        names = [key.value for key, _ in node.value]
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)
