"""Preflight over HTTP."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from services.auth.preflight.api import preflight_router
from services.auth.preflight.table import standard_checks
from services.contracts.preflight import PreflightView, RevocationView
from services.contracts.verdict import VerdictRevokedError
from services.kit.limits import RateLimiter
from tests.auth.preflight.sights import ACCOUNT, DIGEST, FakeSights, sights
from tests.auth.preflight.test_runner import Desk
from tests.auth.support import House
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry
from tests.kit.conftest import telemetry as telemetry  # noqa: PLC0414 -- a fixture, used by its name
from tests.kit.web import Web

ASKED = {"environment": "live", "settings_digest": DIGEST}


class Front:
    """The router with a caller who may run preflights."""

    def __init__(self, desk: Desk, directory: Path, telemetry: RecordedTelemetry, scopes: tuple[str, ...]) -> None:
        self.desk = desk
        self.web = Web(directory, telemetry)
        self.web.allow("tester", self.web.key, *scopes)
        self.limiter = RateLimiter(desk.house.database, desk.clock, telemetry.metrics)
        self.limiter.declare(["preflight"])

    def ask(self, method: str, path: str, fake: FakeSights | None = None, **options: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        checks = standard_checks(sights(fake or FakeSights()), self.desk.clock)
        client = self.web.client([preflight_router(self.desk.preflight(*checks))])
        client.app.state.limiter = self.limiter
        client.auth = self.web.signed()
        return client.request(method, path, **options)


@pytest.fixture
def desk(house: House, clock: FakeClock) -> Desk:
    return Desk(house, clock)


@pytest.fixture
def front(desk: Desk, tmp_path: Path, telemetry: RecordedTelemetry) -> Front:
    return Front(desk, tmp_path, telemetry, ("preflight:run", "auth:operate"))


def test_preflight_when_all_is_well_then_the_verdict_is_handed_out(front: Front) -> None:
    view = PreflightView.model_validate(front.ask("GET", f"/preflight/{ACCOUNT}", params=ASKED).json())
    assert view.passed
    assert len(view.checks) == 16
    assert view.verdict is not None
    front.desk.verify(view.verdict)
    assert view.verdict not in repr(view)


def test_preflight_when_a_check_fails_then_it_is_told_why_and_what_to_do(front: Front) -> None:
    answer = front.ask("GET", f"/preflight/{ACCOUNT}", FakeSights(sealed=True), params=ASKED)
    view = PreflightView.model_validate(answer.json())
    assert (answer.status_code, view.passed, view.verdict) == (200, False, None)
    assert (view.checks[0].outcome, view.checks[0].why) == ("fail", "The vault is sealed.")
    assert "sightline auth unseal" in view.checks[0].remedy


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/preflight/nobody", ASKED, 404),
        (f"/preflight/{ACCOUNT}", {**ASKED, "environment": "play"}, 422),
        (f"/preflight/{ACCOUNT}", {**ASKED, "settings_digest": "ab"}, 422),
        (f"/preflight/{ACCOUNT}", {}, 422),
        ("/preflight/UPPER", ASKED, 422),
    ],
)
def test_preflight_when_the_question_is_wrong_then_it_is_refused(
    front: Front, path: str, params: dict[str, str], status: int
) -> None:
    assert front.ask("GET", path, params=params).status_code == status


def test_preflight_when_the_caller_may_not_then_it_is_refused(
    desk: Desk, tmp_path: Path, telemetry: RecordedTelemetry
) -> None:
    front = Front(desk, tmp_path, telemetry, ("auth:read",))
    assert front.ask("GET", f"/preflight/{ACCOUNT}", params=ASKED).status_code == 403
    assert front.ask("POST", f"/preflight/{ACCOUNT}/revoke", json={"reason": "x"}).status_code == 403


def test_preflight_when_asked_for_without_end_then_it_is_limited(front: Front) -> None:
    statuses = [front.ask("GET", "/preflight/nobody", params=ASKED).status_code for _ in range(61)]
    assert set(statuses[:60]) == {404}
    assert statuses[60] == 429


def test_revocation_when_asked_for_then_the_verdict_is_void(front: Front) -> None:
    view = PreflightView.model_validate(front.ask("GET", f"/preflight/{ACCOUNT}", params=ASKED).json())
    answer = front.ask("POST", f"/preflight/{ACCOUNT}/revoke", json={"reason": "keys were exchanged"})
    assert RevocationView.model_validate(answer.json()).revoked_at == front.desk.clock.now()
    assert view.verdict is not None
    with pytest.raises(VerdictRevokedError):
        front.desk.verify(view.verdict)


@pytest.mark.parametrize("reason", ["", "x" * 201, "a\nb", "a\x00b"])
def test_revocation_when_its_reason_cannot_stand_in_a_log_line_then_it_is_refused(front: Front, reason: str) -> None:
    assert front.ask("POST", f"/preflight/{ACCOUNT}/revoke", json={"reason": reason}).status_code == 422
