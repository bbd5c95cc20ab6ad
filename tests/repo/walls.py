"""A contract type for import-linter: a wall that already stands where its rooms are still to be built."""

from grimp import ImportGraph
from importlinter import ContractCheck
from importlinter.contracts.forbidden import ForbiddenContract


class Wall(ForbiddenContract):
    """`forbidden`, but a module of ours that does not exist yet is passed over instead of being an error.

    The architecture names rooms before they are built; stated like this, their walls hold from their first line on.
    A misspelt module would be passed over too: `test_architecture` holds every name against the list of rooms.
    """

    type_name = "wall"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 -- import-linter's signature
        self.source_modules = {each for each in self.source_modules if _stands(each.expression, graph)}
        self.forbidden_modules = {each for each in self.forbidden_modules if _stands(each.expression, graph)}
        return super().check(graph, verbose)


def _stands(name: str, graph: ImportGraph) -> bool:
    ours = name.split(".", maxsplit=1)[0] in {"services", "telemetry"}
    return not ours or name in graph.modules
