"""`python -m telemetry.dashboards`: write the dashboard files; with `--check`, only say whether they are current."""

import argparse
import sys
from pathlib import Path

from telemetry.dashboards.files import differences, write

DIRECTORY = Path(__file__).resolve().parents[2] / "grafana" / "dashboards"


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns the exit status: 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m telemetry.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 when a file differs")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="where the files lie (%(default)s)")
    options = parser.parse_args(arguments)
    if not options.check:
        for path in write(options.directory):
            sys.stdout.write(f"wrote {path}\n")
        return 0
    found = differences(options.directory)
    for difference in found:
        sys.stderr.write(f"{difference}\n")
    if found:
        sys.stderr.write("dashboards differ from their definition; run: python -m telemetry.dashboards\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
