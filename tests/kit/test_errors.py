"""The family of errors, and how each is told."""

import asyncio
import importlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.kit.errors import NotFoundError, RequestRefusedError, SightlineError, UnavailableError
from services.kit.problems import Problems, refusal_of
from telemetry.catalogue import REQUEST_REFUSALS
from tests.kit.conftest import RecordedTelemetry

ROOT = Path(__file__).parents[2]
REASONS = frozenset(REQUEST_REFUSALS.labels[0].values or ())


def family(root: type[SightlineError]) -> Iterator[type[SightlineError]]:
    for child in root.__subclasses__():
        yield child
        yield from family(child)


@pytest.fixture(scope="module")
def errors() -> list[type[SightlineError]]:
    for path in sorted((ROOT / "services" / "kit").glob("*.py")):
        importlib.import_module(f"services.kit.{path.stem}")
    return [error for error in dict.fromkeys(family(SightlineError)) if error.__module__.startswith("services.kit")]


def body_of(response: Any) -> dict[str, Any]:  # noqa: ANN401 -- a Starlette response
    found: dict[str, Any] = json.loads(response.body)
    return found


@pytest.fixture
def problems(telemetry: RecordedTelemetry) -> Problems:
    return Problems(telemetry.metrics)


def test_errors_when_defined_then_each_has_words_of_its_own(errors: list[type[SightlineError]]) -> None:
    for error in errors:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code), error
        assert error.title
        assert not error.title.endswith("."), error
        assert 400 <= error.status_code <= 599, error


def test_errors_when_they_share_a_code_then_one_is_the_others_parent(errors: list[type[SightlineError]]) -> None:
    shared = [code for code, count in Counter(error.code for error in errors).items() if count > 1]
    for code in shared:
        first, *others = [error for error in errors if error.code == code]
        assert all(issubclass(other, first) for other in others), code


def test_refusals_when_defined_then_their_reasons_are_those_of_the_catalogue(
    errors: list[type[SightlineError]],
) -> None:
    reasons = {error.reason for error in errors if issubclass(error, RequestRefusedError)}
    assert reasons | {"unhandled_error"} == REASONS


def test_documentation_when_it_lists_refusals_then_no_reason_is_missing() -> None:
    text = (ROOT / "docs" / "services.md").read_text()
    assert [reason for reason in sorted(REASONS) if f"`{reason}`" not in text] == []


def test_answer_when_an_error_tells_no_detail_then_the_title_stands_for_it(problems: Problems) -> None:
    assert body_of(problems.answer(NotFoundError()))["detail"] == "There is no such thing."


def test_answer_when_something_is_away_then_it_is_503_and_logged_in_words_without_a_traceback(
    problems: Problems, caplog: pytest.LogCaptureFixture
) -> None:
    response = problems.answer(UnavailableError("The broker is closed; try at nine."))
    assert (response.status_code, body_of(response)["code"]) == (503, "unavailable")
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert "The broker is closed" in record.getMessage()


def test_answer_when_the_framework_raises_then_its_own_words_are_not_passed_on(problems: Problems) -> None:
    response = problems.answer(HTTPException(400, "canary", headers={"x-more": "1"}))
    assert "canary" not in bytes(response.body).decode()
    assert (response.headers["x-more"], body_of(response)["code"]) == ("1", "bad_request")


@pytest.mark.parametrize("status", [204, 304])
def test_answer_when_the_status_allows_no_body_then_there_is_none(problems: Problems, status: int) -> None:
    response = problems.answer(HTTPException(status))
    assert (response.status_code, response.body) == (status, b"")


def test_answer_when_the_status_is_nobodys_then_it_is_a_problem_all_the_same(problems: Problems) -> None:
    assert body_of(problems.answer(HTTPException(599)))["title"] == "Status 599"


def test_answer_when_an_unknown_error_has_no_trace_then_the_log_is_named(problems: Problems) -> None:
    body = body_of(problems.answer(ZeroDivisionError("canary")))
    assert "see the service's log" in body["detail"]
    assert "canary" not in json.dumps(body)


def test_handle_when_a_validation_fails_then_it_is_a_refusal(problems: Problems) -> None:
    scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}
    error = RequestValidationError([{"loc": ("query", "limit"), "type": "int_parsing", "msg": "Not a number"}])
    body = body_of(asyncio.run(problems.handle(Request(scope), error)))
    assert body["errors"] == [{"location": "query.limit", "message": "Not a number"}]


class Cat(BaseModel):
    kind: str


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ("uuid.UUID", "canary-uuid"),
        ("pydantic.AnyUrl", "canary"),
        ("datetime.datetime", "canary"),
        ("decimal.Decimal", "canary"),
        ("ipaddress.IPv4Address", "canary"),
        ("pathlib.Path", 5),
        ("tests.kit.test_errors.Cat", {"kind": {"canary": 1}}),
    ],
)
def test_refusal_when_any_type_refuses_a_value_then_it_is_not_repeated(wanted: str, sent: object) -> None:
    module, _, name = wanted.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(sent)
    refusal = refusal_of(RequestValidationError(caught.value.errors()), "application/json")
    assert "canary" not in repr(getattr(refusal, "fields", ()))


def test_refusal_when_a_thousand_fields_are_wrong_then_the_answer_stays_short() -> None:
    faults = [
        {"loc": ("body", number, "x" * 5000), "type": "missing", "msg": "Field required"} for number in range(1000)
    ]
    refusal = refusal_of(RequestValidationError(faults), "application/json")
    assert len(repr(getattr(refusal, "fields", ()))) < 20_000
