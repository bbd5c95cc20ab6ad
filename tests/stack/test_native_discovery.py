"""Programs are believed by what they say of themselves, not by their name; missing ones may be fetched."""

import configparser
import stat
import sys
from pathlib import Path

import pytest
from supervisor.datatypes import dict_of_key_value_pairs

from services.console.stack import debian, preparing
from services.console.stack.discovery import Found, discover, search_path
from services.console.stack.errors import StackError
from services.console.stack.inventory import ALERTMANAGER, COMPONENTS, LOKI, MAIL, NATS, PROMETHEUS
from services.console.stack.plan import make_plan
from services.console.stack.supervisor_config import render
from tests.stack.native_parts import RecordingProgress, component, layout_in, write_program


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_discover_when_loki_is_a_genetics_program_then_it_is_not_believed(tmp_path: Path) -> None:
    write_program(tmp_path, "loki", says="Loki 2.4.7_4 - linkage analysis of quantitative traits")

    discovery = discover([LOKI], [tmp_path])

    (absent,) = discovery.absent
    assert absent.reason.startswith(f"{tmp_path / 'loki'} is another program")


def test_discover_when_loki_is_loki_then_it_is_found_with_its_version(tmp_path: Path) -> None:
    write_script(tmp_path / "loki", "#!/bin/sh\necho 'loki, version 3.7.4 (branch: HEAD, revision: abc)'\n")

    (found,) = discover([LOKI], [tmp_path]).found

    assert found.version == "loki, version 3.7.4"


def test_discover_when_an_impostor_comes_first_on_the_path_then_the_real_one_behind_it_is_found(tmp_path: Path) -> None:
    write_program(tmp_path / "first", "loki", says="Loki, linkage analysis")
    write_program(tmp_path / "second", "loki", says="loki, version 3.7.4")

    (found,) = discover([LOKI], [tmp_path / "first", tmp_path / "second"]).found

    assert found.program == tmp_path / "second" / "loki"


def test_discover_when_alertmanager_has_debians_name_then_it_is_found(tmp_path: Path) -> None:
    write_program(tmp_path, "prometheus-alertmanager", says="alertmanager, version 0.25.0")

    (found,) = discover([ALERTMANAGER], [tmp_path]).found

    assert found.program.name == "prometheus-alertmanager"


def test_discover_when_a_program_cannot_be_run_then_it_is_absent(tmp_path: Path) -> None:
    write_script(tmp_path / "loki", "#!/does/not/exist\n")

    assert discover([LOKI], [tmp_path]).found == ()


def test_discover_when_nothing_is_there_then_each_absence_says_what_to_do() -> None:
    absent = discover([NATS, PROMETHEUS], []).absent

    assert [item.component.name for item in absent] == ["nats", "prometheus"]
    assert all(item.remedy for item in absent)


def test_discover_when_a_component_is_a_module_then_this_environment_has_it() -> None:
    (found,) = discover([MAIL], []).found

    assert found.program == Path(sys.executable)


def test_search_path_when_tools_were_unpacked_then_path_comes_before_them(tmp_path: Path) -> None:
    layout = layout_in(tmp_path)

    directories = search_path(layout, "/usr/local/bin:/usr/bin")

    assert directories[1:3] == (Path("/usr/local/bin"), Path("/usr/bin"))
    assert directories[-1] == layout.tools_dir / "usr" / "bin"


def test_prepare_when_a_required_component_is_missing_then_nothing_is_planned(tmp_path: Path) -> None:
    part = component("sightline-test-bus", 1)

    with pytest.raises(StackError, match="sightline-test-bus: sightline-test-bus is not on PATH") as caught:
        preparing.prepare_plan([part], layout_in(tmp_path), RecordingProgress(), may_fetch=False, service_settings={})

    assert caught.value.remedy == "write sightline-test-bus anew"


def test_prepare_when_an_optional_component_is_missing_then_it_says_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    progress = RecordingProgress()

    plan = preparing.prepare_plan(
        [PROMETHEUS, MAIL], layout_in(tmp_path), progress, may_fetch=False, service_settings={}
    )

    assert [process.name for process in plan.processes] == ["mail"]
    assert progress.notes == ["without prometheus (prometheus is not on PATH), lost: metrics and alerts"]


