"""How quickly the knowledge base answers, with 10,000 entries and 500 patterns."""

import random
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from statistics import quantiles
from time import perf_counter, thread_time

from benchmarks.harness import markdown_table
from services.content.knowledge.entries import Entry, FrontMatter
from services.content.knowledge.index import KnowledgeIndex
from services.content.knowledge.matching import Matcher
from services.content.knowledge.normalising import Normaliser
from services.contracts.alerting import Severity
from services.contracts.knowledge import EntryKind, MatchQuery

_DOCS = Path(__file__).parents[1] / "docs"
_ENTRIES, _PATTERNS = 10_000, 500
_WORDS_IN_A_BODY = 120


def run(quick: bool) -> str:  # noqa: FBT001 -- the signature that every benchmark has
    """The benchmark's table."""
    rounds = 300 if quick else 3_000
    chance = random.Random(20261125)  # noqa: S311 -- the same entries each time
    words = _vocabulary()
    weights = [1.0 / rank for rank in range(1, len(words) + 1)]  # as words of a language come (Zipf)
    entries = [_entry(number, chance.choices(words, weights, k=_WORDS_IN_A_BODY)) for number in range(_ENTRIES)]

    began = perf_counter()
    index = KnowledgeIndex(entries)
    built = perf_counter() - began
    matcher, normaliser = Matcher(entries, index, {}), Normaliser()
    told = normaliser.signature

    def any_words(count: int) -> str:
        return " ".join(chance.choices(words, weights, k=count))

    rows = {
        "search, one frequent word": lambda: index.search(words[20], limit=10),
        "search, two words": lambda: index.search(any_words(2), limit=10),
        "search, five words": lambda: index.search(any_words(5), limit=10),
        "match by venue and code": lambda: matcher.match(told(MatchQuery(text="refused", venue="v3", code="c7003"))),
        "match by one of 500 patterns": lambda: matcher.match(
            told(MatchQuery(text="order 7 refused: fault number 499 of the pattern benchmark"))
        ),
        "match by words, or miss": lambda: matcher.match(told(MatchQuery(text=any_words(14)))),
    }
    head = ("question", "p50 ms", "p95 ms", "p95 ms of processor time")
    table = markdown_table(head, [(name, *_cells(_timed(ask, rounds))) for name, ask in rows.items()])
    note = f"{_ENTRIES:,} entries of {_WORDS_IN_A_BODY} words; indexed in {built:.2f} s.\n"
    return f"{note}\n{table}\n"


def _timed(ask: Callable[[], object], rounds: int) -> list[tuple[float, float]]:
    """How long each took by the clock, and of the processor, which neighbours on the machine change less."""
    taken = []
    for _ in range(rounds):
        began, worked = perf_counter(), thread_time()
        ask()
        taken.append((perf_counter() - began, thread_time() - worked))
    return taken


def _cells(taken: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    by_clock, worked = (quantiles(seconds, n=100) for seconds in zip(*taken, strict=True))
    return tuple(f"{seconds * 1000:.2f}" for seconds in (by_clock[49], by_clock[94], worked[94]))


def _vocabulary() -> list[str]:
    """The words of our own documentation, the most frequent first, with made-up ones to bring them to 20,000."""
    counts: dict[str, int] = {}
    for path in sorted(_DOCS.rglob("*.md")):
        for word in path.read_text(encoding="utf-8").lower().split():
            if word.isalpha():
                counts[word] = counts.get(word, 0) + 1
    known = sorted(counts, key=lambda word: (-counts[word], word))
    return known + [f"word{number}x" for number in range(max(0, 20_000 - len(known)))]


def _entry(number: int, words: Sequence[str]) -> Entry:
    with_pattern = number < _PATTERNS
    front = FrontMatter(
        id=f"entry-{number}",
        kind=EntryKind.ERROR_SIGNATURE,
        title=" ".join(words[:6]),
        venue="" if with_pattern else f"v{number % 5}",
        severity=Severity.WARNING,
        code="" if with_pattern else f"c{number}",
        regex=rf"fault number {number} of (the|a) pattern" if with_pattern else "",
        source="made up for the benchmark",
        verified_at=date(2026, 11, 25),
    )
    return Entry(front, " ".join(words), f"knowledge/entry-{number}.md", 12)
