"""The `sightline` command: words, exit codes, no traceback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.console.cli import build, run
from services.console.commands.context import OperatorSettings
from services.console.stack.components import Component
from services.console.stack.inventory import COMPONENTS
from services.console.stack.layout import Layout, checkout
from services.console.stack.record import RunRecord
from services.kit.clock import SystemClock
from telemetry.emit.clock import SystemClock as TelemetryClock
from telemetry.records import LogEntry, SpanEntry, SpanLink
from telemetry.sinks.embedded import EmbeddedStore
from tests.stack.native_parts import DIES, component, layout_in, write_program

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 1_000_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "b7ad6b7169203331"
CHILD = "00f067aa0ba902b7"


class FixedClock(SystemClock):
    """Always the same moment of the day."""

    def now(self) -> datetime:
        return NOW


class FixedTime:
    """The same for the telemetry's side."""

    def time_ns(self) -> int:
        return NOW_NS


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_in(tmp_path)


@pytest.fixture
def app(layout: Layout) -> Callable[..., typer.Typer]:
    def make(components: Sequence[Component] = (), **variables: str) -> typer.Typer:
        environ = {"SIGHTLINE_DATA_DIR": str(layout.data_dir), **variables}
        return build(components, FixedClock(), environ)

    return make


@pytest.fixture
def no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Docker is found, whatever this machine has."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def stored(layout: Layout) -> None:
    """One trace over two spans with two lines, and one line outside."""
    store = EmbeddedStore(layout.telemetry_file, service_name="automation", env="local", clock=FixedTime())
    logs, spans = store.log_sink(), store.span_sink()
    logs.send(
        [
            LogEntry(NOW_NS - 60_000_000_000, "info", "services.pipeline", "began", "", "", ()),
            LogEntry(NOW_NS - 9_000_000, "info", "services.pipeline", "alert taken in", TRACE, SPAN, (("alert", "X"),)),
            LogEntry(NOW_NS - 4_000_000, "warning", "services.pipeline", "disk is slow", TRACE, CHILD, ()),
        ]
    )
    spans.send([span(SPAN, "", "POST /alertmanager", 10), span(CHILD, SPAN, "store alert", 5)])
    logs.close()
    spans.close()


def span(span_id: str, parent: str, name: str, ago_milliseconds: int) -> SpanEntry:
    return SpanEntry(
        trace_id=TRACE,
        span_id=span_id,
        parent_span_id=parent,
        name=name,
        kind="server",
        service_name="automation",
        start_ns=NOW_NS - ago_milliseconds * 1_000_000,
        end_ns=NOW_NS - 1_000_000,
        status="error" if parent else "unset",
        status_message="disk full" if parent else "",
        attributes={},
        events=(),
        links=(SpanLink(OTHER_TRACE, SPAN, {}),) if not parent else (),
    )


