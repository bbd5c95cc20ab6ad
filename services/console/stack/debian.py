"""Fetches Debian packages for this platform alone.

They are downloaded and unpacked below the data directory. Nothing is installed: no root is needed, and no system
service starts that would take the ports.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from services.console.stack.components import Program
from services.console.stack.discovery import Discovery
from services.console.stack.errors import StackError

_OS_RELEASE = Path("/etc/os-release")
_PACKAGE_LISTS = Path("/var/lib/apt/lists")
_DOWNLOAD_SECONDS = 120.0
_FAMILIES = frozenset({"debian", "ubuntu"})
# Give up soon: without a network the platform starts all the same, with fewer parts.
_APT_OPTIONS = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")


def wanted_packages(discovery: Discovery) -> tuple[str, ...]:
    """Packages that hold what is absent, sorted."""
    return tuple(
        sorted(
            {
                absent.component.source.debian_package
                for absent in discovery.absent
                if isinstance(absent.component.source, Program) and absent.component.source.debian_package
            }
        )
    )


def is_debian(os_release: Path = _OS_RELEASE) -> bool:
    """Whether this machine is a Debian or one of its family, with the two programs that fetching takes."""
    try:
        lines = os_release.read_text().splitlines()
    except OSError:
        return False
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    family = {word for key in ("ID", "ID_LIKE") for word in values.get(key, "").strip('"').split()}
    return bool(family & _FAMILIES) and all(shutil.which(program) for program in ("apt-get", "dpkg-deb"))


def fetch(packages: Sequence[str], tools_dir: Path, *, as_root: bool, package_lists: Path = _PACKAGE_LISTS) -> None:
    """Download packages and unpack them into `tools_dir`. Raises StackError when that does not work."""
    downloads = tools_dir / "downloads"
    downloads.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not any(package_lists.glob("*_Packages*")):
        if not as_root:
            raise StackError("this machine's package lists are empty", remedy="run `apt-get update` as root")
        _run(("apt-get", *_APT_OPTIONS, "--quiet", "update"), downloads)
    _run(("apt-get", *_APT_OPTIONS, "--quiet", "download", *packages), downloads)
    for package in packages:
        for archive in sorted(downloads.glob(f"{package}_*.deb")):
            _run(("dpkg-deb", "--extract", str(archive), str(tools_dir)), downloads)
            archive.unlink()


def _run(command: Sequence[str], directory: Path) -> None:
    program = f"{command[0]} ... {command[-1]}"
    try:
        result = subprocess.run(  # noqa: S603 -- the distribution's own programs with names from our table
            command,
            capture_output=True,
            check=False,
            cwd=directory,
            errors="replace",
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_DOWNLOAD_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(f"`{program}` took longer than {_DOWNLOAD_SECONDS:.0f} s") from error
    except OSError as error:
        raise StackError(f"`{program}` cannot be run: {error.strerror}") from error
    if result.returncode != 0:
        said = result.stderr.strip().splitlines()
        raise StackError(f"`{program}` failed: {said[-1] if said else f'exit status {result.returncode}'}")
