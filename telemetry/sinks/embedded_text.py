"""The text index of the embedded store: trigrams of every line, in segments that are dropped whole.

A segment is an FTS5 table without content for some 50,000 lines, with the times they span. Deleting lines from one
big index would write as much again and free nothing until a merge; a segment whose lines are all gone is dropped
in milliseconds, and a search opens only the segments that its window touches. Hits may be stale or too many (a line
with all of the trigrams but not the text), so whoever asks compares the line itself.
"""

import sqlite3

SEGMENT_LINES = 50_000
TRIGRAM_LETTERS = 3
MOST_TRIGRAMS = 24


def searchable(line: str) -> str:
    """The line as it is indexed: SQLite's tokenizer would end at a NUL."""
    return line.replace("\0", " ")


def index_lines(connection: sqlite3.Connection, after_id: int, oldest_ns: int, newest_ns: int) -> None:
    """Index the lines whose id is above `after_id`; needs the function `searchable` and an open transaction."""
    (last_id,) = connection.execute("SELECT coalesce(max(id), 0) FROM logs WHERE id > ?", (after_id,)).fetchone()
    if not last_id:
        return
    number = _open_segment(connection, after_id)
    connection.execute(
        f"INSERT INTO {_table(number)} (rowid, line) "  # noqa: S608 -- a number of our own
        "SELECT id, searchable(line) FROM logs WHERE id > ? ORDER BY id",
        (after_id,),
    )
    connection.execute(
        "UPDATE text_segments SET last_id = ?, oldest_ns = min(oldest_ns, ?), newest_ns = max(newest_ns, ?) "
        "WHERE number = ?",
        (last_id, oldest_ns, newest_ns, number),
    )


def drop_unused(connection: sqlite3.Connection) -> None:
    """Drop the segments whose lines are all gone, except the one that is written to."""
    unused = connection.execute(
        "SELECT number FROM text_segments WHERE number < (SELECT max(number) FROM text_segments) "
        "AND NOT EXISTS (SELECT 1 FROM logs WHERE id BETWEEN first_id AND last_id)"
    ).fetchall()
    for (number,) in unused:
        connection.execute(f"DROP TABLE {_table(number)}")
        connection.execute("DELETE FROM text_segments WHERE number = ?", (number,))


def candidates(connection: sqlite3.Connection, text: str, start_ns: int, end_ns: int, most: int) -> list[int] | None:
    """Ids of lines that may hold the text; None when the index cannot tell or they are more than `most`."""
    if len(text) < TRIGRAM_LETTERS:
        return None
    match = " AND ".join('"' + trigram.replace('"', '""') + '"' for trigram in _trigrams(searchable(text)))
    found: list[int] = []
    segments = connection.execute(
        "SELECT number FROM text_segments WHERE newest_ns >= ? AND oldest_ns < ?", (start_ns, end_ns)
    ).fetchall()
    for (number,) in segments:
        hits = connection.execute(
            f"SELECT rowid FROM {_table(number)} WHERE {_table(number)} MATCH ? LIMIT ?",  # noqa: S608 -- a number of our own
            (match, most + 1 - len(found)),
        )
        found.extend(rowid for (rowid,) in hits)
        if len(found) > most:
            return None
    return found


def _open_segment(connection: sqlite3.Connection, after_id: int) -> int:
    newest = connection.execute("SELECT max(number), first_id FROM text_segments").fetchone()
    number, first_id = newest
    if number is not None and after_id + 1 - first_id < SEGMENT_LINES:
        return int(number)
    number = (number or 0) + 1
    connection.execute(
        f"CREATE VIRTUAL TABLE {_table(number)} USING fts5("
        "line, content='', tokenize='trigram case_sensitive 1', detail=none, columnsize=0)"
    )
    # Merging less often than by default is a tenth of the write rate.
    connection.execute(
        f"INSERT INTO {_table(number)} ({_table(number)}, rank) VALUES ('automerge', 16)"  # noqa: S608 -- a number of our own
    )
    connection.execute("INSERT INTO text_segments VALUES (?, ?, ?, ?, ?)", (number, after_id + 1, after_id, *_EMPTY))
    return int(number)


_EMPTY = (2**63 - 1, -(2**63))


def _table(number: int) -> str:
    return f"logs_text_{number}"


def _trigrams(text: str) -> list[str]:
    every = list(dict.fromkeys(text[at : at + TRIGRAM_LETTERS] for at in range(len(text) - TRIGRAM_LETTERS + 1)))
    return every[:: -(-len(every) // MOST_TRIGRAMS)]
