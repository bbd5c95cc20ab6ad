"""Whatever auth refuses, it refuses in words of its own: a status that says whose turn it is, and never a 500."""

import importlib
import pkgutil
from collections.abc import Iterator
from http import HTTPStatus

import pytest

import services.auth
from services.auth.errors import AuthError
from services.kit.database_errors import DatabaseError
from services.kit.errors import SightlineError, StartError

REFUSALS = frozenset({403, 404, 409, 422, 429, 502, 503, 504})


def _below(root: type[SightlineError]) -> Iterator[type[SightlineError]]:
    for leaf in root.__subclasses__():
        yield leaf
        yield from _below(leaf)


def _errors() -> list[type[SightlineError]]:
    for module in pkgutil.walk_packages(services.auth.__path__, "services.auth."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)
    ours = {each for each in _below(SightlineError) if each.__module__.startswith("services.auth.")}
    return sorted({*ours, *_below(DatabaseError)} - {AuthError}, key=lambda each: each.__qualname__)


ERRORS = [each for each in _errors() if not issubclass(each, StartError)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda each: each.__qualname__)
def test_error_when_auth_raises_it_then_its_status_is_a_refusal_and_no_failure(error: type[SightlineError]) -> None:
    assert int(error.status_code) in REFUSALS
    assert HTTPStatus(error.status_code) is not HTTPStatus.INTERNAL_SERVER_ERROR
    assert error.title != SightlineError.title


def test_errors_when_listed_then_each_has_a_code_of_its_own() -> None:
    codes = [error.code for error in ERRORS]
    assert len(codes) > 25
    assert sorted(codes) == sorted(set(codes))
