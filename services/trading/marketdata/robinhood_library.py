"""The part of `robin_stocks` that reads prices, without the rest.

Whoever imports any of that package imports its orders too: its `__init__` modules pull in everything. So they are not
run. Empty packages stand in their place, and an importer lets in what historical prices need and refuses the rest, for
the whole process. What is sent goes through a session that knows GET alone.
"""

import importlib
import importlib.util
import io
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

from services.kit.errors import SightlineError
from services.trading.marketdata.port import BarsUnavailableError
from services.trading.wire.calls import Answer, VenueCalls

API: Final = "https://api.robinhood.com/"

_PACKAGE: Final = "robin_stocks"
_INNER: Final = f"{_PACKAGE}.robinhood"
_HELPER: Final = f"{_INNER}.helper"
_STOCKS: Final = f"{_INNER}.stocks"
_LET_IN: Final = frozenset({_INNER, _STOCKS, _HELPER, f"{_INNER}.globals", f"{_INNER}.urls"})
# The package keeps its session and where it prints in module variables: one caller at a time.
_entered = threading.Lock()


class ReadOnlyError(SightlineError):
    """Something other than reading was attempted at Robinhood. Nothing was sent."""

    status_code = HTTPStatus.FORBIDDEN
    code = "robinhood_read_only"
    title = "Robinhood is for reading prices alone"


class ReadOnlySession:
    """What `robin_stocks` takes for its session: sends GET to Robinhood, and nothing else to anybody.

    Args:
        calls: Sends.
        url: Base address that stands for `API`, such as a test server's.
    """

    def __init__(self, calls: VenueCalls, url: str = API) -> None:
        self._calls = calls
        self._url = url.rstrip("/") + "/"

    def get(self, url: str, params: Mapping[str, Any] | None = None) -> Answer:
        """Ask. Raises `ReadOnlyError` for an address elsewhere, and as `VenueCalls.request` does."""
        if not url.startswith(API):
            raise ReadOnlyError("Only addresses of Robinhood's API are asked.")
        return self._calls.request("GET", self._url + url.removeprefix(API), params=params)

    def __getattr__(self, name: str) -> NoReturn:
        """Whatever else a session can do is refused. Not by an `AttributeError`: the package swallows that."""
        raise ReadOnlyError(f"The session knows GET alone, not {name}.")


@contextmanager
def prices(session: ReadOnlySession) -> Iterator[tuple[Any, io.StringIO]]:
    """The module with `get_stock_historicals`, speaking through a session, and what it prints meanwhile.

    Raises:
        BarsUnavailableError: The package is not installed, or was imported whole by somebody else.
    """
    with _entered:
        stocks, helper = _enter()
        said = io.StringIO()
        helper.SESSION, helper.OUTPUT = session, said
        try:
            yield stocks, said
        finally:
            helper.SESSION, helper.OUTPUT = None, io.StringIO()


def _enter() -> tuple[Any, Any]:
    present = sys.modules.get(_PACKAGE)
    if present is None:
        _stand_in(_directory())
    elif not isinstance(present, _Empty):
        raise BarsUnavailableError("robin_stocks was imported whole, with its orders: leave that import out.")
    return importlib.import_module(_STOCKS), importlib.import_module(_HELPER)


def _directory() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise BarsUnavailableError("The package robin_stocks is not installed: pip install 'sightline[robinhood]'")
    return Path(next(iter(spec.submodule_search_locations)))


def _stand_in(directory: Path) -> None:
    sys.meta_path.insert(0, _Gate())
    sys.modules[_PACKAGE] = _Empty(_PACKAGE, directory)
    sys.modules[_INNER] = _Empty(_INNER, directory / "robinhood")


class _Empty(ModuleType):
    """A package of which nothing but its place is known."""

    def __init__(self, name: str, directory: Path) -> None:
        super().__init__(name)
        self.__path__ = [str(directory)]


class _Gate(MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 -- the base class's signature
        target: ModuleType | None = None,  # noqa: ARG002 -- the same
    ) -> ModuleSpec | None:
        if fullname.startswith(f"{_PACKAGE}.") and fullname not in _LET_IN:
            raise ImportError(f"{fullname} is not let in: Robinhood is for reading prices alone", name=fullname)
        return None
