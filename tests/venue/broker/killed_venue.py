"""Serves a venue until it is killed: `python -m tests.venue.broker.killed_venue DIRECTORY KEY SECRET`."""

import sys
import threading
import warnings
from pathlib import Path

if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py's streams import what websockets will drop
    from tests.venue.broker.serving import serving

    directory, key, secret = sys.argv[1:]
    with serving(Path(directory), keys=(key, secret)) as venue:
        sys.stdout.write(f"{venue.base_url}\n")
        sys.stdout.flush()
        threading.Event().wait()
