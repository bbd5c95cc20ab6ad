"""Which components can run here: programs found by name and believed only by what their version output says."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from services.console.stack.components import Component, Program, PythonModule
from services.console.stack.layout import Layout

_VERSION_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A component that can run, the program that runs it, and what that said of its version."""

    component: Component
    program: Path
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A component that cannot run here, why, and what to do about it."""

    component: Component
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What can run here and what cannot, each in the order of the table."""

    found: tuple[Found, ...]
    absent: tuple[Absent, ...]

    def missing_required(self) -> tuple[Absent, ...]:
        """Absent components without which the platform is not started."""
        return tuple(absent for absent in self.absent if absent.component.required)


def search_path(layout: Layout, path: str | None = None) -> tuple[Path, ...]:
    """Where programs are looked for: this environment, then PATH, then what was unpacked for this platform."""
    own = Path(sys.executable).parent
    listed = os.environ.get("PATH", os.defpath) if path is None else path
    return (own, *(Path(entry) for entry in listed.split(os.pathsep) if entry), layout.tools_dir / "usr" / "bin")


def discover(components: Sequence[Component], directories: Sequence[Path]) -> Discovery:
    """Look for every component. Asks each program for its version, all at the same time."""
    with ThreadPoolExecutor(max_workers=len(components) or 1) as pool:
        results = list(pool.map(lambda component: _look_for(component, directories), components))
    return Discovery(
        found=tuple(result for result in results if isinstance(result, Found)),
        absent=tuple(result for result in results if isinstance(result, Absent)),
    )


def _look_for(component: Component, directories: Iterable[Path]) -> Found | Absent:
    match component.source:
        case PythonModule(module=module):
            if importlib.util.find_spec(module) is None or importlib.util.find_spec(f"{module}.__main__") is None:
                reason = f"this environment has no Python module {module} that can be run"
                return Absent(component=component, reason=reason, remedy="run `make install`")
            return Found(component=component, program=Path(sys.executable), version="")
        case Program() as program:
            return _look_for_program(component, program, directories)


def _look_for_program(component: Component, program: Program, directories: Iterable[Path]) -> Found | Absent:
    impostors = []
    for directory in directories:
        for name in program.names:
            candidate = shutil.which(name, path=str(directory))
            if candidate is None:
                continue
            said = _version_output(Path(candidate), program.version_arguments)
            if program.expected.lower() in said.lower():
                return Found(component=component, program=Path(candidate), version=_first_line(said))
            impostors.append(candidate)
    if impostors:
        reason = f"{impostors[0]} is another program: its version output does not say '{program.expected}'"
    else:
        reason = f"{' or '.join(program.names)} is not on PATH"
    return Absent(component=component, reason=reason, remedy=program.remedy)


def _version_output(program: Path, arguments: Sequence[str]) -> str:
    try:
        result = subprocess.run(  # noqa: S603 -- a program found on the operator's own PATH, with fixed arguments
            [program, *arguments],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # says nothing about itself, so it is not believed
    return result.stdout + result.stderr


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0].partition(" (")[0] if lines else ""