def test_prepare_when_debian_has_the_packages_then_they_are_unpacked_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, progress = layout_in(tmp_path), RecordingProgress()
    pretend_debian(tmp_path, monkeypatch)

    plan = preparing.prepare_plan([PROMETHEUS], layout, progress, may_fetch=True, service_settings={})

    (process,) = plan.processes
    assert process.command[0] == str(layout.tools_dir / "usr" / "bin" / "prometheus")
    assert progress.notes == [
        f"fetching Debian's prometheus into {layout.tools_dir} (the system stays as it is)",
    ]


def test_prepare_when_fetching_fails_then_it_says_so_and_goes_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = RecordingProgress()
    pretend_debian(tmp_path, monkeypatch)
    write_script(tmp_path / "bin" / "apt-get", "#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")

    plan = preparing.prepare_plan([PROMETHEUS], layout_in(tmp_path), progress, may_fetch=True, service_settings={})

    assert plan.processes == ()
    assert progress.notes[1] == "could not fetch prometheus: `apt-get ... prometheus` failed: E: no network"


def pretend_debian(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Debian whose apt-get leaves an archive, whose dpkg-deb puts a prometheus where it is told."""
    (directory / "os-release").write_text("ID=linuxmint\nID_LIKE=debian\n")
    (directory / "lists").mkdir()
    (directory / "lists" / "main_Packages").write_text("")
    monkeypatch.setattr(debian.is_debian, "__defaults__", (directory / "os-release",))
    monkeypatch.setattr(debian.fetch, "__kwdefaults__", {"package_lists": directory / "lists"})
    write_script(directory / "bin" / "apt-get", "#!/bin/sh\n: > prometheus_2.42_amd64.deb\n")
    write_script(
        directory / "bin" / "dpkg-deb",
        '#!/bin/sh\n/bin/mkdir -p "$3/usr/bin"\n'
        'printf "#!/bin/sh\\necho prometheus, version 2.42.0\\n" > "$3/usr/bin/prometheus"\n'
        '/bin/chmod +x "$3/usr/bin/prometheus"\n',
    )
    monkeypatch.setenv("PATH", str(directory / "bin"))


def test_fetch_when_package_lists_are_empty_and_we_are_not_root_then_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="package lists are empty") as caught:
        debian.fetch(["prometheus"], tmp_path / "tools", as_root=False, package_lists=tmp_path / "none")

    assert caught.value.remedy == "run `apt-get update` as root"


def test_is_debian_when_it_is_another_system_then_nothing_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text('ID="fedora"\n')

    assert debian.is_debian(tmp_path / "os-release") is False


def test_render_when_a_path_holds_a_blank_and_a_percent_sign_then_the_supervisor_reads_it_back(tmp_path: Path) -> None:
    layout = layout_in(tmp_path / "50% of it")
    discovery = discover(COMPONENTS, search_path(layout))

    text = render(make_plan(discovery.found, layout, known=COMPONENTS, settings={}))

    assert "50%% of it" in text
    assert "50% of" not in text


def rendered_with(directory: Path, value: str) -> str:
    """The supervisor's file of one service that is given a setting."""
    part = component("page", 8000, service=True)
    found = Found(component=part, program=Path("/bin/true"), version="")
    settings = {"SIGHTLINE_LIST": value}
    return render(make_plan([found], layout_in(directory), known=[part], settings=settings))


def test_render_when_a_setting_is_a_list_in_json_then_the_supervisor_reads_it_as_it_was_given(tmp_path: Path) -> None:
    given = '["venue", "two words, and more"]'
    written = configparser.RawConfigParser()

    written.read_string(rendered_with(tmp_path, given))

    assert dict_of_key_value_pairs(written["program:page"]["environment"])["SIGHTLINE_LIST"] == given


@pytest.mark.parametrize("value", ['it\'s "both"', '"quoted"', "two\nlines", "a ;comment"])
def test_render_when_a_setting_cannot_be_carried_then_it_is_refused_in_words(tmp_path: Path, value: str) -> None:
    with pytest.raises(StackError, match="SIGHTLINE_LIST holds"):
        rendered_with(tmp_path, value)


def test_render_when_a_path_holds_a_quote_then_it_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot carry"):
        render(make_plan([], layout_in(tmp_path / 'a"b'), known=(), settings={}))


def test_layout_when_the_path_is_long_then_the_socket_lies_in_a_private_place(tmp_path: Path) -> None:
    deep = layout_in(tmp_path / ("d" * 120))
    other = layout_in(tmp_path / ("e" * 120))

    assert len(str(deep.socket)) < 100
    assert deep.socket != other.socket
