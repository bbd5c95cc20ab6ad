"""Secrets as values that do not give themselves away."""

import hmac
from collections.abc import Callable
from typing import Final, NoReturn, SupportsIndex, TypeVar, final

from services.auth.errors import SecretSpentError

MASK: Final = "***"

Result = TypeVar("Result")


class _Guarded:
    """Prints as ***, and cannot be pickled, copied, hashed or turned into JSON."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment] # a hash would let a secret become a dictionary's key

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __format__(self, _specification: str) -> str:
        return MASK

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is never pickled or copied")


@final
class Secret(_Guarded):
    """A secret text. It is a plain string only inside the function given to `use`.

    Raises:
        ValueError: The text cannot be stored: it holds half a character (a lone surrogate).
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        try:
            text.encode()
        except UnicodeEncodeError:
            # Without its cause, which carries the whole text.
            raise ValueError("a secret is a text that UTF-8 can hold") from None
        self._text = text

    def use(self, function: Callable[[str], Result]) -> Result:
        """Call `function` with the text and return its result. Let the result not be the text."""
        return function(self._text)

    def __eq__(self, other: object) -> bool:
        """Compare with another secret in time that does not tell how much of it is right."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None


@final
class OneTimeCode(_Guarded):
    """A code for one login. Its value can be had once; after that it is gone from here."""

    __slots__ = ("_values",)

    def __init__(self, value: str) -> None:
        self._values = [value]

    def reveal(self) -> str:
        """The code, the first time.

        Raises:
            SecretSpentError: It was revealed before.
        """
        try:
            return self._values.pop()  # one step for the interpreter: of two threads, one gets it
        except IndexError:
            raise SecretSpentError from None
