"""What reaches a service from the operator's environment."""

from pathlib import Path

import pytest

from services.automation.settings import AutomationSettings
from services.console.settings import ConsoleSettings
from services.console.stack.components import Component
from services.console.stack.discovery import Found
from services.console.stack.inventory import ALERTMANAGER, AUTOMATION, COMPONENTS, CONSOLE
from services.console.stack.plan import Plan, make_plan
from services.kit.service_settings import ServiceSettings
from tests.stack.native_parts import layout_in

OWN_SETTING = "SIGHTLINE_WATCHDOG_SILENCE_SECONDS"


def _plan(directory: Path, *components: Component, settings: dict[str, str] | None = None) -> Plan:
    found = [Found(component=each, program=Path("/usr/bin/true"), version="1") for each in components]
    return make_plan(found, layout_in(directory, port_offset=100), known=COMPONENTS, settings=settings or {})


def _environment(plan: Plan, component: Component) -> dict[str, str]:
    return dict(next(process.environment for process in plan.processes if process.component is component))


def test_plan_when_a_setting_belongs_to_one_service_then_no_other_gets_it(tmp_path: Path) -> None:
    plan = _plan(tmp_path, AUTOMATION, CONSOLE, settings={OWN_SETTING: "60", "SIGHTLINE_LOG_LEVEL": "DEBUG"})

    assert _environment(plan, AUTOMATION)[OWN_SETTING] == "60"
    assert OWN_SETTING not in _environment(plan, CONSOLE)
    assert {_environment(plan, each)["SIGHTLINE_LOG_LEVEL"] for each in (AUTOMATION, CONSOLE)} == {"DEBUG"}


def test_plan_when_a_peer_runs_then_its_address_is_handed_over(tmp_path: Path) -> None:
    alone, together = _plan(tmp_path, AUTOMATION), _plan(tmp_path, AUTOMATION, ALERTMANAGER)

    assert "SIGHTLINE_ALERTMANAGER_URL" not in _environment(alone, AUTOMATION)
    assert _environment(together, AUTOMATION)["SIGHTLINE_ALERTMANAGER_URL"] == "http://127.0.0.1:9193"


@pytest.mark.parametrize(("component", "settings"), [(AUTOMATION, AutomationSettings), (CONSOLE, ConsoleSettings)])
def test_component_when_its_service_has_settings_of_its_own_then_the_operator_can_give_them(
    component: Component, settings: type[ServiceSettings]
) -> None:
    own = set(settings.variables()) - set(ServiceSettings.variables())
    by_file_or_address = {name for name in own if name.endswith(("_FILE", "_URL"))}

    assert own - by_file_or_address == set(component.settings)
    assert set(component.peers) <= own
