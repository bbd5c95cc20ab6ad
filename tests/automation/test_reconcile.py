import httpx
import pytest

from services.automation.reconcile import AlertmanagerAwayError, AlertmanagerSource


def _source(answer: httpx.Response | Exception) -> AlertmanagerSource:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v2/alerts"
        if isinstance(answer, Exception):
            raise answer
        return answer

    return AlertmanagerSource("http://alertmanager:9093", transport=httpx.MockTransport(handle))


def test_active_when_alertmanager_answers_then_all_fingerprints_are_there() -> None:
    listed = [{"fingerprint": "aa", "status": {"state": "suppressed"}}, {"fingerprint": "bb", "labels": {}}]
    assert _source(httpx.Response(200, json=listed)).active() == {"aa", "bb"}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[{"fingerprint": ""}]),
        httpx.ConnectError("nobody listens"),
        httpx.ReadTimeout("too slow"),
    ],
    ids=["failure", "no json", "no fingerprint", "away", "slow"],
)
def test_active_when_there_is_no_list_then_nothing_is_concluded(answer: httpx.Response | Exception) -> None:
    with pytest.raises(AlertmanagerAwayError):
        _source(answer).active()
