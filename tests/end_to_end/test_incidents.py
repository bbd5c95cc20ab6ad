"""A venue that refuses, on a running platform: an incident opens, is acted upon, and ends with its cause."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.contracts.incidents import IncidentList, IncidentStatus, IncidentView
from services.contracts.sessions import SessionList
from tests.end_to_end.conftest import Platform, eventually, native_platform

pytestmark = [pytest.mark.needs("prometheus", "nats-server"), pytest.mark.slow, pytest.mark.timeout(600)]

VENUE = "alpha"


@contextmanager
def refusing(platform: Platform) -> Iterator[None]:
    """The venue answers every request with 403, and closes its streams."""
    faults = [{"fault": "forbidden", "count": None}, {"fault": "disconnect", "count": None}]
    planned = platform.call("POST", f"/venues/{VENUE}/faults", service="venue", body={"faults": faults})
    assert planned.status_code < 300, planned.text
    try:
        yield
    finally:
        platform.call("DELETE", f"/venues/{VENUE}/faults", service="venue")


@pytest.fixture
def platform() -> Iterator[Platform]:
    """One of its own: what is brought about here has aftermaths."""
    with native_platform("--without-strategies", SIGHTLINE_PAPER_BAR_SECONDS="1") as running:
        yield running


def unblock(platform: Platform) -> None:
    """Be the person who opens accounts again: one is closed when its keys were refused as often as is allowed."""
    listed = SessionList.model_validate_json(platform.ask("/sessions", service="auth").content)
    for session in listed.sessions:
        if session.block_reason is not None:
            assert platform.run("auth", "unblock", session.account).returncode == 0


def incidents(platform: Platform) -> list[IncidentView]:
    """Those about the venue or its account, the newest first."""
    answer = platform.ask("/incidents", service="automation")
    assert answer.status_code == 200, answer.text
    listed = IncidentList.model_validate_json(answer.content).incidents
    return [each for each in listed if VENUE in each.target]


def ended(platform: Platform, incident_id: str) -> IncidentView:
    """The incident at its end; a failure shows how far it came."""
    found: IncidentView | None = None

    def look() -> IncidentView | None:
        nonlocal found
        unblock(platform)
        answer = platform.ask(f"/incidents/{incident_id}", service="automation")
        found = IncidentView.model_validate_json(answer.content)
        return found if found.status.over else None

    try:
        return eventually(look, within_seconds=180, what="end of the incident")
    except pytest.fail.Exception as failed:
        shown = [platform.run(command).stdout for command in ("trading", "runs", "approvals")]
        pytest.fail("\n".join([str(failed), str(found), *shown]))


def test_a_venue_that_refuses_is_acted_upon_and_the_incident_ends_with_it(platform: Platform) -> None:
    eventually(lambda: platform.run("trading").returncode == 0, within_seconds=60, what="ready venue")

    with refusing(platform):
        acted = eventually(
            lambda: next((each for each in incidents(platform) if each.actions), None),
            within_seconds=120,
            what="incident that was acted upon",
        )
    assert acted.run_ids

    incident = ended(platform, acted.incident_id)
    statuses = [change.status for change in incident.changes]
    assert statuses[0] is IncidentStatus.OPENED
    assert IncidentStatus.RESOLVED in statuses, incident.changes
    eventually(lambda: platform.run("trading").returncode == 0, within_seconds=60, what="ready venue")

    shown = platform.run("incidents", incident.incident_id)
    assert incident.title in shown.stdout, shown.stderr

    def told() -> bool:
        mails = [path.read_text(errors="replace") for path in (platform.data_dir / "mail" / "new").glob("*")]
        return any(incident.incident_id in mail.replace("=\n", "") for mail in mails)

    eventually(told, within_seconds=60, what="mail about the incident's end")
