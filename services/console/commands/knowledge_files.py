"""Knowledge read from its files, for commands that work without a running platform."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from services.console.commands.context import Operator
from services.content.knowledge.index import KnowledgeIndex
from services.content.knowledge.library import Library, Places, read_library
from services.content.knowledge.matching import Candidate, Matcher
from services.content.knowledge.normalising import Normaliser
from services.content.settings import ContentSettings
from services.contracts.knowledge import MatchedBy, MatchQuery
from services.kit.settings import load
from telemetry.query.ports import LogLine

_GRAVE = {"error", "critical"}


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where entries lie for this operator, and how long they are trusted."""

    places: Places
    stale_after: timedelta
    today: date
    settings: ContentSettings

    def read(self) -> Library:
        """Every entry, and what is wrong with files."""
        return read_library(self.places, today=self.today)


def shelf_of(operator: Operator) -> Shelf:
    """As the content service would find them. Raises `SettingsError`."""
    layout = operator.layout
    given = {name: value for name, value in operator.environ.items() if name in ContentSettings.variables()}
    derived = {"SIGHTLINE_DATA_DIR": str(layout.data_dir), "SIGHTLINE_SECRETS_DIR": str(layout.secrets_dir)}
    settings = load(ContentSettings, {"SIGHTLINE_DOCS_DIR": str(layout.root / "docs"), **given, **derived})
    return Shelf(
        Places(docs=settings.docs_path, own=settings.own_knowledge_path),
        timedelta(days=settings.knowledge_stale_days),
        operator.clock.now().date(),
        settings,
    )


class Known:
    """Names the entry of an error line. Entries are read with the first line that is one."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._normaliser = Normaliser()

    def entry_of(self, line: LogLine) -> str:
        """The id of the entry that answers a line of level error or above; "" where none surely does."""
        if line.level not in _GRAVE or not line.line.strip():
            return ""
        query = MatchQuery(text=line.line[:4_000], venue=(line.field("venue") or line.field("broker"))[:64])
        found = self._matcher.match(self._normaliser.signature(query))
        return found[0].entry.front.id if found and _is_sure(found[0]) else ""

    @cached_property
    def _matcher(self) -> Matcher:
        shelf = shelf_of(self._operator)
        entries = shelf.read().current()
        return Matcher(entries, KnowledgeIndex(entries), shelf.settings.knowledge_venues)


def _is_sure(candidate: Candidate) -> bool:
    return candidate.how is not MatchedBy.TEXT
