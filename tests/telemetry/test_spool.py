import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.records import LogEntry
from telemetry.sinks.spool import MAX_REJECTED_FILES, Spool


class Ticks:
    """A clock that advances by a second at each look."""

    def __init__(self) -> None:
        self.seconds = 1_000

    def time_ns(self) -> int:
        self.seconds += 1
        return self.seconds * 1_000_000_000


def entry(text: str) -> LogEntry:
    return LogEntry(1, "info", "orders", text, "0" * 31 + "1", "0" * 15 + "1", (("order_id", "o-1"),))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", clock=Ticks())
    spool.open()
    yield spool
    spool.close()


def leave_behind(root: Path, *texts: str) -> int:
    """Have a process spool one batch per text and be killed; returns its process id."""
    program = """
        import os, signal, sys
        from pathlib import Path
        from telemetry.emit.clock import SystemClock
        from telemetry.records import LogEntry
        from telemetry.sinks.spool import Spool
        spool = Spool(Path(sys.argv[1]), clock=SystemClock())
        spool.open()
        for text in sys.argv[2:]:
            spool.append([LogEntry(1, "info", "orders", text, "", "", ())])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    child = subprocess.Popen(  # noqa: S603 -- our own program
        [sys.executable, "-c", textwrap.dedent(program), str(root), *texts]
    )
    assert child.wait(30) == -9
    return child.pid


def test_append_when_read_back_then_entries_are_equal(spool: Spool) -> None:
    spool.append([entry("first"), entry("second")])
    batch = spool.oldest()
    assert batch is not None
    assert batch.entries == (entry("first"), entry("second"))


def test_append_when_done_then_only_the_owner_can_read_it(spool: Spool, tmp_path: Path) -> None:
    spool.append([entry("first")])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").rglob("*")}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o700, 0o600}
    assert all(mode == 0o600 for name, mode in modes.items() if "." in name or name == "lock")


def test_open_when_the_directory_is_open_to_others_then_it_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    spool = Spool(tmp_path / "spool", clock=Ticks())
    spool.open()
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    spool.close()


def test_remove_when_the_oldest_is_done_then_the_next_one_follows(spool: Spool) -> None:
    for text in ("first", "second"):
        spool.append([entry(text)])
    first = spool.oldest()
    assert first is not None
    spool.remove(first)
    second = spool.oldest()
    assert second is not None
    assert (second.entries[0].line, len(spool)) == ("second", 1)


def test_append_when_the_cap_is_reached_then_the_oldest_make_way_and_are_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", max_bytes=3 * 4_096, clock=Ticks())
    spool.open()
    lost = [spool.append([entry(f"{number}a"), entry(f"{number}b")]) for number in range(5)]
    oldest = spool.oldest()
    assert oldest is not None
    assert (lost, oldest.entries[0].line, spool.size_bytes) == ([0, 0, 0, 2, 2], "2a", 3 * 4_096)
    assert len(list((tmp_path / "spool").rglob("*.batch"))) == 3
    spool.close()


def test_oldest_when_a_file_is_damaged_then_it_is_set_aside(spool: Spool, tmp_path: Path) -> None:
    spool.append([entry("first")])
    spool.append([entry("second")])
    min((tmp_path / "spool").rglob("*.batch")).write_bytes(b"not a batch")
    oldest = spool.oldest()
    assert oldest is not None
    assert (oldest.entries[0].line, len(spool.rejected_files())) == ("second", 1)


def test_open_when_a_process_was_killed_then_its_batches_are_adopted_oldest_first(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    pid = leave_behind(root, "first", "second")
    spool = Spool(root, clock=Ticks())
    spool.open()
    oldest = spool.oldest()
    assert oldest is not None
    assert (oldest.entries[0].line, spool.pending_entries, (root / str(pid)).exists()) == ("first", 2, False)
    spool.close()


def test_open_when_another_process_lives_then_its_batches_stay_its_own(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    first, second = Spool(root, clock=Ticks()), Spool(root, clock=Ticks())
    first.open()
    first.append([entry("mine")])
    second.open()
    assert (len(first), len(second)) == (1, 0)
    first.close()
    second.close()


def test_open_when_adopted_batches_exceed_the_cap_then_the_loss_is_returned(tmp_path: Path) -> None:
    leave_behind(tmp_path / "spool", "first", "second", "third")
    spool = Spool(tmp_path / "spool", max_bytes=2 * 4_096, clock=Ticks())
    assert (spool.open(), spool.pending_entries) == (1, 2)
    spool.close()


def test_close_when_nothing_waits_then_no_directory_is_left(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", clock=Ticks())
    spool.open()
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_forked_when_called_then_the_old_directory_keeps_its_batches(spool: Spool, tmp_path: Path) -> None:
    spool.append([entry("first")])
    spool.forked()
    assert (len(spool), len(list((tmp_path / "spool").rglob("*.batch")))) == (0, 1)


def test_keep_rejected_when_there_are_many_then_only_the_latest_stay(spool: Spool) -> None:
    for number in range(MAX_REJECTED_FILES + 3):
        spool.keep_rejected([entry(str(number))])
    assert len(spool.rejected_files()) == MAX_REJECTED_FILES


def test_oldest_age_when_a_batch_waits_then_it_grows(spool: Spool) -> None:
    assert spool.oldest_age_seconds() == 0
    spool.append([entry("first")])
    first_look, second_look = spool.oldest_age_seconds(), spool.oldest_age_seconds()
    assert 0 < first_look < second_look


def test_append_when_the_disk_refuses_then_no_half_file_is_left(spool: Spool, tmp_path: Path) -> None:
    spool.append([entry("first")])
    (directory,) = [path for path in (tmp_path / "spool").iterdir() if path.name.startswith(str(os.getpid()))]
    moved = directory.rename(tmp_path / "gone")
    with pytest.raises(OSError, match="No such file"):
        spool.append([entry("second")])
    moved.rename(directory)
    assert [path.suffix for path in directory.iterdir() if path.name != "lock"] == [".batch"]
