"""YAML that people write: read safely, and a name that is given twice is refused instead of half lost."""

from collections.abc import Sequence
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


def line_of(text: str, place: Sequence[int | str]) -> int:
    """The line, counted from 1, on which a YAML text says what stands at a place, or else what is around it.

    0 for a text that `parse` would refuse, and for one that is empty.
    """
    node: yaml.Node | None
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError:
        return 0
    line = 0
    for step in (None, *place):
        if step is not None and node is not None:
            node = _below(node, step)
        if node is None:
            break
        line = node.start_mark.line + 1
    return line


def _below(node: yaml.Node, step: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found: yaml.Node = node.value[step]
        return found
    return None


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 -- PyYAML's signature
        names = [key.value for key, _ in node.value]
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)
