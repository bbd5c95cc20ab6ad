"""`python -m benchmarks [--quick] [name ...]`: run benchmarks and print their tables as Markdown."""

import argparse
from collections.abc import Callable

from benchmarks import backtest, bus, desk, knowledge, logs, orders, pipelines, requests, store, venue, verdict

BENCHMARKS: dict[str, Callable[[bool], str]] = {
    "backtest": backtest.run,
    "logs": logs.run,
    "requests": requests.run,
    "store": store.run,
    "bus": bus.run,
    "verdict": verdict.run,
    "venue": venue.run,
    "desk": desk.run,
    "orders": orders.run,
    "knowledge": knowledge.run,
    "pipelines": pipelines.run,
}


def main() -> None:
    """Run what is named on the command line, everything by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and short outages: a look, not a result")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in options.names or BENCHMARKS:
        print(f"### {name}\n\n{BENCHMARKS[name](options.quick)}", flush=True)


if __name__ == "__main__":
    main()
