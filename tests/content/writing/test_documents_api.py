"""Documents over HTTP: who may ask, and what is answered."""

from pathlib import Path

import pytest

from services.content.writing.api import document_router
from services.content.writing.problems import SETTLED_SECONDS
from services.contracts.documents import DocumentList, DocumentStatus, DocumentView
from tests.content.writing.conftest import INCIDENT, ORDERS, House, incident
from tests.kit.web import AppClient, Web

DOCUMENT = f"postmortem-{INCIDENT}"
BOTH = ("documents:read", "documents:write")


class Front:
    """The application over a house, and who may ask it."""

    def __init__(self, house: House, directory: Path) -> None:
        self.web = Web(directory, house.telemetry)
        self.app = self.web.app([document_router(house.desk)], fixed_tokens={})

    def client(self, *scopes: str) -> AppClient:
        self.web.allow("tester", self.web.key, *scopes)
        return AppClient(self.app, auth=self.web.signed())


@pytest.fixture
def front(house: House, tmp_path: Path) -> Front:
    house.log(*ORDERS)
    house.hear(*incident())
    house.clock.advance(SETTLED_SECONDS)
    return Front(house, tmp_path)


def test_documents_when_written_then_they_are_listed_shown_and_reviewed(front: Front) -> None:
    client = front.client(*BOTH)
    made = client.post("/documents", json={"kind": "postmortem", "incident_id": INCIDENT})
    assert made.json()["id"] == DOCUMENT
    listed = DocumentList.model_validate_json(client.get("/documents").content).documents
    assert [(each.id, each.status) for each in listed] == [(DOCUMENT, DocumentStatus.DRAFT)]
    moved = client.post(f"/documents/{DOCUMENT}/review", json={"status": "in_review"})
    assert DocumentView.model_validate_json(moved.content).reviewer == "tester"


def test_document_when_asked_as_a_page_then_it_is_one_that_may_load_and_run_nothing(front: Front) -> None:
    client = front.client(*BOTH)
    client.post("/documents", json={"incident_id": INCIDENT})
    page = client.get(f"/documents/{DOCUMENT}?format=html")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].endswith("sandbox")
    assert page.text.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("body", "status"),
    [({"incident_id": "gone"}, 503), ({}, 422), ({"kind": "digest", "incident_id": "x"}, 422), ({"kind": "odd"}, 422)],
)
def test_request_when_it_cannot_be_served_then_the_problem_says_why(
    front: Front, body: dict[str, str], status: int
) -> None:
    answer = front.client(*BOTH).post("/documents", json=body)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_caller_when_the_scope_is_missing_then_nothing_is_told_or_done(front: Front) -> None:
    reader = front.client("documents:read")
    assert reader.post("/documents", json={"incident_id": INCIDENT}).status_code == 403
    assert reader.post(f"/documents/{DOCUMENT}/review", json={"status": "draft"}).status_code == 403
    assert front.client("knowledge:read").get("/documents").status_code == 403
