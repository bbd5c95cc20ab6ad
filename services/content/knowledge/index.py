"""Full-text search over entries: SQLite's FTS5, in memory, made anew when entries change."""

import math
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from services.content.knowledge.entries import Entry
from services.contracts.knowledge import EntryId

_SCHEMA = """
CREATE VIRTUAL TABLE entries USING fts5(
    title, marks, body, tokenize = 'porter unicode61 remove_diacritics 2'
);
"""
# A word of the title tells more than one of venue, code and template, and that more than one of the text.
_RANKED: Final = """
SELECT rowid, snippet(entries, -1, '**', '**', ' … ', 24), -bm25(entries, 8.0, 5.0, 1.0) AS relevance
FROM entries WHERE entries MATCH ? ORDER BY relevance DESC, rowid LIMIT ?
"""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_MOST_WORDS = 24
_MOST_TELLING = 8


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that holds the words; the higher the rank the better."""

    entry_id: EntryId
    snippet: str
    rank: float


class KnowledgeIndex:
    """An index over entries as they are now. Safe to use from any thread; one question at a time."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._lock = Lock()
        self._connection.executescript(_SCHEMA)
        with self._connection:
            self._ids = [entry.front.id for entry in entries]
            rows = [(row, each.front.title, _marks(each), each.body) for row, each in enumerate(entries)]
            self._connection.executemany("INSERT INTO entries (rowid, title, marks, body) VALUES (?, ?, ?, ?)", rows)
            self._connection.execute("INSERT INTO entries (entries) VALUES ('optimize')")

    def search(self, words: str, *, limit: int) -> list[Found]:
        """Entries with every word, the last one perhaps not yet whole; failing that, with any of them."""
        wanted = words_of(words)
        if not wanted:
            return []
        quoted = [f'"{word}"' for word in wanted]
        return self._ask(" AND ".join([*quoted[:-1], f"{quoted[-1]} *"]), limit) or self._ask(
            " OR ".join(quoted), limit
        )

    def nearest(self, text: str, *, limit: int) -> list[tuple[Found, float, int]]:
        """Entries with words in common with an error; each with how much of it they hold, and how many telling words.

        That share is between 0 and 1 and weighs each word by how few entries have it (its inverse document frequency,
        as in bm25); a word that no entry has weighs most, so an error about something unknown is near to nothing.
        """
        wanted = words_of(text)
        if not wanted:
            return []
        weights = {word: self._weight(word) for word in wanted}
        # Words that half of the entries have weigh nothing and find everything: without them the question is quick.
        telling = sorted((word for word in wanted if 0 < weights[word] < self._rarest), key=weights.__getitem__)
        if not telling:
            return []
        found = self._rows(" OR ".join(f'"{word}"' for word in telling[-_MOST_TELLING:]), limit)
        total = sum(weights.values())
        answers = []
        for row in found:
            held = self._held(row[0], telling)
            answers.append((self._found(row), sum(weights[word] for word in held) / total, len(held)))
        return answers

    def close(self) -> None:
        """Let go of the memory."""
        with self._lock:
            self._connection.close()

    @property
    def _rarest(self) -> float:
        return _weight(len(self._ids), 0)

    def _ask(self, query: str, limit: int) -> list[Found]:
        return [self._found(row) for row in self._rows(query, limit)]

    def _found(self, row: tuple[int, str, float]) -> Found:
        return Found(self._ids[row[0]], row[1], row[2])

    def _rows(self, query: str, limit: int) -> list[tuple[int, str, float]]:
        with self._lock:
            return self._connection.execute(_RANKED, (query, limit)).fetchall()

    def _weight(self, word: str) -> float:
        query = "SELECT count(*) FROM entries WHERE entries MATCH ?"
        with self._lock:
            having = self._connection.execute(query, (f'"{word}"',)).fetchone()[0]
        return _weight(len(self._ids), having)

    def _held(self, row: int, words: Sequence[str]) -> list[str]:
        query = "SELECT 1 FROM entries WHERE entries MATCH ? AND rowid = ?"
        with self._lock:
            return [word for word in words if self._connection.execute(query, (f'"{word}"', row)).fetchone()]


def _weight(entries: int, having: int) -> float:
    """Inverse document frequency as bm25 has it (Robertson and Sparck Jones), never below 0."""
    return max(0.0, math.log((entries - having + 0.5) / (having + 0.5)))


def words_of(text: str) -> Sequence[str]:
    """The different words of a text, at most 24, without what a placeholder stands for."""
    plain = re.sub(r"<[a-z]{1,8}>", " ", text)
    return list(dict.fromkeys(word.casefold() for word in _WORD.findall(plain)))[:_MOST_WORDS]


def _marks(entry: Entry) -> str:
    front = entry.front
    status = "" if front.http_status is None else str(front.http_status)
    return " ".join(filter(None, (front.id, front.venue, front.kind, status, front.code, front.alert, front.template)))
