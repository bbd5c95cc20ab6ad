"""A process that works on a study until it is done, or killed: `python -m tests.trading.tuning.worker HOME TRIALS`.

HOME is a directory or the URL of a Postgres; the study is begun by whoever comes first.
"""

import sys
from pathlib import Path

from services.kit.clock import SystemClock
from services.trading.tuning.errors import StudyExistsError
from services.trading.tuning.home import opened
from services.trading.tuning.opening import open_study
from services.trading.tuning.plan import Plan
from tests.trading.tuning.market import noise, subject

STUDY = "worked"
BARS, SEED = 1200, 6


def work(place: str, trials: int) -> None:
    """Go on with the study until so many trials are done; says `begun` once trials are being made."""
    clock = SystemClock()
    url = place if "://" in place else ""
    with opened(url, Path(place), clock) as home:
        for resume in (False, True):
            try:
                with open_study(home, STUDY, subject(noise(BARS, SEED)), Plan(), resume=resume, clock=clock) as study:
                    sys.stdout.write("begun\n")
                    sys.stdout.flush()
                    study.run(trials)
                    return
            except StudyExistsError:
                continue


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]))
