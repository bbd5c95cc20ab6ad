"""`python -m benchmarks.venue_server DIRECTORY KEY SECRET [SYMBOL ...]`: the venue service on a free port, until ended.

There are two accounts; the second one's key has RAW at its end. With symbols, bars of them are made up every second, so
that orders at the market are filled at once.
"""

import json
import sys
from pathlib import Path

import uvicorn
from pydantic import SecretStr

from services.contracts.market import Symbol
from services.kit.callers import write_callers
from services.kit.server import listen
from services.venue.bootstrap import build
from services.venue.settings import VenueSettings

if __name__ == "__main__":
    directory, key, secret, *symbols = sys.argv[1:]
    write_callers(Path(directory) / "callers.json", {})  # nobody operates it
    accounts = [
        {"venue": "alpha", "name": name, "key_id": key_id, "secret_key": secret, "cash": "1000000000"}
        for name, key_id in (("load", key), ("raw", f"{key}RAW"))
    ]
    settings = VenueSettings(
        data_dir=Path(directory),
        secrets_dir=Path(directory),
        console="off",
        paper_feed="synthetic" if symbols else "none",
        paper_symbols=[Symbol(symbol) for symbol in symbols or ("AAPL",)],
        paper_bar_seconds=1,
        paper_requests_per_minute=1_000_000_000,
        paper_accounts=SecretStr(json.dumps(accounts)),
    )
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(build(settings), log_config=None, access_log=False))
    print(listener.getsockname()[1], flush=True)
    server.run(sockets=[listener])
