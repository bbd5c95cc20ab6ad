"""Runs one case and measures what the platform makes of it."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from benchmarks.incidents.at_venues import trades
from benchmarks.incidents.case import Case
from benchmarks.incidents.house import CallFailedError, House
from benchmarks.incidents.opening import ready, until
from benchmarks.incidents.seen import OVER, Sign, answer_questions, changed_at, history, incidents, signs
from services.agents.analyst.causes import load_causes

LOOK_SECONDS: Final = 2.0
LONGEST_SECONDS: Final = 180.0
CONTROL_SECONDS: Final = 90.0
DIAGNOSE_EVERY_SECONDS: Final = 10.0
DIAGNOSES: Final = 4  # from detection on; the last one counts
LEAST_SETTLED_SECONDS: Final = 20.0
MOST_SETTLED_SECONDS: Final = 120.0
WELL_SECONDS: Final = 60.0
OVER_SECONDS: Final = 900.0
_BEFORE_SECONDS: Final = 15.0

_NEVER: Final = datetime.min.replace(tzinfo=UTC)

Say = Callable[[str], None]


@dataclass
class Outcome:
    """What became of one case.

    Attributes:
        detected_seconds: From the fault's beginning to the first sign of it; None if nothing was noticed.
        detected_by: That sign.
        causes: The analyst's, best first.
        threshold_causes: What the first alert alone would have pointed to.
        mitigated_seconds: From the beginning until the state check held, or an incident about it was resolved or handed
            to a person.
        mitigated_by: What was done.
        handed_over: A person was called by an incident, as the policy says.
        well: Once the fault was gone, a check of the state held.
        postmortem_seconds: From the end of the incident to its postmortem, of the slowest; None without one.
        signs: What began in it: for controls, the false ones.
        incident_ids: Those that were opened in it.
    """

    case: Case
    seed: int
    began: datetime = _NEVER
    seconds: float = 0.0
    detected_seconds: float | None = None
    detected_by: str = ""
    causes: tuple[str, ...] = ()
    threshold_causes: tuple[str, ...] = ()
    mitigated_seconds: float | None = None
    mitigated_by: str = ""
    handed_over: bool = False
    well: bool = False
    postmortem_seconds: float | None = None
    signs: tuple[str, ...] = ()
    incident_ids: list[str] = field(default_factory=list)

    @property
    def rank(self) -> int | None:
        """Of the right cause among those that the analyst named, from 1."""
        return next((number for number, each in enumerate(self.causes, 1) if each in self.case.causes), None)


class Run:
    """Takes the cases of one seed to their ends, one after the other, on one platform.

    Args:
        running: The platform.
        seed: Decides how severe each fault is.
        usual: Names of signs that came although nothing was wrong: they are no sign of a fault.
        say: Tells a person how far it is.
    """

    def __init__(self, running: House, seed: int, usual: frozenset[str], say: Say) -> None:
        self._running, self._seed, self._usual, self._say = running, seed, usual, say

    def control(self, case: Case) -> Outcome:
        """What is told while nothing is wrong."""
        outcome, known = self._begun(case)
        with case.inject(self._running, np.random.default_rng(self._seed)):
            started = outcome.began = datetime.now(UTC)
            self._running.wait(CONTROL_SECONDS)
            outcome.causes = self._asked(outcome, started)
        outcome.seconds = (datetime.now(UTC) - started).total_seconds()
        self._take(outcome, known)
        self._settle()
        return outcome

    def fault(self, case: Case) -> Outcome:
        """What the platform makes of a fault. What takes long to end is looked at by `finish`."""
        outcome, _ = self._begun(case)
        random = np.random.default_rng(self._seed)
        case.prepare(self._running, random)
        known = {sign.key for sign in signs(self._running)}
        with case.inject(self._running, random):
            outcome.began = datetime.now(UTC)
            self._watch(outcome, known)
            outcome.seconds = (datetime.now(UTC) - outcome.began).total_seconds()
        self._say(f"{case.name}: taken back after {outcome.seconds:.0f} s")
        self._settle()
        outcome.well = self._holds(case.well, WELL_SECONDS)
        self._take(outcome, known)
        with suppress(CallFailedError):
            case.tidy(self._running)
        self._say(f"{case.name}: the state is {'well' if outcome.well else 'not well'}")
        self._holds(trades, MOST_SETTLED_SECONDS)
        return outcome

    def finish(self, outcomes: list[Outcome]) -> None:
        """Wait until every incident is over and written up, at most `OVER_SECONDS`, and note how each ended."""
        wanted = [each for outcome in outcomes for each in outcome.incident_ids]

        def over() -> bool:
            self._answer()
            listed = {each["incident_id"]: each for each in incidents(self._running)}
            return all(listed[each]["document_id"] for each in wanted if each in listed)

        with suppress(TimeoutError):
            until(over, OVER_SECONDS, "not every incident ends")
        for outcome in outcomes:
            self._note_ends(outcome)

    def _begun(self, case: Case) -> tuple[Outcome, set[str]]:
        self._say(f"{case.name}: begins")
        return Outcome(case, self._seed), {sign.key for sign in signs(self._running)}

    def _new(self, known: set[str]) -> list[Sign]:
        return [sign for sign in signs(self._running) if sign.key not in known and sign.name not in self._usual]

    def _watch(self, outcome: Outcome, known: set[str]) -> None:
        began = time.monotonic()
        diagnoses, next_at, opened = 0, 0.0, False
        while (passed := time.monotonic() - began) < LONGEST_SECONDS:
            new = self._new(known)
            if new and outcome.detected_seconds is None:
                outcome.detected_seconds, outcome.detected_by = passed, new[0].text
                next_at = passed + DIAGNOSE_EVERY_SECONDS
                self._say(f"{outcome.case.name}: detected after {passed:.0f} s by {new[0].text}")
            opened = opened or any(sign.kind == "incident" for sign in new)
            if outcome.detected_seconds is not None and diagnoses < DIAGNOSES and passed >= next_at:
                outcome.causes = self._asked(outcome, outcome.began + timedelta(seconds=outcome.detected_seconds))
                diagnoses, next_at = diagnoses + 1, passed + DIAGNOSE_EVERY_SECONDS
                if diagnoses == DIAGNOSES:
                    self._say(f"{outcome.case.name}: {', '.join(outcome.causes) or 'no finding'}")
            if outcome.mitigated_seconds is None and outcome.detected_seconds is not None:
                self._mitigated(outcome, new, passed)
            if diagnoses >= DIAGNOSES and opened and (outcome.mitigated_seconds is not None or not self._acts(outcome)):
                break
            self._running.wait(LOOK_SECONDS)
        outcome.threshold_causes = self._by_alert(known)

    def _acts(self, outcome: Outcome) -> bool:
        """Whether something can be waited for: what ends with the fault alone does not end while it lasts."""
        return bool(outcome.case.containment)

    def _mitigated(self, outcome: Outcome, new: list[Sign], passed: float) -> None:
        by = ""
        with suppress(CallFailedError):
            if outcome.case.containment and outcome.case.contained(self._running):
                by = outcome.case.containment
        opened = {sign.key for sign in new if sign.kind == "incident"}
        mine = [each for each in incidents(self._running) if each["incident_id"] in opened]
        over = [each for each in mine if each["status"] in OVER]
        done = [action.partition(":")[0] for each in mine for action in each["actions"] if action.endswith("done")]
        if by or over:
            ending = "a person is called" if any(each["status"] == "escalated" for each in over) else "ended by itself"
            outcome.mitigated_seconds = passed
            outcome.mitigated_by = ", ".join([*dict.fromkeys(done), by or ending])
            self._say(f"{outcome.case.name}: mitigated after {passed:.0f} s, {outcome.mitigated_by}")

    def _asked(self, outcome: Outcome, seen_at: datetime) -> tuple[str, ...]:
        """The analyst's causes now, about the time since the case began."""
        request = {
            "incident_id": f"bench-{outcome.case.name}-{outcome.seed}",
            "started_at": seen_at.isoformat(),
            "window_seconds": max(60.0, (seen_at - outcome.began).total_seconds() + _BEFORE_SECONDS),
        }
        try:
            found = self._running.call("agents", "POST", "/diagnoses", request)["hypotheses"]
        except CallFailedError as error:
            self._say(f"{outcome.case.name}: the analyst does not answer: {error}")
            return outcome.causes
        return tuple(each["cause"] for each in found)

    def _by_alert(self, known: set[str]) -> tuple[str, ...]:
        table = load_causes()
        names = [sign.name for sign in self._new(known) if sign.kind == "alert"]
        causes = [cause.value for name in names for cause, row in table.causes.items() if name in row.alerts]
        return tuple(dict.fromkeys(causes))[:3]

    def _take(self, outcome: Outcome, known: set[str]) -> None:
        every = signs(self._running)
        new = self._new(known) if outcome.case.causes else [each for each in every if each.key not in known]
        outcome.signs = tuple(dict.fromkeys(sign.text for sign in new))
        outcome.incident_ids = [sign.key for sign in new if sign.kind == "incident"]

    def _answer(self) -> None:
        with suppress(CallFailedError):
            for action in answer_questions(self._running):
                self._say(f"a person is asked: {action}; refused")

    def _settle(self) -> None:
        """Wait until both venues take orders and for a while nothing new is told; at most `MOST_SETTLED_SECONDS`."""
        began = quiet = time.monotonic()
        known = {sign.key for sign in signs(self._running)}
        while time.monotonic() - began < MOST_SETTLED_SECONDS:
            now = {sign.key for sign in signs(self._running)}
            if now - known or not self._holds(ready, 0.0):
                known, quiet = known | now, time.monotonic()
                self._answer()
            if time.monotonic() - quiet >= LEAST_SETTLED_SECONDS:
                return
            self._running.wait(LOOK_SECONDS)

    def _holds(self, check: Callable[[House], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            with suppress(CallFailedError):
                if check(self._running):
                    return True
            if time.monotonic() >= deadline:
                return False
            self._answer()
            self._running.wait(LOOK_SECONDS)

    def _note_ends(self, outcome: Outcome) -> None:
        written: list[float] = []
        ends: list[datetime] = []
        for incident_id in outcome.incident_ids:
            with suppress(CallFailedError):
                incident = history(self._running, incident_id)
                outcome.handed_over |= changed_at(incident, ("escalated",)) is not None
                end, document = changed_at(incident, ("resolved", "escalated")), changed_at(incident, ("written_up",))
                ends += [end] if end else []
                written += [(document - end).total_seconds()] if end and document else []
        outcome.postmortem_seconds = max(written, default=None)
        if outcome.mitigated_seconds is None and ends:
            outcome.mitigated_seconds = (min(ends) - outcome.began).total_seconds()
            outcome.mitigated_by = "escalated" if outcome.handed_over else "followed to its end"
