"""`python -m benchmarks.incidents [--seeds N] [name ...]`: faults on the running platform, and what it makes of them.

Prints time to detect, the analyst's causes, mitigation and postmortem for each fault, false findings for what is no
fault, and two baselines: the most common cause, and the cause that the first alert alone points to.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from benchmarks.harness import markdown_table
from benchmarks.incidents.cases import CONTROLS, FAULTS, Case
from benchmarks.incidents.house import house
from benchmarks.incidents.measuring import Outcome, run_case

_WARM_UP_SECONDS = 240.0  # detectors want forty values, five seconds each


def main() -> None:
    """Run what is named on the command line, everything by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.incidents", description=__doc__)
    names = [case.name for case in (*FAULTS, *CONTROLS)]
    parser.add_argument("names", nargs="*", metavar="name", help=f"some of {', '.join(names)}; all by default")
    parser.add_argument("--seeds", type=int, default=1, help="how often each is run, with another severity each time")
    parser.add_argument("--warm-up", type=float, default=_WARM_UP_SECONDS, help="seconds of usual traffic before")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(names)}")
    wanted = [case for case in (*FAULTS, *CONTROLS) if case.name in (options.names or names)]
    outcomes: list[Outcome] = []
    try:
        for seed in range(options.seeds):
            _run(wanted, seed, options.warm_up, outcomes)
    finally:  # what was measured is told even when a later case could not be brought about
        print(report(outcomes, [case for case in wanted if case.missing]))


def _run(wanted: Sequence[Case], seed: int, warm_up_seconds: float, outcomes: list[Outcome]) -> None:
    with house(seed) as running, running.traffic():
        time.sleep(warm_up_seconds)
        for case in wanted:
            if case.inject is None:
                continue
            outcome = run_case(running, case, seed)
            print(_row(outcome), file=sys.stderr, flush=True)
            outcomes.append(outcome)


def report(outcomes: Sequence[Outcome], missing: Sequence[Case]) -> str:
    """The tables as Markdown."""
    faults = [each for each in outcomes if each.case.causes]
    controls = [each for each in outcomes if not each.case.causes]
    head = ("fault", "seed", "detected s", "by", "causes", "top 1", "top 3", "mitigated s", "escalated", "postmortem")
    parts = [markdown_table(head, [_row(each) for each in faults])]
    if controls:
        rows = [
            (each.case.name, str(each.seed), ", ".join(each.findings) or "none", ", ".join(each.causes) or "no finding")
            for each in controls
        ]
        parts.append(markdown_table(("control", "seed", "found", "cause"), rows))
    if faults:
        parts.append(_summary(faults, controls))
    if missing:
        parts.append("Not brought about: " + "; ".join(f"{case.name} ({case.missing})" for case in missing) + ".")
    return "\n\n".join(parts)


def _summary(faults: Sequence[Outcome], controls: Sequence[Outcome]) -> str:
    most_common = Counter(cause for each in faults for cause in each.case.causes).most_common(1)[0][0]
    detected = [each for each in faults if each.detected_seconds is not None]
    rows = [
        ("sightline", _share(faults, lambda each: each.causes[:1]), _share(faults, lambda each: each.causes[:3])),
        (f"most common cause ({most_common})", _share(faults, lambda _: (most_common,)), ""),
        (
            "threshold alerts only",
            _share(faults, lambda each: each.threshold_causes[:1]),
            _share(faults, lambda each: each.threshold_causes[:3]),
        ),
    ]
    hours = sum(each.seconds for each in controls) / 3_600
    false = sum(len(each.causes) > 0 for each in controls)
    mitigated = sum(each.mitigated_seconds is not None for each in faults)
    told = (
        f"Detected {len(detected)} of {len(faults)}; mitigated {mitigated}, escalated"
        f" {sum(each.escalated for each in faults)}, postmortems {sum(each.document for each in faults)}."
    )
    lines = [markdown_table(("cause named by", "top 1", "top 3"), rows), told]
    if controls:
        lines.append(f"Causes named without a fault: {false} in {hours:.2f} control hours.")
    return "\n\n".join(lines)


def _share(faults: Sequence[Outcome], named: Callable[[Outcome], Sequence[str]]) -> str:
    right = sum(bool(set(each.case.causes) & set(named(each))) for each in faults)
    return f"{right} of {len(faults)}"


def _row(each: Outcome) -> tuple[str, ...]:
    right = set(each.case.causes)
    return (
        each.case.name,
        str(each.seed),
        "not" if each.detected_seconds is None else f"{each.detected_seconds:.0f}",
        each.detected_by.partition("#")[0],
        ", ".join(each.causes) or "no finding",
        "yes" if right & set(each.causes[:1]) else "no",
        "yes" if right & set(each.causes[:3]) else "no",
        "no" if each.mitigated_seconds is None else f"{each.mitigated_seconds:.0f}",
        "yes" if each.escalated else "no",
        "yes" if each.document else "no",
    )


if __name__ == "__main__":
    main()
