"""`python -m benchmarks.incidents [--seeds N] [--fault NAME]`: faults on a running platform, and what it makes of them.

For each fault: by what it is detected and after how long, the rank of its cause among the analyst's, what mitigates it
and after how long, a check of the state, and the postmortem; for what is no fault, what was found all the same; beside
it two baselines.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.incidents.case import Case
from benchmarks.incidents.cases import CONTROLS, FAULTS
from benchmarks.incidents.measuring import Outcome, Run
from benchmarks.incidents.opening import house
from benchmarks.incidents.report import report
from benchmarks.incidents.seen import signs

_WARM_UP_SECONDS: Final = 215.0  # detectors want forty values, five seconds each
_LONG_SEEDS: Final = 3
_FILE: Final = Path("incidents.json")


def main() -> None:
    """Run what is named on the command line, everything by default. Ctrl-C stops the platform and tells what it saw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.incidents", description=__doc__)
    names = [case.name for case in (*FAULTS, *CONTROLS)]
    parser.add_argument("--fault", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument("--seeds", type=int, default=1, help="how often each is run, with another severity each time")
    parser.add_argument("--long", action="store_true", help=f"{_LONG_SEEDS} seeds")
    parser.add_argument("--warm-up", type=float, default=_WARM_UP_SECONDS, help="seconds of usual traffic before")
    parser.add_argument("--json", type=Path, default=_FILE, help="where the figures go too; default: %(default)s")
    options = parser.parse_args()
    wanted = [case for case in (*CONTROLS, *FAULTS) if case.name in (options.fault or names)]
    outcomes: list[Outcome] = []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started it in the background
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for seed in range(_LONG_SEEDS if options.long else options.seeds):
            _run(wanted, seed, options.warm_up, outcomes)
    except KeyboardInterrupt:
        _say("stopped; this is what was seen until then")
    finally:  # what was measured is told even when a later case could not be brought about
        print(report(outcomes))
        options.json.write_text(json.dumps([_plain(each) for each in outcomes], indent=2) + "\n")


def _run(wanted: Sequence[Case], seed: int, warm_up_seconds: float, outcomes: list[Outcome]) -> None:
    _say(f"seed {seed}: starting a platform")
    began = time.monotonic()
    with house(seed) as running, running.traffic():
        _say(f"usual traffic for {warm_up_seconds:.0f} s")
        running.wait(warm_up_seconds)
        usual = frozenset(sign.name for sign in signs(running))
        _say(f"told although nothing is wrong: {', '.join(sorted(usual)) or 'nothing'}")
        run, mine = Run(running, seed, usual, _say), list[Outcome]()
        for case in wanted:
            outcome = run.fault(case) if case.causes else run.control(case)
            outcomes.append(outcome)
            mine.append(outcome)
        _say("waiting until every incident is over and written up")
        run.finish(mine)
    _say(f"seed {seed}: took {(time.monotonic() - began) / 60:.0f} min")


def _plain(outcome: Outcome) -> dict[str, object]:
    fields = asdict(outcome) | {"case": outcome.case.name, "began": outcome.began.isoformat(), "rank": outcome.rank}
    return dict(sorted(fields.items()))


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
