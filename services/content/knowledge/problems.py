"""What can be wrong with knowledge, told with file, line and what to do."""

from dataclasses import dataclass
from http import HTTPStatus

from services.kit.errors import NotFoundError, SightlineError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong with one file.

    Attributes:
        path: As it was found, for people.
        line: From 1; 0 when the whole file is meant.
        message: What is wrong and what to do.
    """

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"


class EntryUnreadableError(SightlineError):
    """A file is no entry; `problems` says why."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "entry_unreadable"
    title = "The file is no knowledge entry"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class NoSuchEntryError(NotFoundError):
    """There is no entry of that id."""

    code = "no_such_entry"
    title = "There is no such entry"
