"""From the table of components to a plan: look for them, fetch what may be fetched, say what is missing."""

import os
from collections.abc import Mapping, Sequence

from services.console.stack import debian
from services.console.stack.components import Component
from services.console.stack.discovery import Discovery, discover, search_path
from services.console.stack.errors import StackError
from services.console.stack.layout import Layout
from services.console.stack.plan import Plan, make_plan
from services.console.stack.progress import Progress


def prepare_plan(
    components: Sequence[Component],
    layout: Layout,
    progress: Progress,
    *,
    may_fetch: bool,
    service_settings: Mapping[str, str],
) -> Plan:
    """The plan of what can run here. Raises StackError when something is missing that the platform needs."""
    directories = search_path(layout)
    discovery = discover(components, directories)
    if may_fetch and _fetch(discovery, layout, progress):
        discovery = discover(components, directories)
    missing = discovery.missing_required()
    if missing:
        raise StackError(
            "; ".join(f"{absent.component.name}: {absent.reason}" for absent in missing),
            remedy="; ".join(sorted({absent.remedy for absent in missing})),
        )
    for absent in discovery.absent:
        progress.note(f"without {absent.component.name} ({absent.reason}), lost: {absent.component.lost}")
    return make_plan(discovery.found, layout, known=components, settings=service_settings)


def _fetch(discovery: Discovery, layout: Layout, progress: Progress) -> bool:
    packages = debian.wanted_packages(discovery)
    if not packages or not debian.is_debian():
        return False
    names = " and ".join(packages)
    progress.note(f"fetching Debian's {names} into {layout.tools_dir} (the system stays as it is)")
    try:
        debian.fetch(packages, layout.tools_dir, as_root=os.geteuid() == 0)
    except StackError as error:
        progress.note(f"could not fetch {names}: {error.message}" + (f"; {error.remedy}" if error.remedy else ""))
        return False
    return True
