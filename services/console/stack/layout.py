"""Where everything of one running platform lies: directories, ports, the supervisor's socket."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"

# The kernel takes 107 bytes for the path of a unix socket, and supervisord binds "<path>.<pid>" first.
_SOCKET_PATH_BYTES = 95


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Absolute paths and the port offset of one platform; two layouts with nothing in common can run side by side.

    Attributes:
        root: The checkout, which holds the stack's configuration files.
        data_dir: Everything the platform writes.
        secrets_dir: Generated secrets, mode 0700.
        port_offset: Added to every port of a native run.
        env: Name of the environment, the `env` label of all telemetry.
    """

    root: Path
    data_dir: Path
    secrets_dir: Path
    port_offset: int = 0
    env: str = "local"

    @property
    def run_dir(self) -> Path:
        """Staged configuration, the supervisor's files, the record of what was started."""
        return self.data_dir / "run"

    @property
    def log_dir(self) -> Path:
        """What the components print, one rotated file each."""
        return self.data_dir / "log"

    @property
    def tools_dir(self) -> Path:
        """Programs unpacked for this platform alone."""
        return self.data_dir / "tools"

    @property
    def telemetry_file(self) -> Path:
        """The embedded store of logs and spans."""
        return self.data_dir / "telemetry" / "telemetry.db"

    @property
    def socket(self) -> Path:
        """The supervisor's socket: in `run_dir`, or in a private temporary directory when that path is too long."""
        usual = self.run_dir / "supervisor.sock"
        if len(os.fsencode(usual)) <= _SOCKET_PATH_BYTES:
            return usual
        digest = hashlib.sha256(os.fsencode(self.run_dir)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"sightline-{os.getuid()}-{digest}" / "supervisor.sock"

    def log_file(self, name: str) -> Path:
        """The file that takes what component `name` prints."""
        return self.log_dir / f"{name}.log"

    def port(self, default: int) -> int:
        """The port that stands for `default` in this platform."""
        return default + self.port_offset


def checkout() -> Path:
    """The directory that holds this source tree and the stack's files."""
    return Path(__file__).resolve().parents[3]
