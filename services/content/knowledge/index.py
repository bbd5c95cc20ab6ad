"""Full-text search over entries: SQLite's FTS5, in memory, made anew when entries change."""

import math
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Final

from services.content.knowledge.entries import Entry
from services.contracts.knowledge import EntryId

_SCHEMA = """
CREATE VIRTUAL TABLE entries USING fts5(
    title, marks, body, tokenize = 'porter unicode61 remove_diacritics 2', prefix = '3'
);
"""
# A word of the title tells more than one of venue, code and template, and that more than one of the text. As the
# table's own ranking, and not as a column of ours, it sorts before snippets are made: of ten rows, not of thousands.
_RANKING: Final = "INSERT INTO entries (entries, rank) VALUES ('rank', 'bm25(8.0, 5.0, 1.0)')"
_RANKED: Final = """
SELECT rowid, snippet(entries, -1, '**', '**', ' … ', 24), -rank FROM entries
WHERE entries MATCH ? ORDER BY rank LIMIT ?
"""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_MOST_WORDS = 24
_MOST_TELLING = 6
_SHORTEST_BEGINNING = 3  # characters; the index of beginnings has those of three
_FREQUENT, _FEW = 0.2, 20  # a word that this share of entries has is like "the", unless there are few entries
_KEPT_COUNTS = 4_096
_MANY = 1_000


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
        self._having = lru_cache(maxsize=_KEPT_COUNTS)(self._count)  # how many entries have a word
        self._connection.executescript(_SCHEMA)
        self._connection.execute(_RANKING)
        with self._connection:
            self._ids = [entry.front.id for entry in entries]
            rows = [(row, each.front.title, _marks(each), each.body) for row, each in enumerate(entries)]
            self._connection.executemany("INSERT INTO entries (rowid, title, marks, body) VALUES (?, ?, ?, ?)", rows)
            self._connection.execute("INSERT INTO entries (entries) VALUES ('optimize')")

    def search(self, words: str, *, limit: int) -> list[Found]:
        """Entries with every word; failing that, with every word and the last one cut short; failing that, with any."""
        wanted = words_of(words)
        if not wanted:
            return []
        # A word that most entries have sorts nothing out, and is what makes a question slow.
        asked = [word for word in wanted if not self._is_frequent(word)] or wanted
        quoted = list(map(_quoted, asked))
        every = " AND ".join(quoted)
        if min(map(self._having, asked)) > _MANY:
            # Where thousands have the words, those with them in the title come first: ranking these is enough.
            titled = self._ask(f"{{title marks}} : ({every})", limit)
            if len(titled) == limit:
                return titled
        whole = self._ask(every, limit)
        if not whole and len(asked[-1]) >= _SHORTEST_BEGINNING:
            whole = self._ask(" AND ".join([*quoted[:-1], f"{quoted[-1]} *"]), limit)
        return whole or self._ask(" OR ".join(map(_quoted, self._telling(asked) or asked)), limit)

    def nearest(self, text: str, *, limit: int) -> list[tuple[Found, float, int]]:
        """Entries with words in common with an error; each with how much of it they hold, and how many telling words.

        That share is between 0 and 1 and weighs each word by how few entries have it (its inverse document frequency,
        as in bm25); a word that no entry has weighs most, so an error about something unknown is near to nothing.
        """
        wanted = words_of(text)
        telling = self._telling(wanted)
        if not telling:
            return []
        weights = {word: self._weight(word) for word in wanted}
        found = self._rows(" OR ".join(map(_quoted, telling)), limit)
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

    def _ask(self, query: str, limit: int) -> list[Found]:
        return [self._found(row) for row in self._rows(query, limit)]

    def _found(self, row: tuple[int, str, float]) -> Found:
        return Found(self._ids[row[0]], row[1], row[2])

    def _rows(self, query: str, limit: int) -> list[tuple[int, str, float]]:
        with self._lock:
            return self._connection.execute(_RANKED, (query, limit)).fetchall()

    def _is_frequent(self, word: str) -> bool:
        return self._having(word) > max(len(self._ids) * _FREQUENT, _FEW)

    def _telling(self, words: Sequence[str]) -> list[str]:
        """The words that some entries have and not most of them: the most telling last, no more than are looked for."""
        known = (word for word in words if self._having(word) and not self._is_frequent(word))
        return sorted(known, key=self._weight)[-_MOST_TELLING:]

    def _count(self, word: str) -> int:
        with self._lock:
            query = "SELECT count(*) FROM entries WHERE entries MATCH ?"
            count: int = self._connection.execute(query, (_quoted(word),)).fetchone()[0]
        return count

    def _weight(self, word: str) -> float:
        # Inverse document frequency as Lucene's bm25 has it: above 0 for every word, among few entries as well.
        having = self._having(word)
        return math.log(1 + (len(self._ids) - having + 0.5) / (having + 0.5))

    def _held(self, row: int, words: Sequence[str]) -> list[str]:
        query = "SELECT 1 FROM entries WHERE entries MATCH ? AND rowid = ?"
        with self._lock:
            return [word for word in words if self._connection.execute(query, (_quoted(word), row)).fetchone()]


def words_of(text: str) -> Sequence[str]:
    """The different words of a text, at most 24, without what a placeholder stands for."""
    plain = re.sub(r"<[a-z]{1,8}>", " ", text)
    return list(dict.fromkeys(word.casefold() for word in _WORD.findall(plain)))[:_MOST_WORDS]


def _quoted(word: str) -> str:
    return f'"{word}"'


def _marks(entry: Entry) -> str:
    front = entry.front
    status = "" if front.http_status is None else str(front.http_status)
    return " ".join(filter(None, (front.id, front.venue, front.kind, status, front.code, front.alert, front.template)))
