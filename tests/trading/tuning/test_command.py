"""`sightline tune`, from the command line to its last line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from services.console.cli import build, run
from services.console.commands.tuning_progress import TuningProgress
from services.contracts.market import Symbol
from services.kit.bar_parquet import write_parquet
from services.kit.clock import SystemClock
from services.trading.marketdata.port import Adjustment, Timeframe
from services.trading.marketdata.store import BarStore, Series
from services.trading.tuning.following import judged_after, progress
from services.trading.tuning.home import FileHome
from services.trading.tuning.ledger import Kind
from services.trading.tuning.progress import Progress
from tests.fakes.clock import FakeClock
from tests.trading.strategies.bars import of_prices, random_columns
from tests.trading.tuning.market import planted

ROOT = Path(__file__).parents[3]
STUDY = "sma-cross-MADE"

Tune = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "MADE.parquet"
    write_parquet(path, random_columns(1200, 3))
    return path


@pytest.fixture
def tune(tmp_path: Path, bars: Path, capsys: pytest.CaptureFixture[str]) -> Tune:
    def call(*options: str, strategy: str = "sma-cross", source: str = str(bars)) -> tuple[int, str, str]:
        app = build((), SystemClock(), {"SIGHTLINE_DATA_DIR": str(tmp_path / "var")})
        given = () if "--symbols" in options else ("--symbols", "MADE")
        code = run(app, ["tune", strategy, "--from", source, *given, *options])
        said = capsys.readouterr()
        return code, said.out, " ".join(said.err.replace("│", " ").split())

    return call


def test_a_study_ends_with_a_table_and_no_edge_is_no_failure(tune: Tune) -> None:
    code, out, _ = tune("--trials", "30")
    assert code == 0
    assert "no edge: the incumbent stays" in out
    assert "30 of 30 trials and" in out
    for test in ("deflated Sharpe ratio", "probability of overfitting", "p-value of superior ability"):
        assert test in out


def test_a_study_that_has_all_its_trials_leaves_its_verdict_in_the_ledger(tune: Tune, tmp_path: Path) -> None:
    tune("--trials", "30")
    home = FileHome(tmp_path / "var" / "tuning", SystemClock())
    with home.ledger._database.reading() as connection:
        (judged,) = judged_after(connection, None)
        shown = progress(connection)
    home.close()
    assert (judged.study, judged.strategy, judged.recommended) == (STUDY, "sma-cross", False)
    assert judged.failed
    assert judged.trials >= 30
    assert shown == {"sma-cross": 1.0}


def test_a_study_that_ran_out_of_time_leaves_no_verdict(tune: Tune, tmp_path: Path) -> None:
    tune("--trials", "3")
    code, _, _ = tune("--trials", "100000", "--resume", "--budget-seconds", "0")
    assert code == 0
    home = FileHome(tmp_path / "var" / "tuning", SystemClock())
    with home.ledger._database.reading() as connection:
        (judged,) = judged_after(connection, None)
    home.close()
    assert judged.trials < 100


def test_a_study_is_gone_on_with(tune: Tune) -> None:
    tune("--trials", "10")
    code, out, _ = tune("--trials", "14", "--resume")
    assert code == 0
    assert "14 of 14 trials" in out


def test_bars_of_the_store_and_a_days_range_are_used(tune: Tune, tmp_path: Path) -> None:
    store = BarStore(tmp_path / "var" / "bars")
    store.put(Series(Symbol("KEPT"), Timeframe.DAY, Adjustment.SPLIT), random_columns(1500, 3))
    span = ("--since", "2010-06-01", "--until", "2013-01-01", "--purge", "0", "--embargo", "0")
    code, out, _ = tune("--symbols", "KEPT", "--trials", "3", "--within", "slow=5:50", *span, source="store")
    # 945 days, less a hold-out of 189 and a first training of 78 after a warm-up of 50.
    assert code == 0
    assert "over 624 bars" in out


def test_what_is_purged_and_under_embargo_is_told(tune: Tune) -> None:
    _, given, _ = tune("--trials", "3", "--purge", "7", "--embargo", "5")
    assert "left out before each test: 7 bars purged, 5 under embargo" in given
    code, _, said = tune("--trials", "3", "--purge", "-1", "--study", "other")
    assert code == 2
    assert "--purge" in said


def test_the_hold_out_stays_locked_for_a_candidate_that_has_failed(tune: Tune, tmp_path: Path) -> None:
    code, out, _ = tune("--trials", "10", "--open-hold-out")
    home = FileHome(tmp_path / "var" / "tuning", FakeClock())
    assert (code, home.ledger.opened(STUDY)) == (0, None)
    assert "stays locked" in out
    home.close()


def test_an_edge_is_reported_and_its_hold_out_opened_once(tune: Tune, tmp_path: Path) -> None:
    close = 1000.0 * np.exp(np.cumsum(planted(3500, 1)))
    before = np.concatenate(([1000.0], close[:-1]))
    high, low = np.maximum(before, close) * 1.001, np.minimum(before, close) * 0.999
    write_parquet(tmp_path / "EDGE.parquet", of_prices(before, high, low, close))
    given = ("--symbols", "EDGE", "--within", "slow=5:60", "--within", "fast=2:30", "--trials", "40")
    source = str(tmp_path / "EDGE.parquet")
    _, locked, _ = tune(*given, source=source)
    code, out, _ = tune(*given, "--resume", "--open-hold-out", source=source)
    _, again, _ = tune(*given[:-1], "90", "--resume", source=source)
    assert "--resume --open-hold-out looks at it, once" in locked
    assert code == 0
    assert "edge: every test is passed" in out
    assert "Sharpe ratio on the hold-out" in out
    # What follows makes no trials any more, and says the same.
    assert "trials" not in again
    assert again.splitlines() == out.splitlines()[-len(again.splitlines()) :]


def test_a_terminal_sees_one_line_that_changes() -> None:
    written = StringIO()
    told = Progress(
        study="made",
        done=40,
        wanted=100,
        neighbours=0,
        pruned=3,
        repeats=0,
        best_score=1.234,
        best_setting={"fast": 5},
        elapsed_seconds=10.0,
        trials_per_second=4.0,
        remaining_seconds=75.0,
    )
    with TuningProgress(Console(file=written, force_terminal=True, width=200, highlight=False)) as shown:
        shown.show(told)
    line = "40 of 100 trials, 4.0 a second, best Sharpe ratio out of sample 1.23, 3 given up early, 1 min 15 s left"
    assert written.getvalue().splitlines()[-1].endswith(line)


@pytest.mark.parametrize(
    ("options", "changed", "words"),
    [
        ((), {"strategy": "magic"}, "there is no strategy 'magic'; there are band-reversion"),
        (("--within", "quick=5:9"), {}, "there is no parameter quick"),
        (("--within", "fast=500:600"), {}, "fast has no value between 500 and 600"),
        (("--within", "fast=90:100", "--within", "slow=5:50"), {}, "keeps every constraint; widen them"),
        (("--within", "fast"), {}, "--within takes NAME=LOW:HIGH"),
        (("--symbols", ","), {}, "names at least one symbol"),
        (("--symbols", "OTHER"), {}, "has no OTHER; it has MADE"),
        (("--against", "luck"), {}, "--against is one of cash, hold"),
        (("--timeframe", "1week"), {}, "--timeframe is one of 1min"),
        (("--adjustment", "some"), {}, "--adjustment is one of raw"),
        (("--folds", "80"), {}, "bars are too few for 80 folds"),
        (("--hold-out", "0.7"), {}, "Between 0 and a half"),
        (("--resume",), {}, "There is no study sma-cross-MADE"),
        (("--study", "a/b"), {}, "A study's name is up to 80 letters"),
        (("--storage", "sqlite:///here.db"), {}, "Workers share a Postgres"),
        ((), {"source": "nowhere.csv"}, "nowhere.csv"),
        ((), {"source": "store"}, "MADE"),
        ((), {"strategy": "relative-momentum"}, "needs 2 symbols, not 1"),
    ],
)
def test_what_is_wrong_is_said_in_words(
    tune: Tune, options: tuple[str, ...], changed: dict[str, str], words: str
) -> None:
    code, _, error = tune(*options, "--trials", "3", **changed)
    assert code == 1
    assert words in error
    assert "Traceback" not in error


def test_another_studys_data_are_refused(tune: Tune, tmp_path: Path) -> None:
    tune("--trials", "3")
    other = tmp_path / "elsewhere" / "MADE.parquet"
    other.parent.mkdir()
    write_parquet(other, random_columns(1200, 4))
    code, _, error = tune("--trials", "5", "--resume", source=str(other))
    assert code == 1
    assert "was made with digest" in error


def test_a_name_that_is_taken_is_refused(tune: Tune) -> None:
    tune("--trials", "3")
    code, _, error = tune("--trials", "3")
    assert code == 1
    assert "--resume goes on with it" in error


@pytest.mark.parametrize("program", ["services.console.cli", "services.trading.bootstrap"])
def test_the_sampler_and_the_kernel_are_not_loaded_by_what_does_not_tune(program: str) -> None:
    code = f"import sys, {program}; print(*sorted({{'optuna', 'numba'}} & set(sys.modules)))"
    made = subprocess.run(  # noqa: S603 -- our own program and arguments
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert made.stdout.split() == []


def test_ctrl_c_keeps_the_study_and_says_how_to_go_on(tmp_path: Path, bars: Path) -> None:
    command = [sys.executable, "-m", "services.console.cli", "tune", "sma-cross", "--symbols", "MADE"]
    options = ["--from", str(bars), "--trials", "100000"]
    environ = {**os.environ, "SIGHTLINE_DATA_DIR": str(tmp_path / "var"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(  # noqa: S603 -- our own program and arguments
        [*command, *options], cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        ledger = tmp_path / "var" / "tuning"
        made = _wait_for_trials(ledger, process)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"--resume goes on with {STUDY}" in said
    home = FileHome(ledger, FakeClock())
    assert len([trial for trial in home.ledger.of_study(STUDY)[0] if trial.kind is Kind.SEARCH]) >= made
    home.close()


def _wait_for_trials(ledger: Path, process: subprocess.Popen[str]) -> int:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        if (ledger / f"{STUDY}.journal").exists():
            home = FileHome(ledger, FakeClock())
            made = len(home.ledger.of_study(STUDY)[0])
            home.close()
            if made >= 3:
                return made
        time.sleep(0.05)
    pytest.fail("no trial was made")