def invoke(app: typer.Typer, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    return result.exit_code, result.output


def test_help_when_asked_then_every_command_has_words(app: Callable[..., typer.Typer]) -> None:
    code, output = invoke(app(), "--help")

    assert code == 0
    for command in ("up", "down", "status", "logs", "trace", "alerts", "dead-letters", "doctor", "auth", "preflight"):
        assert invoke(app(), command, "--help")[0] == 0
        assert f" {command} " in output


def test_help_when_the_settings_are_wrong_then_it_is_shown_all_the_same(app: Callable[..., typer.Typer]) -> None:
    assert invoke(app(SIGHTLINE_PORT_OFFSET="many"), "up", "--help")[0] == 0


def test_status_when_nothing_runs_then_it_says_so_with_code_3(app: Callable[..., typer.Typer]) -> None:
    assert invoke(app(), "status") == (3, "not running; `sightline up` starts it\n")


def test_status_when_nothing_runs_and_json_is_wanted_then_it_is_json(app: Callable[..., typer.Typer]) -> None:
    code, output = invoke(app(), "status", "--json")

    assert code == 3
    assert json.loads(output)["mode"] == "stopped"


def test_down_when_nothing_runs_then_that_is_well(app: Callable[..., typer.Typer]) -> None:
    assert invoke(app(), "down") == (0, "nothing was running\n")


def test_up_status_down_when_run_in_turn_then_each_tells_the_state(
    app: Callable[..., typer.Typer], tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(tmp_path / "bin", "bus")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    command = app([component("bus", free_port())])

    up_code, up_output = invoke(command, "up", "--native")
    status_code, status_output = invoke(command, "status", "--json")
    down_code, down_output = invoke(command, "down")

    assert (up_code, status_code, down_code) == (0, 0, 0)
    assert "bus            ready in" in up_output
    status = json.loads(status_output)
    assert (status["mode"], status["well"], status["alerts"]) == ("native", True, None)
    assert status["components"][0]["memory_bytes"] > 0
    assert down_output.endswith("stopped; nothing is left running\n")


def test_run_when_a_component_dies_then_its_words_and_the_remedy_go_to_standard_error(
    app: Callable[..., typer.Typer],
    tmp_path: Path,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_program(tmp_path / "bin", "bus", behaviour=DIES)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    code = run(app([component("bus", free_port())]), ["up", "--native"])

    error = capsys.readouterr().err
    assert code == 1
    assert "the ledger cannot be opened" in error
    assert "sightline: bus ended while it was starting" in error
    assert "what to do: its whole output is in" in error
    assert "Traceback" not in error


@pytest.mark.usefixtures("no_docker")
@pytest.mark.parametrize(
    ("command_line", "code", "words"),
    [
        ("up --native --docker", 1, "exclude each other"),
        ("up --docker", 1, "Docker cannot be used: docker is not on PATH"),
        ("alerts", 1, "the platform does not run"),
        ("trace 12", 1, "a trace id is 32 hexadecimal digits"),
        ("logs --level loud", 1, "'loud' is not a level"),
        ("logs --since soon", 2, "'soon' is not a span of time"),
        ("fly", 2, "No such command 'fly'"),
    ],
)
def test_run_when_something_is_wrong_then_it_is_said_in_words(
    app: Callable[..., typer.Typer], capsys: pytest.CaptureFixture[str], command_line: str, code: int, words: str
) -> None:
    assert run(app(), command_line.split()) == code

    error = capsys.readouterr().err
    assert words in " ".join(error.replace("│", " ").split())
    assert "Traceback" not in error


def test_run_when_a_setting_is_misspelt_then_the_right_one_is_named(
    app: Callable[..., typer.Typer], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app(SIGHTLINE_PORT_OFSET="1"), ["status"]) == 2

    assert "did you mean SIGHTLINE_PORT_OFFSET?" in capsys.readouterr().err


@pytest.mark.usefixtures("stored")
def test_logs_when_asked_then_lines_come_oldest_first_with_fields_and_trace(app: Callable[..., typer.Typer]) -> None:
    code, output = invoke(app(), "logs")

    assert code == 0
    assert output.splitlines() == [
        "2026-03-04 11:59:00.000 info     automation services.pipeline: began",
        f"2026-03-04 11:59:59.991 info     automation services.pipeline: alert taken in alert=X trace={TRACE}",
        f"2026-03-04 11:59:59.996 warning  automation services.pipeline: disk is slow trace={TRACE}",
    ]


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--since", "30s"], ["alert taken in", "disk is slow"]),
        (["--level", "WARNING"], ["disk is slow"]),
        (["--grep", "slow"], ["disk is slow"]),
        (["--trace", TRACE], ["alert taken in", "disk is slow"]),
        (["automation", "--limit", "1"], ["disk is slow"]),
        (["console"], []),
    ],
)
def test_logs_when_narrowed_then_only_those_lines_come(
    app: Callable[..., typer.Typer], arguments: list[str], lines: list[str]
) -> None:
    code, output = invoke(app(), "logs", "--json", *arguments)

    assert code == 0
    assert [json.loads(line)["line"] for line in output.splitlines()] == lines


@pytest.mark.usefixtures("stored")
def test_trace_when_it_is_known_then_spans_and_lines_come_as_one_tree(app: Callable[..., typer.Typer]) -> None:
    code, output = invoke(app(), "trace", TRACE.upper())

    assert code == 0
    assert output.splitlines() == [
        f"trace {TRACE}  2 spans, automation, 9.00 ms, began 2026-03-04 11:59:59.990 UTC",
        "   +0.0 ms  POST /alertmanager  automation  9.00 ms",
        f"              linked to: sightline trace {OTHER_TRACE}",
        "   +1.0 ms    info alert taken in alert=X",
        "   +5.0 ms    store alert  automation  4.00 ms  error: disk full",
        "   +6.0 ms      warning disk is slow",
    ]


@pytest.mark.usefixtures("stored")
def test_trace_when_it_is_unknown_then_it_says_that_telemetry_may_lag(
    app: Callable[..., typer.Typer], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app(), ["trace", OTHER_TRACE]) == 1

    error = capsys.readouterr().err
    assert f"nothing of trace {OTHER_TRACE} is stored" in error
    assert "try again shortly" in error


@pytest.mark.usefixtures("stored")
def test_logs_when_followed_then_a_new_line_comes_and_ctrl_c_ends_it(layout: Layout) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    with subprocess.Popen(
        [sys.executable, "-m", "services.console.cli", "logs", "--follow", "--since", "1m"],
        env={**environ, "SIGHTLINE_DATA_DIR": str(layout.data_dir), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        store = EmbeddedStore(layout.telemetry_file, service_name="console", env="local", clock=TelemetryClock())
        sink = store.log_sink()
        sink.send([LogEntry(TelemetryClock().time_ns(), "info", "services.page", "a new line", "", "", ())])
        sink.close()
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
    assert line.endswith("console services.page: a new line\n")


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("module", ["typer", "services.console.commands.context", "services.console.commands.running"])
def test_ctrl_c_when_the_command_is_still_being_imported_then_it_is_answered_in_words(
    module: str, layout: Layout
) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    told: list[str] = []
    with subprocess.Popen(
        # Python names on standard error each module that it has imported, which tells how far it is.
        [sys.executable, "-X", "importtime", "-m", "services.console.entry", "logs", "--follow"],
        env={**environ, "SIGHTLINE_DATA_DIR": str(layout.data_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            told.append(line)
            if line.rpartition("|")[2].strip() == module:
                process.send_signal(signal.SIGINT)
                break
        told += process.stderr.readlines()
        assert process.wait(timeout=10) == 130
    said = [line for line in told if not line.startswith("import time:")]
    assert said == ["sightline: interrupted\n"]


def test_ctrl_c_when_the_shell_has_it_ignored_then_the_command_goes_on() -> None:
    script = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.argv = ['sightline', '--help'];"
    kept = "from services.console.entry import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
    shown = "sys.stderr.write(str(signal.getsignal(signal.SIGINT) is signal.SIG_IGN))"
    done = subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-c", f"{script}\n{kept}{shown}"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stderr == "True"


def test_status_when_the_supervisor_is_gone_then_that_is_said(
    app: Callable[..., typer.Typer], layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    layout.run_dir.mkdir(parents=True)
    RunRecord(mode="native").save(layout.run_dir)

    assert run(app(), ["status"]) == 1

    assert "its supervisor is gone" in capsys.readouterr().err


def test_up_when_the_data_directory_cannot_be_made_then_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    assert run(build((), FixedClock(), {"SIGHTLINE_DATA_DIR": str(tmp_path / "file" / "var")}), ["up", "--native"]) == 1

    error = capsys.readouterr().err
    assert f"{tmp_path / 'file' / 'var'}" in error
    assert "Traceback" not in error


def test_doctor_when_a_required_part_is_missing_then_its_code_is_1(app: Callable[..., typer.Typer]) -> None:
    code, output = invoke(app([component("sightline-test-bus", 1)]), "doctor")

    assert code == 1
    assert "to be put right first: " in output
    assert output.rstrip().endswith("sightline-test-bus"), output


def test_docs_when_read_then_every_command_option_setting_and_port_is_in_them() -> None:
    # Research commands have many options, and a page each.
    pages = ("running", "backtesting", "tuning", "market-data")
    text = "".join((checkout() / "docs" / f"{page}.md").read_text() for page in pages)
    group = typer.main.get_command(build(()))
    options = {
        option
        for command in group.commands.values()  # type: ignore[attr-defined]
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option not in {"--help", "--fetch"}
    }
    commands = {f"sightline {name}" for name in group.commands}  # type: ignore[attr-defined]
    ports = {str(port) for part in COMPONENTS for port in part.ports.values()}

    wanted = commands | options | set(OperatorSettings.variables()) | ports
    assert sorted(word for word in wanted if word not in text) == []
