"""The limits as a person writes them: a YAML text. Whoever has the file reads it and hands its text over."""

import yaml
from pydantic import ValidationError

from services.trading.risk.limits import Limits


class LimitsUnreadableError(ValueError):
    """The text holds no limits; the words say where it is wrong."""


def parse(text: str) -> Limits:
    """The limits in a YAML text; what it does not name keeps its default, an empty text is all defaults.

    Raises:
        LimitsUnreadableError: It is no YAML, names a limit that there is not, or gives one a value that it cannot have.
    """
    try:
        told = yaml.load(text, Loader=_Loader)  # noqa: S506 -- a SafeLoader that also refuses a name given twice
    except yaml.YAMLError as error:
        raise LimitsUnreadableError(f"The limits are not YAML: {' '.join(str(error).split())}") from None
    try:
        return Limits.model_validate({} if told is None else told)
    except ValidationError as error:
        problems = "; ".join(f"{_place(each['loc'])}: {each['msg']}" for each in error.errors(include_url=False))
        raise LimitsUnreadableError(f"The limits cannot be used: {problems}. docs/risk.md lists them.") from None


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 -- PyYAML's signature
        names = [key.value for key, _ in node.value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(each) for each in location) or "the whole"
