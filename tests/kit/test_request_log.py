import logging
from pathlib import Path

import pytest

from tests.kit.conftest import RecordedTelemetry
from tests.kit.web import Web


@pytest.fixture
def web(tmp_path: Path, telemetry: RecordedTelemetry) -> Web:
    return Web(tmp_path, telemetry)


def _lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "services.requests"]


def test_request_when_served_then_one_line_tells_route_status_and_caller(
    web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    web.client().get("/orders/7?secret=canary", auth=web.signed())

    (line,) = _lines(caplog)
    assert line.getMessage().startswith("GET /orders/{order_id} answered 200 in ")
    assert line.__dict__["fields"]["caller"] == "tester"
    assert "canary" not in str(line.__dict__)


def test_request_when_its_path_is_unknown_then_the_line_does_not_repeat_it(
    web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    web.client().get("/canary", auth=web.signed())

    (line,) = _lines(caplog)
    assert line.getMessage().startswith("GET unmatched answered 404 in ")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_request_when_a_machine_asks_for_health_then_there_is_no_line(
    web: Web, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(logging.INFO)
    web.client().get(path)

    assert _lines(caplog) == []
