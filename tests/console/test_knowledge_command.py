"""`sightline kb`: against the running service, and on files where nothing runs."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.console.stack.errors import StackError
from services.content.knowledge.entries import read_entry
from services.content.knowledge.problems import NoSuchEntryError
from telemetry.emit.clock import SystemClock as TelemetryClock
from telemetry.records import LogEntry
from telemetry.sinks.embedded import EmbeddedStore
from tests.content.knowledge.conftest import entry_text
from tests.content.running import Platform, running_content


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, str]]:
    platform = Platform(tmp_path_factory.mktemp("platform"))
    with running_content(platform) as url:
        yield platform, url


@pytest.fixture
def idle(tmp_path: Path) -> Platform:
    return Platform(tmp_path)


def miss(running: tuple[Platform, str], text: str) -> str:
    platform, url = running
    with httpx.Client(base_url=url, auth=platform.signed("content")) as client:
        answer = client.post("/knowledge/match", json={"text": text, "venue": "alpha", "code": "49990000"})
    gap_id: str = answer.json()["gap_id"]
    return gap_id


def test_search_when_the_service_runs_then_it_answers(running: tuple[Platform, str]) -> None:
    result = running[0].sightline("kb", "search", "wash", "trade")
    assert result.exit_code == 0
    assert result.output.startswith("alpaca-wash-trade  Alpaca refuses an order that could trade with one of our own")
    assert "nothing runs" not in result.output


def test_show_when_the_service_runs_then_the_whole_entry_comes(running: tuple[Platform, str]) -> None:
    output = running[0].sightline("kb", "show", "alert-targetdown").output
    assert "alert     TargetDown" in output
    assert "docs/runbooks/targets.md#targetdown" in output


def test_show_when_there_is_no_such_entry_then_the_service_says_how_to_find_one(running: tuple[Platform, str]) -> None:
    error = running[0].sightline("kb", "show", "gone").exception
    assert isinstance(error, StackError)
    assert "kb search" in error.message


def test_gap_when_met_then_it_is_listed_and_an_entry_is_drafted_from_it(running: tuple[Platform, str]) -> None:
    platform, _ = running
    gap_id = miss(running, "the moon is in the way of satellite 7")
    listed = platform.sightline("kb", "gaps").output
    assert gap_id in listed
    assert "the moon is in the way of satellite <n>" in listed

    drafted = platform.sightline("kb", "new", "moon-in-the-way", "--from-gap", gap_id[:8], "--venue", "alpaca")
    path = Path(drafted.output.splitlines()[0])
    entry = read_entry(path.read_text(), path="own/moon-in-the-way.md")
    assert (entry.front.template, entry.front.code, entry.front.draft) == (
        "the moon is in the way of satellite <n>",
        "49990000",
        True,
    )
    assert "the moon is in the way of satellite 7" in entry.body
    assert "draft  own/moon-in-the-way.md: answers nothing yet" in platform.sightline("kb", "check").output


def test_new_when_there_is_no_such_gap_then_the_list_is_named(running: tuple[Platform, str]) -> None:
    error = running[0].sightline("kb", "new", "x-y", "--from-gap", "ffff").exception
    assert isinstance(error, StackError)
    assert "sightline kb gaps" in error.remedy


def test_gaps_when_nothing_runs_then_it_says_what_to_start(idle: Platform) -> None:
    error = idle.sightline("kb", "gaps").exception
    assert isinstance(error, StackError)
    assert "sightline up" in error.remedy


def test_search_and_show_when_nothing_runs_then_the_files_answer(idle: Platform) -> None:
    found = idle.sightline("kb", "search", "wash", "trade").output
    assert found.startswith("nothing runs; this is what the files say\nalpaca-wash-trade")
    assert "40310000" in idle.sightline("kb", "show", "alpaca-wash-trade").output
    assert isinstance(idle.sightline("kb", "show", "gone").exception, NoSuchEntryError)


def test_search_when_no_entry_holds_the_words_then_its_code_is_1(idle: Platform) -> None:
    result = idle.sightline("kb", "search", "zzyzx")
    assert (result.exit_code, "no entry holds these words" in result.output) == (1, True)


def test_check_when_all_is_well_then_its_code_is_0(idle: Platform) -> None:
    result = idle.sightline("kb", "check")
    assert (result.exit_code, "0 problems" in result.output) == (0, True)


def test_check_when_an_entry_is_wrong_or_stale_then_file_line_and_remedy_are_named(idle: Platform) -> None:
    own = idle.data_dir / "knowledge"
    own.mkdir()
    (own / "bad-link.md").write_text(entry_text("bad-link", "See [there](gone.md)."))
    (own / "no-title.md").write_text(entry_text("no-title", title=""))
    (own / "old-one.md").write_text(entry_text("old-one", verified_at="2020-01-01"))
    result = idle.sightline("kb", "check")
    assert result.exit_code == 1
    assert "wrong  own/bad-link.md:10: links to gone.md, which leads nowhere" in result.output
    assert "wrong  own/no-title.md:1: title is missing; docs/knowledge.md lists the fields" in result.output
    assert "stale  own/old-one.md: not verified since 2020-01-01; hold it against made up for a test" in result.output


def test_new_when_drafted_then_it_is_an_entry_that_answers_nothing_until_it_is_written(idle: Platform) -> None:
    result = idle.sightline("kb", "new", "late-borrow", "--kind", "behaviour", "--title", "Borrows come late")
    path = Path(result.output.splitlines()[0])
    assert path == idle.data_dir / "knowledge" / "late-borrow.md"
    assert idle.sightline("kb", "search", "borrows").exit_code == 1
    path.write_text(path.read_text().replace("draft: true\n", ""))
    assert idle.sightline("kb", "search", "borrows").output.splitlines()[1].startswith("late-borrow")


def test_new_when_there_is_one_of_that_id_then_nothing_is_overwritten(idle: Platform) -> None:
    idle.sightline("kb", "new", "x-y")
    error = idle.sightline("kb", "new", "x-y").exception
    assert isinstance(error, StackError)
    assert error.message == "there is an entry x-y"


@pytest.mark.parametrize("entry_id", ["X Y", "../x", "x/y", ""])
def test_new_when_the_id_is_none_then_it_says_what_one_looks_like(idle: Platform, entry_id: str) -> None:
    result = idle.sightline("kb", "new", entry_id)
    assert (result.exit_code, "lower-case letters" in result.output) == (2, True)


def test_logs_and_trace_when_an_error_line_is_known_then_its_entry_is_named(idle: Platform) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    store = EmbeddedStore(idle.telemetry_file, service_name="trading", env="local", clock=TelemetryClock())
    now_ns = TelemetryClock().time_ns()
    sink = store.log_sink()
    lines = ("(sqlite3.OperationalError) database is locked", "error"), ("database is locked", "warning")
    sink.send([LogEntry(now_ns, level, "services.x", line, trace, "", ()) for line, level in lines])
    sink.close()

    told = idle.sightline("logs").output
    assert told.count("known: sightline kb show sqlite-has-one-writer") == 1
    assert '"knowledge": "sqlite-has-one-writer"' in idle.sightline("logs", "--json").output
    assert "known: sightline kb show sqlite-has-one-writer" in idle.sightline("trace", trace).output
