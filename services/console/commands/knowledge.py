"""`sightline kb`: what is known of errors, brokers and programs, and what is not."""

from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.markdown import Markdown
from rich.text import Text

from services.console.commands.calling import call, is_running
from services.console.commands.context import Operator, operator_of
from services.console.commands.knowledge_files import Shelf, shelf_of
from services.console.commands.render import LEVEL_STYLES, Cell, clock_time, columns, header
from services.console.stack.errors import StackError
from services.content.knowledge.drafting import draft
from services.content.knowledge.index import KnowledgeIndex
from services.content.knowledge.links import link_problems
from services.contracts.knowledge import (
    EntryId,
    EntryKind,
    EntrySummary,
    EntryView,
    Gap,
    GapList,
    SearchAnswer,
    SearchHit,
)

_SERVICE = "content"
_MOST_GAPS = 1_000
_EntryIds: TypeAdapter[str] = TypeAdapter(EntryId)
_Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=50)]
AnswerT = TypeVar("AnswerT", bound=BaseModel)


def make_app() -> typer.Typer:
    """The commands under `sightline kb`."""
    app = typer.Typer(no_args_is_help=True, help="What is known of errors, brokers and programs, and what is not.")
    for command in (search, show, gaps, new, check):
        app.command()(command)
    return app


def search(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(help="Words; the last may be cut short.")],
    *,
    limit: _Limit = 10,
) -> None:
    """Find entries by their words, the best first. Exit code 1 when there are none."""
    operator = operator_of(context)
    sought = " ".join(words)
    if _asks_the_service(operator):
        hits = _ask(operator, f"/knowledge/search?{urlencode({'q': sought, 'limit': limit})}", SearchAnswer).hits
    else:
        hits = _search_files(shelf_of(operator), sought, limit)
    if not hits:
        operator.progress.note("no entry holds these words; `sightline kb gaps` lists errors that have none")
        raise typer.Exit(1)
    for hit in hits:
        operator.out.print(_head(hit.entry), soft_wrap=True)
        operator.out.print(Text(f"    {' '.join(hit.snippet.split())}", "dim"), soft_wrap=True)


def show(context: typer.Context, entry_id: Annotated[str, typer.Argument(help="The entry.", metavar="ID")]) -> None:
    """Show one entry."""
    operator = operator_of(context)
    if _asks_the_service(operator):
        entry = _ask(operator, f"/knowledge/{quote(entry_id, safe='')}", EntryView)
    else:
        shelf = shelf_of(operator)
        library = shelf.read()
        superseded_by = library.superseded_by.get(entry_id)
        entry = library.get(entry_id).view(shelf.today, shelf.stale_after, superseded_by=superseded_by)
    operator.out.print(_head(entry), soft_wrap=True)
    operator.out.print(columns(_marks(entry)), soft_wrap=True)
    operator.out.print()
    operator.out.print(Markdown(entry.body))


def gaps(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=_MOST_GAPS)] = 20,
) -> None:
    """List errors that no entry answers, the most frequent first."""
    operator = operator_of(context)
    found = _ask(operator, f"/knowledge/gaps?limit={limit}", GapList).gaps
    if not found:
        operator.progress.note("every error that was met is answered by an entry")
        return
    rows: list[list[Cell]] = [
        [
            gap.id,
            str(gap.sightings),
            clock_time(gap.last_seen_at),
            gap.source,
            " ".join(filter(None, (gap.venue, str(gap.http_status or ""), gap.code))),
            gap.signature,
        ]
        for gap in found
    ]
    operator.out.print(columns([header("gap", "met", "last", "by", "code", "error"), *rows]), soft_wrap=True)
    operator.progress.note("`sightline kb new ID --from-gap GAP` drafts an entry from one")


