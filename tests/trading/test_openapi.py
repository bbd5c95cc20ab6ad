"""The whole API, asked whatever its own description allows and forbids: it never fails."""

from pathlib import Path

import pytest

from services.kit.database import Database
from telemetry.emit.metrics import Metrics
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock
from tests.kit.fuzzing import Case, Signing, ask_everything
from tests.kit.running import served
from tests.trading.desk.support import VERSIONS, DeskHouse
from tests.trading.front import Front


def with_a_ticket_that_fits(label: str, case: Case) -> None:
    if label == "POST /orders":
        # The description cannot say which prices go with which type of order: an order of the market fits by itself.
        drawn = case.body["ticket"]
        case.body = {"ticket": {"symbol": drawn["symbol"], "side": drawn["side"], "quantity": "3"}}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_trading_when_asked_all_sorts_of_things_then_it_answers_as_it_describes_and_never_fails(
    tmp_path: Path,
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'trading.db'}", service="trading", versions=(VERSIONS,))
    database.migrate()
    front = Front(DeskHouse(database).start(), tmp_path, RecordedTelemetry(Metrics(_TelemetryClock())))
    signed = front.web.signed()
    with served(front.app) as url:
        signing = Signing(signed.signer, signed.audience)
        seen = ask_everything(url, signing, fit=with_a_ticket_that_fits, examples=25)
    database.close()
    assert {label: statuses for label, statuses in seen.items() if max(statuses) >= 500} == {}
    # Or the test would only have shown that strangers are refused.
    assert seen["GET /state"] == {200}
    assert seen["POST /orders"] >= {200, 422}
    assert seen["POST /halt"] >= {200, 422}
