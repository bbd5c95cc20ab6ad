"""`python -m tests.trading.crashes [--runs N] [--first SEED] [--workers N]`: the long form of the crash runs."""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.trading.crashes.runs import Outcome, Workers, migrated, run

_CHUNK = 10


def some(seeds: list[int]) -> list[Outcome]:
    """Runs one after the other, in a process of their own."""
    with migrated() as template, Workers() as workers:
        return [run(seed, workers, template=template) for seed in seeds]


def main() -> int:
    """Do the runs, with progress; 1 when something was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.trading.crashes", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=2, help="how many at once")
    options = parser.parse_args()
    seeds = list(range(options.first, options.first + options.runs))
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    began, outcomes = time.monotonic(), list[Outcome]()
    with ProcessPoolExecutor(options.workers) as pool:
        for done in as_completed([pool.submit(some, chunk) for chunk in chunks]):
            outcomes += done.result()
            _show(outcomes, len(seeds), time.monotonic() - began)
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    for outcome in sorted(wrong, key=lambda each: each.seed):
        for words in outcome.wrong:
            _say(f"seed {outcome.seed}: {words}")
    statuses = sum((outcome.statuses for outcome in outcomes), Counter[str]())
    kills = sum(outcome.lives - 1 for outcome in outcomes)
    orders = sum(outcome.orders for outcome in outcomes)
    ends = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    _say(f"{len(outcomes)} runs, {kills} kills, {orders} orders ({ends}): {len(wrong)} runs with something wrong")
    return bool(wrong)


def _show(outcomes: list[Outcome], total: int, seconds: float) -> None:
    wrong = sum(bool(outcome.wrong) for outcome in outcomes)
    left = seconds / len(outcomes) * (total - len(outcomes))
    sys.stderr.write(f"{len(outcomes)} of {total} runs, {wrong} wrong, about {left:.0f} s left\n")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
