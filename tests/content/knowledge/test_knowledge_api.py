"""The knowledge base over HTTP: who may ask, and what is answered."""

from pathlib import Path

import pytest

from services.content.api import knowledge_router
from services.contracts.knowledge import EntryList, EntryView, GapList, MatchAnswer, SearchAnswer
from tests.content.knowledge.conftest import House
from tests.kit.fuzzing import Case, Signing, ask_everything
from tests.kit.running import served
from tests.kit.web import AppClient, Web


class Front:
    """The application over a house, and who may ask it."""

    def __init__(self, house: House, directory: Path) -> None:
        self.web = Web(directory, house.telemetry)
        self.app = self.web.app([knowledge_router(house.opened())], fixed_tokens={})

    def client(self, *scopes: str) -> AppClient:
        self.web.allow("tester", self.web.key, *scopes)
        return AppClient(self.app, auth=self.web.signed())


@pytest.fixture
def front(house: House, tmp_path: Path) -> Front:
    house.shelf.put("stuck-valve", "Turn it.", title="A stuck valve", kind="error_signature", regex="valve is stuck")
    return Front(house, tmp_path)


def test_entries_when_asked_then_each_way_to_them_answers(front: Front) -> None:
    client = front.client("knowledge:read")
    assert [each.id for each in EntryList.model_validate_json(client.get("/knowledge").content).entries] == [
        "stuck-valve"
    ]
    assert EntryView.model_validate_json(client.get("/knowledge/stuck-valve").content).body == "Turn it.\n"
    found = SearchAnswer.model_validate_json(client.get("/knowledge/search?q=valve").content)
    assert [hit.entry.id for hit in found.hits] == ["stuck-valve"]


def test_match_when_posted_then_hits_and_gaps_come_back(front: Front) -> None:
    client = front.client("knowledge:read")
    known = MatchAnswer.model_validate_json(client.post("/knowledge/match", json={"text": "Valve is stuck"}).content)
    strange = MatchAnswer.model_validate_json(client.post("/knowledge/match", json={"text": "odd"}).content)
    listed = GapList.model_validate_json(client.get("/knowledge/gaps").content)
    assert known.matches[0].entry_id == "stuck-valve"
    assert [gap.id for gap in listed.gaps] == [strange.gap_id]


@pytest.mark.parametrize(
    ("path", "status"), [("/knowledge/gone", 404), ("/knowledge/search", 422), ("/knowledge/gaps?limit=0", 422)]
)
def test_question_when_it_leads_nowhere_then_the_problem_says_why(front: Front, path: str, status: int) -> None:
    answer = front.client("knowledge:read").get(path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_caller_when_the_scope_is_missing_then_nothing_is_told(front: Front) -> None:
    assert front.client("telemetry:read").get("/knowledge").status_code == 403


def as_drawn(_label: str, _case: Case) -> None:
    """Nothing has to be made to fit."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_knowledge_when_asked_all_sorts_of_things_then_it_answers_as_it_describes_and_never_fails(front: Front) -> None:
    front.client("knowledge:read")
    signed = front.web.signed()
    with served(front.app) as url:
        seen = ask_everything(url, Signing(signed.signer, signed.audience), fit=as_drawn, examples=25)
    assert {label: statuses for label, statuses in seen.items() if max(statuses) >= 500} == {}
    assert seen["POST /knowledge/match"] >= {200, 422}
