"""What can be wrong with a file of bars. Each error names the file, the line (of Parquet the row) and the column."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from services.kit.errors import SightlineError


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something stands.

    Attributes:
        word: "line" where the file is text, else "row".
        number: Counted from 1, the line of the header included.
        column: Its name, "" when it is about the whole line.
    """

    path: Path
    word: str = "line"
    number: int = 0
    column: str = ""

    def __str__(self) -> str:
        number = f", {self.word} {self.number}" if self.number else ""
        return f"{self.path}{number}{f', column {self.column}' if self.column else ''}"


class BarFileError(SightlineError):
    """Root of what is wrong with a file of bars."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "bad_bar_file"
    title = "The file of bars cannot be used"

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place


class BarFileMissingError(BarFileError):
    """There is no such file, or it cannot be opened."""

    status_code = HTTPStatus.NOT_FOUND
    code = "no_bar_file"


class NotABarFileError(BarFileError):
    """The file is neither CSV nor Parquet, or is damaged or empty."""

    code = "not_a_bar_file"


class MissingColumnError(BarFileError):
    """A column is not there, is there twice or holds something else."""

    code = "wrong_bar_column"


class UnreadableValueError(BarFileError):
    """Something is no number, no time or no symbol."""

    code = "unreadable_bar"


class UnsortedBarError(BarFileError):
    """A bar begins before the one above it."""

    code = "unsorted_bar"


class DuplicateBarError(BarFileError):
    """Two bars of a symbol begin at the same moment."""

    code = "duplicate_bar"


class ImpossibleBarError(BarFileError):
    """The numbers of a bar contradict each other."""

    code = "impossible_bar"
