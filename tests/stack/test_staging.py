"""Staged configuration is the committed one, but for the addresses of components."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from services.console.stack.discovery import Found
from services.console.stack.errors import StackError
from services.console.stack.inventory import (
    ALERTMANAGER,
    AUTOMATION,
    COMPONENTS,
    CONSOLE,
    LOKI,
    NATS,
    PROMETHEUS,
    TEMPO,
)
from services.console.stack.layout import Layout, checkout
from services.console.stack.plan import Plan, make_plan
from services.console.stack.staging import stage
from tests.stack.native_parts import layout_in

OFFSET = 1000


def plan_of(layout: Layout, *components: object) -> Plan:
    found = [
        Found(component=component, program=Path("/usr/bin/true"), version="1")
        for component in COMPONENTS
        if component in (components or COMPONENTS)
    ]
    return make_plan(found, layout, known=COMPONENTS, settings={})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_in(tmp_path, port_offset=OFFSET)


def test_stage_when_a_file_is_staged_then_it_differs_from_the_committed_one_in_addresses_alone(layout: Layout) -> None:
    staged = stage(plan_of(layout))
    hosts = [name for part in COMPONENTS for name in (part.name, *part.host_names)]
    components = re.compile(
        r"(?<![\w.-])(?:" + "|".join(map(re.escape, [*hosts, "127.0.0.1"])) + r"):(\d+)(?!\d)", re.ASCII
    )

    known = {port for part in COMPONENTS for port in part.ports.values()}

    def moved(match: re.Match[str]) -> str:
        return f"127.0.0.1:{int(match[1]) + OFFSET}" if int(match[1]) in known else match[0]

    for name, content in staged.files.items():
        if not name.startswith("prometheus/targets/"):
            assert content.decode() == components.sub(moved, (checkout() / name).read_text()), name


def test_stage_when_it_is_prometheus_own_file_then_not_a_byte_differs(layout: Layout) -> None:
    committed = (checkout() / "prometheus" / "prometheus.yml").read_bytes()

    assert stage(plan_of(layout)).files["prometheus/prometheus.yml"] == committed


def test_stage_when_there_is_no_offset_then_loki_and_tempo_listen_where_services_look(tmp_path: Path) -> None:
    plan = plan_of(layout_in(tmp_path), LOKI, TEMPO, AUTOMATION, NATS)
    (automation,) = [process for process in plan.processes if process.name == "automation"]

    assert automation.environment["SIGHTLINE_OTLP_URL"] == "http://127.0.0.1:4318"
    assert b"endpoint: 127.0.0.1:4318" in stage(plan).files["tempo/tempo.yml"]


def test_stage_when_alertmanager_is_staged_then_its_webhook_and_mail_go_to_this_platform(layout: Layout) -> None:
    text = stage(plan_of(layout)).files["prometheus/alertmanager.yml"].decode()

    assert "url: http://127.0.0.1:9710/alertmanager" in text
    assert "smtp_smarthost: 127.0.0.1:2025" in text


def test_stage_when_only_some_components_run_then_only_those_are_scraped(layout: Layout) -> None:
    files = stage(plan_of(layout, NATS, CONSOLE, PROMETHEUS)).files

    assert yaml.safe_load(files["prometheus/targets/sightline.yml"]) == [
        {"targets": ["127.0.0.1:9700"], "labels": {"service_name": "console", "env": "local"}}
    ]
    assert [group["labels"]["service_name"] for group in yaml.safe_load(files["prometheus/targets/stack.yml"])] == [
        "prometheus"
    ]
    assert yaml.safe_load(files["prometheus/targets/alertmanager.yml"]) == []


def test_stage_when_compose_lists_targets_then_a_native_run_writes_the_same_files(layout: Layout) -> None:
    committed = {f"prometheus/targets/{path.name}" for path in (checkout() / "prometheus" / "targets").iterdir()}
    written = {name for name in stage(plan_of(layout)).files if name.startswith("prometheus/targets/")}

    assert written == committed


def test_write_when_an_earlier_run_left_files_then_they_are_removed(layout: Layout) -> None:
    stale = layout.run_dir / "prometheus" / "rules" / "gone.yml"
    stale.parent.mkdir(parents=True)
    stale.write_text("groups: []")

    stage(plan_of(layout)).write(layout.run_dir)

    assert not stale.exists()


def test_write_when_it_is_repeated_then_secrets_are_left_alone(layout: Layout) -> None:
    layout.secrets_dir.mkdir(parents=True)
    (layout.secrets_dir / "nats_token").write_text("canary")
    staged = stage(plan_of(layout))

    staged.write(layout.run_dir)
    staged.write(layout.run_dir)

    assert (layout.run_dir / "nats" / "secrets" / "nats_token").read_text() == "canary"


def test_stage_when_the_checkout_is_not_one_then_it_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="holds none of the stack's configuration files") as caught:
        stage(plan_of(layout_in(tmp_path, root=tmp_path)))

    assert "make up" in caught.value.remedy


@pytest.mark.needs("promtool")
def test_check_when_everything_is_staged_then_prometheus_takes_it(layout: Layout) -> None:
    stage(plan_of(layout)).write(layout.run_dir)

    result = subprocess.run(  # noqa: S603 -- the program's own checker, on files that we wrote
        [shutil.which("promtool") or "", "check", "config", str(layout.run_dir / "prometheus" / "prometheus.yml")],
        capture_output=True,
        check=False,
        text=True,
    )

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.needs("amtool")
def test_check_when_everything_is_staged_then_alertmanager_takes_it(layout: Layout) -> None:
    stage(plan_of(layout, ALERTMANAGER)).write(layout.run_dir)

    result = subprocess.run(  # noqa: S603 -- the program's own checker, on files that we wrote
        [shutil.which("amtool") or "", "check-config", str(layout.run_dir / "prometheus" / "alertmanager.yml")],
        capture_output=True,
        check=False,
        text=True,
    )

    assert result.returncode == 0, result.stdout + result.stderr