def new(  # noqa: PLR0913 -- each parameter is one of the command's options
    context: typer.Context,
    entry_id: Annotated[str, typer.Argument(help="The entry's id, which its file is named after.", metavar="ID")],
    *,
    from_gap: Annotated[str, typer.Option(help="Begin with this gap of `sightline kb gaps`.", metavar="GAP")] = "",
    kind: Annotated[EntryKind, typer.Option(help="What it tells.")] = EntryKind.ERROR_SIGNATURE,
    title: Annotated[str, typer.Option(help="A sentence.")] = "",
    venue: Annotated[str, typer.Option(help="The broker or program that it is about.")] = "",
    shipped: Annotated[bool, typer.Option("--shipped", help="Among the platform's own, not yours.")] = False,
) -> None:
    """Draft an entry: it answers nothing before you have written it and taken out its line `draft`."""
    operator = operator_of(context)
    shelf = shelf_of(operator)
    name = _checked_id(entry_id)
    if name in shelf.read().entries and (shipped or (shelf.places.own / f"{name}.md").exists()):
        raise StackError(f"there is an entry {name}", remedy="edit it, or choose another id")
    gap = _gap(operator, from_gap) if from_gap else None
    directory = shelf.places.docs / "knowledge" if shipped else shelf.places.own
    path = directory / f"{name}.md"
    _write(path, draft(name, kind, title=title, venue=venue, gap=gap, today=shelf.today))
    operator.out.print(Text(str(path)), soft_wrap=True)
    operator.progress.note("write it, take out the line `draft: true`, then `sightline kb check`")


def check(context: typer.Context) -> None:
    """Check every entry: its fields, its links, its age. Exit code 1 when one is wrong; stale ones are told alone."""
    operator = operator_of(context)
    shelf = shelf_of(operator)
    library = shelf.read()
    problems = sorted([*library.problems, *link_problems(library, shelf.places)])
    for problem in problems:
        operator.out.print(Text.assemble(("wrong  ", LEVEL_STYLES["error"]), str(problem)), soft_wrap=True)
    for entry in library.stale(shelf.today, shelf.stale_after):
        told = f"{entry.path}: not verified since {entry.front.verified_at}; hold it against {entry.front.source}"
        operator.out.print(Text.assemble(("stale  ", LEVEL_STYLES["warning"]), told), soft_wrap=True)
    for entry in library.drafts():
        told = f"{entry.path}: answers nothing yet; finish it and take out its line `draft`"
        operator.out.print(Text.assemble(("draft  ", LEVEL_STYLES["warning"]), told), soft_wrap=True)
    operator.progress.note(f"{len(library.current())} entries answer; {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


def _asks_the_service(operator: Operator) -> bool:
    if operator.record() is not None or is_running(operator, _SERVICE):
        return True
    operator.progress.note("nothing runs; this is what the files say")
    return False


def _ask(operator: Operator, target: str, answer: type[AnswerT]) -> AnswerT:
    response = call(operator, _SERVICE, "GET", target)
    try:
        return answer.model_validate_json(response.content)
    except ValidationError as error:
        raise StackError(
            "the answer of content cannot be read", remedy="it runs another version: `sightline down && sightline up`"
        ) from error


def _search_files(shelf: Shelf, words: str, limit: int) -> tuple[SearchHit, ...]:
    library = shelf.read()
    index = KnowledgeIndex(library.current())
    return tuple(
        SearchHit(
            entry=library.get(found.entry_id).summary(shelf.today, shelf.stale_after),
            snippet=found.snippet,
            rank=found.rank,
        )
        for found in index.search(words, limit=limit)
    )


def _gap(operator: Operator, gap_id: str) -> Gap:
    listed = _ask(operator, f"/knowledge/gaps?limit={_MOST_GAPS}", GapList).gaps
    found = [gap for gap in listed if gap.id.startswith(gap_id)]
    if len(found) != 1:
        raise StackError(
            f"no gap has the id {gap_id}" if not found else f"{len(found)} gaps begin with {gap_id}",
            remedy="`sightline kb gaps` lists them; its first letters are enough where they are its alone",
        )
    return found[0]


def _checked_id(entry_id: str) -> str:
    try:
        return _EntryIds.validate_python(entry_id)
    except ValidationError:
        raise typer.BadParameter(
            "write lower-case letters, digits and hyphens, such as alpaca-wash-trade", param_hint="ID"
        ) from None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise StackError(f"{path} is there already", remedy="edit it, or choose another id") from None


def _head(entry: EntrySummary) -> Text:
    text = Text.assemble((entry.id, "bold"), f"  {entry.title}", (f"  {entry.kind.value}", "dim"))
    if entry.stale:
        text.append(f"  stale: not verified since {entry.verified_at}", LEVEL_STYLES["warning"])
    return text


def _marks(entry: EntryView) -> list[list[Cell]]:
    told = {
        "venue": entry.venue,
        "severity": entry.severity.value,
        "status": str(entry.http_status or ""),
        "code": entry.code,
        "alert": entry.alert,
        "actions": ", ".join(entry.actions),
        "source": entry.source,
        "verified": str(entry.verified_at),
        "superseded by": entry.superseded_by or "",
        "file": entry.path,
    }
    return [[(name, "dim"), value] for name, value in told.items() if value]
