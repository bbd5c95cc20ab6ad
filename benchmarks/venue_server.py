"""`python -m benchmarks.venue_server DIRECTORY KEY SECRET`: the venue service on a free port, until it is ended."""

import json
import sys
from pathlib import Path

import uvicorn
from pydantic import SecretStr

from services.kit.callers import write_callers
from services.kit.server import listen
from services.venue.bootstrap import build
from services.venue.settings import VenueSettings

if __name__ == "__main__":
    directory, key, secret = sys.argv[1:]
    write_callers(Path(directory) / "callers.json", {})  # nobody operates it
    account = {"venue": "alpha", "name": "load", "key_id": key, "secret_key": secret, "cash": "1000000000"}
    settings = VenueSettings(
        data_dir=Path(directory),
        secrets_dir=Path(directory),
        console="off",
        paper_feed="none",
        paper_requests_per_minute=1_000_000_000,
        paper_accounts=SecretStr(json.dumps([account])),
    )
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(build(settings), log_config=None, access_log=False))
    print(listener.getsockname()[1], flush=True)
    server.run(sockets=[listener])
