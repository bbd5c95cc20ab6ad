"""Starting, keeping and stopping components under supervisord, with small programs in the components' place."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.console.stack import processes
from services.console.stack.errors import StackError
from services.console.stack.layout import Layout
from services.console.stack.native import NativePlatform
from services.console.stack.record import RunRecord, exclusively
from services.console.stack.status import native_status
from tests.stack.native_parts import (
    DIES,
    HANGS,
    IGNORES_TERM,
    InterruptingProgress,
    RecordingProgress,
    component,
    layout_in,
    plan_maker,
    write_program,
)

FreePort = Callable[[], int]


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = layout_in(tmp_path)
    yield layout
    NativePlatform(layout, RecordingProgress()).down()
    assert started_pids(layout) == []


def started_pids(layout: Layout) -> list[int]:
    return processes.with_environment(f"SUPERVISOR_SERVER_URL=unix://{layout.socket}")


def test_up_when_one_depends_on_another_then_it_starts_after_that(
    layout: Layout, tmp_path: Path, free_port: FreePort
) -> None:
    for name in ("bus", "page"):
        write_program(tmp_path / "bin", name)
    parts = (component("page", free_port(), depends_on=("bus",)), component("bus", free_port()))
    progress = RecordingProgress()

    NativePlatform(layout, progress).up(plan_maker(layout, tmp_path / "bin", parts), timeout_seconds=20)

    assert progress.ready_names == ["bus", "page"]


def test_down_when_it_ran_then_all_stop_in_reverse_order_and_nothing_is_left(
    layout: Layout, tmp_path: Path, free_port: FreePort
) -> None:
    for name in ("bus", "page"):
        write_program(tmp_path / "bin", name)
    parts = (component("bus", free_port()), component("page", free_port(), depends_on=("bus",)))
    progress = RecordingProgress()
    platform = NativePlatform(layout, progress)
    platform.up(plan_maker(layout, tmp_path / "bin", parts), timeout_seconds=20)
    pids = [platform.client.pid(), *started_pids(layout)]
    assert len(pids) == 3

    assert platform.down() is True

    assert progress.stopped_names == ["page", "bus"]
    assert [pid for pid in pids if processes.is_alive(pid)] == []
    assert platform.down() is False


def test_down_when_a_component_ignores_term_then_it_is_killed(
    layout: Layout, tmp_path: Path, free_port: FreePort
) -> None:
    write_program(tmp_path / "bin", "mule", behaviour=IGNORES_TERM)
    platform = NativePlatform(layout, RecordingProgress())
    parts = (component("mule", free_port()),)
    platform.up(plan_maker(layout, tmp_path / "bin", parts), timeout_seconds=20)
    (pid,) = started_pids(layout)

    platform.down()

    assert not processes.is_alive(pid)


def test_up_when_all_runs_then_nothing_is_started_again(layout: Layout, tmp_path: Path, free_port: FreePort) -> None:
    write_program(tmp_path / "bin", "bus")
    progress = RecordingProgress()
    platform = NativePlatform(layout, progress)
    make_plan = plan_maker(layout, tmp_path / "bin", (component("bus", free_port()),))
    platform.up(make_plan, timeout_seconds=20)
    before = started_pids(layout)

    platform.up(make_plan, timeout_seconds=20)

    assert started_pids(layout) == before
    assert progress.notes == ["already running"]


def test_up_when_one_component_was_stopped_then_it_is_started_again(
    layout: Layout, tmp_path: Path, free_port: FreePort
) -> None:
    for name in ("bus", "page"):
        write_program(tmp_path / "bin", name)
    progress = RecordingProgress()
    platform = NativePlatform(layout, progress)
    parts = (component("bus", free_port()), component("page", free_port()))
    make_plan = plan_maker(layout, tmp_path / "bin", parts)
    platform.up(make_plan, timeout_seconds=20)
    platform.client.stop("page", stop_seconds=2)
    progress.ready_names.clear()

    platform.up(make_plan, timeout_seconds=20)

    assert progress.ready_names == ["page"]


def test_up_when_the_configuration_changed_since_then_it_says_so_and_leaves_what_runs(
    layout: Layout, tmp_path: Path, free_port: FreePort
) -> None:
    write_program(tmp_path / "bin", "bus")
    progress = RecordingProgress()
    platform = NativePlatform(layout, progress)
    parts = (component("bus", free_port(), service=True),)
    platform.up(plan_maker(layout, tmp_path / "bin", parts), timeout_seconds=20)
    before = started_pids(layout)

    changed = {"SIGHTLINE_LOG_LEVEL": "DEBUG"}
    platform.up(plan_maker(layout, tmp_path / "bin", parts, changed), timeout_seconds=20)

    assert progress.notes[-1] == (
        "the configuration changed since the start: `sightline down && sightline up` takes it over"
    )
    assert started_pids(layout) == before


def test_up_when_the_code_changed_since_then_it_says_so(tmp_path: Path, free_port: FreePort) -> None:
    root = tmp_path / "checkout"
    (root / "services").mkdir(parents=True)
    (root / "nats").mkdir()
    (root / "nats" / "nats.conf").write_text("")
    (root / "services" / "part.py").write_text("A = 1\n")
    layout = layout_in(tmp_path, root=root)
    write_program(tmp_path / "bin", "bus")
    progress = RecordingProgress()
    platform = NativePlatform(layout, progress)
    make_plan = plan_maker(layout, tmp_path / "bin", (component("bus", free_port()),))
    platform.up(make_plan, timeout_seconds=20)
    try:
        (root / "services" / "part.py").write_text("A = 2\n")
        platform.up(make_plan, timeout_seconds=20)
        assert progress.notes[-1].startswith("the code changed since the start")
    finally:
        platform.down()


def test_kill_when_a_component_is_killed_then_it_is_started_again(
    layout: Layout, tmp_path: Path, free_port: FreePort
) -> None:
    write_program(tmp_path / "bin", "bus")
    platform = NativePlatform(layout, RecordingProgress())
    record = platform.up(plan_maker(layout, tmp_path / "bin", (component("bus", free_port()),)), timeout_seconds=20)
    (pid,) = started_pids(layout)

    os.kill(pid, signal.SIGKILL)

    def came_back() -> bool:
        (status,) = native_status(record, layout, platform.client).components
        return status.ready and status.restarts == 1

    assert processes.wait_until(came_back, timeout_seconds=15)
    assert started_pids(layout) != [pid]


def test_up_when_a_component_dies_then_its_last_words_are_shown_and_nothing_is_left(
    layout: Layout, tmp_path: Path, free_port: FreePort
) -> None:
    write_program(tmp_path / "bin", "bus")
    write_program(tmp_path / "bin", "page", behaviour=DIES)
    parts = (component("bus", free_port()), component("page", free_port(), depends_on=("bus",)))

    with pytest.raises(StackError, match="page ended while it was starting") as caught:
        NativePlatform(layout, RecordingProgress()).up(plan_maker(layout, tmp_path / "bin", parts), timeout_seconds=20)

    assert caught.value.detail == "the ledger cannot be opened"
    assert started_pids(layout) == []


def test_up_when_a_component_never_answers_then_the_wait_ends_with_its_name(
    layout: Layout, tmp_path: Path, free_port: FreePort
) -> None:
    write_program(tmp_path / "bin", "page", behaviour=HANGS)

    with pytest.raises(StackError, match="page runs but was not ready within 1 s"):
        NativePlatform(layout, RecordingProgress()).up(
            plan_maker(layout, tmp_path / "bin", (component("page", free_port()),)), timeout_seconds=1
        )

    assert started_pids(layout) == []


def test_up_when_the_operator_interrupts_then_what_was_started_is_stopped(
    layout: Layout, tmp_path: Path, free_port: FreePort
) -> None:
    write_program(tmp_path / "bin", "bus")
    write_program(tmp_path / "bin", "page", behaviour=HANGS)
    parts = (component("bus", free_port()), component("page", free_port(), depends_on=("bus",)))

    with pytest.raises(KeyboardInterrupt):
        NativePlatform(layout, InterruptingProgress("page")).up(
            plan_maker(layout, tmp_path / "bin", parts), timeout_seconds=20
        )

    assert started_pids(layout) == []


def test_up_when_a_port_is_taken_then_port_component_and_holder_are_named(layout: Layout, tmp_path: Path) -> None:
    write_program(tmp_path / "bin", "bus")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(StackError) as caught:
            NativePlatform(layout, RecordingProgress()).up(
                plan_maker(layout, tmp_path / "bin", (component("bus", port),)), timeout_seconds=20
            )

    assert caught.value.message.startswith(f"port {port} (bus) is taken by ")
    assert f"(pid {os.getpid()})" in caught.value.message
    assert "SIGHTLINE_PORT_OFFSET" in caught.value.remedy


def test_up_when_the_supervisor_was_killed_then_what_it_left_is_stopped_first(
    layout: Layout, tmp_path: Path, free_port: FreePort
) -> None:
    write_program(tmp_path / "bin", "bus")
    progress = RecordingProgress()
    platform = NativePlatform(layout, progress)
    make_plan = plan_maker(layout, tmp_path / "bin", (component("bus", free_port()),))
    platform.up(make_plan, timeout_seconds=20)
    (orphan,) = started_pids(layout)
    supervisor = platform.client.pid()
    os.kill(supervisor, signal.SIGKILL)
    assert processes.wait_until(lambda: not processes.is_alive(supervisor), timeout_seconds=5)

    platform.up(make_plan, timeout_seconds=20)

    assert not processes.is_alive(orphan)
    assert any(f"(pid {orphan})" in note for note in progress.notes)
    assert len(started_pids(layout)) == 1


def test_down_when_the_path_is_too_long_for_a_socket_then_nothing_is_left_in_the_temporary_directory(
    tmp_path: Path, free_port: FreePort
) -> None:
    layout = layout_in(tmp_path / ("d" * 120))
    write_program(tmp_path / "bin", "bus")
    platform = NativePlatform(layout, RecordingProgress())
    platform.up(plan_maker(layout, tmp_path / "bin", (component("bus", free_port()),)), timeout_seconds=20)
    assert layout.socket.parent != layout.run_dir

    platform.down()

    assert not layout.socket.parent.exists()


def test_down_when_another_command_is_at_work_then_it_says_which(layout: Layout) -> None:
    with (
        exclusively(layout.run_dir),
        pytest.raises(StackError, match=rf"another sightline command \(pid {os.getpid()}\)"),
    ):
        NativePlatform(layout, RecordingProgress()).down()


def test_start_when_the_environment_holds_a_secret_then_components_do_not_see_it(
    layout: Layout, tmp_path: Path, free_port: FreePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "canary")
    write_program(tmp_path / "bin", "bus")
    NativePlatform(layout, RecordingProgress()).up(
        plan_maker(layout, tmp_path / "bin", (component("bus", free_port()),)), timeout_seconds=20
    )

    (pid,) = started_pids(layout)
    assert b"canary" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_load_when_the_record_is_damaged_then_the_message_names_it(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")

    with pytest.raises(StackError, match=r"stack\.json, cannot be read"):
        RunRecord.load(tmp_path)
