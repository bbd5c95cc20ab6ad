import fcntl
from dataclasses import replace
from pathlib import Path

import pytest

from services.kit.database_errors import DatabaseUrlError
from services.trading.strategies.parameters import Integer
from services.trading.tuning.errors import (
    OtherStudyError,
    StudyBusyError,
    StudyExistsError,
    StudyUnknownError,
    TuningError,
)
from services.trading.tuning.home import FileHome, opened
from services.trading.tuning.opening import open_study
from services.trading.tuning.plan import Plan
from services.trading.tuning.subject import Subject
from tests.fakes.clock import FakeClock
from tests.trading.tuning.market import SPACE, noise, subject

ABOUT = subject(noise(800, 1))


def begin(home: FileHome, about: Subject = ABOUT, plan: Plan | None = None, *, resume: bool = False) -> None:
    with open_study(home, "made", about, plan or Plan(), resume=resume, clock=FakeClock()) as study:
        study.run(3)


def test_a_name_that_is_taken_is_refused_with_both_ways_out(home: FileHome) -> None:
    begin(home)
    with pytest.raises(StudyExistsError, match=r"--resume goes on with it, --study NAME begins another"):
        begin(home)


def test_a_study_that_is_not_there_cannot_be_gone_on_with(home: FileHome) -> None:
    with pytest.raises(StudyUnknownError, match="leave out --resume"):
        begin(home, resume=True)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"digest": "other"}, "digest"),
        ({"data": "ELSE 1d"}, r"data MADE 1d \(now ELSE 1d\)"),
        ({"version": 2}, r"version 1 \(now 2\)"),
        ({"space": SPACE.narrowed({"fast": (2, 9)})}, "space"),
    ],
)
def test_another_studys_data_are_refused_with_what_differs(
    home: FileHome, changed: dict[str, object], words: str
) -> None:
    begin(home)
    with pytest.raises(OtherStudyError, match=words):
        begin(home, replace(ABOUT, **changed), resume=True)  # type: ignore[arg-type]


def test_another_plan_is_refused_with_what_differs(home: FileHome) -> None:
    begin(home)
    with pytest.raises(OtherStudyError, match=r"folds 8 \(now 6\), seed 1 \(now 2\)"):
        begin(home, plan=Plan(folds=6, seed=2), resume=True)


@pytest.mark.parametrize("name", ["", "../elsewhere", "a b", ".hidden", "x" * 81])
def test_a_name_that_could_be_no_files_is_refused(home: FileHome, name: str) -> None:
    with (
        pytest.raises(TuningError, match="80 letters"),
        open_study(home, name, ABOUT, Plan(), resume=False, clock=FakeClock()),
    ):
        pytest.fail("it opened")


def test_a_study_that_another_process_works_on_is_refused_with_its_number(tmp_path: Path, home: FileHome) -> None:
    begin(home)
    with (tmp_path / "tuning" / "made.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711 ")
        lock.flush()
        with pytest.raises(StudyBusyError, match=r"Process 4711 .* --storage"):
            begin(home, resume=True)


@pytest.mark.parametrize("url", ["sqlite:///studies.db", "nonsense", "mysql://host/name"])
def test_a_storage_that_cannot_be_shared_is_refused_in_words(tmp_path: Path, url: str) -> None:
    with pytest.raises(DatabaseUrlError, match="Workers share a Postgres"), opened(url, tmp_path, FakeClock()):
        pytest.fail("it opened")


def test_two_studies_of_one_home_do_not_meet(home: FileHome) -> None:
    for name in ("one", "two"):
        with open_study(home, name, ABOUT, Plan(), resume=False, clock=FakeClock()) as study:
            study.run(4)
    assert [trial.setting for trial in home.ledger.of_study("one")[0]] == [
        trial.setting for trial in home.ledger.of_study("two")[0]
    ]


def test_the_description_tells_spaces_apart_by_every_number() -> None:
    wider = Integer(name="fast", low=2, high=31, default=5)
    assert repr(wider) != repr(SPACE.parameters[0])
