"""What was measured, as Markdown."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.harness import markdown_table
from benchmarks.incidents.measuring import Outcome

POSTMORTEM_SECONDS: Final = 300.0


def report(outcomes: Sequence[Outcome]) -> str:
    """A table of the faults, one of the controls, and one beside the baselines."""
    faults = [each for each in outcomes if each.case.causes]
    controls = [each for each in outcomes if not each.case.causes]
    head = ("fault", "seed", "detected s", "by", "rank", "causes", "mitigated s", "by", "state", "postmortem s")
    parts = [markdown_table(head, [_row(each) for each in faults])] if faults else []
    if controls:
        parts.append(markdown_table(("control", "seed", "s", "told", "causes"), [_control(each) for each in controls]))
    if faults:
        parts.append(_baselines(faults))
        parts.append(_summary(faults))
    if controls:
        hours = sum(each.seconds for each in controls) / 3_600
        false = sum(len(each.incident_ids) + bool(each.causes) for each in controls)
        parts.append(f"False findings, incidents and causes, without a fault: {false} in {hours:.2f} control hours.")
    return "\n\n".join(parts) or "Nothing was measured."


def _baselines(faults: Sequence[Outcome]) -> str:
    most_common = Counter(cause for each in faults for cause in each.case.causes).most_common(1)[0][0]
    named: list[tuple[str, Callable[[Outcome], Sequence[str]]]] = [
        ("sightline", lambda each: each.causes),
        ("threshold alerts only", lambda each: each.threshold_causes),
        (f"most common cause ({most_common})", lambda _: (most_common,)),
    ]
    rows = [(name, _share(faults, by, 1), _share(faults, by, 3)) for name, by in named]
    return markdown_table(("cause named by", "top 1", "top 3"), rows)


def _summary(faults: Sequence[Outcome]) -> str:
    written = [each.postmortem_seconds for each in faults if each.postmortem_seconds is not None]
    return (
        f"Detected {sum(each.detected_seconds is not None for each in faults)} of {len(faults)}; mitigated or handed to"
        f" a person {sum(each.mitigated_seconds is not None for each in faults)}; state well"
        f" {sum(each.well for each in faults)}; written up within five minutes"
        f" {sum(each <= POSTMORTEM_SECONDS for each in written)}."
    )


def _share(faults: Sequence[Outcome], named: Callable[[Outcome], Sequence[str]], among: int) -> str:
    right = sum(bool(set(each.case.causes) & set(named(each)[:among])) for each in faults)
    return f"{right} of {len(faults)}"


def _control(each: Outcome) -> tuple[str, ...]:
    told = ", ".join(each.signs) or "nothing"
    return each.case.name, str(each.seed), f"{each.seconds:.0f}", told, ", ".join(each.causes) or "no finding"


def _row(each: Outcome) -> tuple[str, ...]:
    state = "well" if each.well else "not well"
    return (
        each.case.name,
        str(each.seed),
        _seconds(each.detected_seconds),
        each.detected_by,
        "none" if each.rank is None else str(each.rank),
        ", ".join(each.causes) or "no finding",
        _seconds(each.mitigated_seconds),
        each.mitigated_by,
        f"{state}, a person is called" if each.handed_over else state,
        _seconds(each.postmortem_seconds),
    )


def _seconds(seconds: float | None) -> str:
    return "not" if seconds is None else f"{seconds:.0f}"
