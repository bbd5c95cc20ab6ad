"""Tells in the OpenAPI description which problems each operation can answer with."""

from http import HTTPStatus
from typing import Any

from services.kit.errors import PROBLEM_MEDIA_TYPE, Problem

_REFERENCE = {"$ref": "#/components/schemas/Problem"}
_FRAMEWORK_SCHEMAS = ("HTTPValidationError", "ValidationError")
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the problems that it answers with beyond those that every route can."""
    return {int(status): _response(status) for status in statuses}


def describe_problems(schema: dict[str, Any]) -> None:
    """Add the schema of problems and each operation's error responses, in place."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in _FRAMEWORK_SCHEMAS:
        schemas.pop(name, None)
    schemas["Problem"] = _problem_schema(schemas)
    for path in schema.get("paths", {}).values():
        for method, operation in path.items():
            if method in _METHODS:
                _describe(operation)


def _describe(operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    statuses = [HTTPStatus.INTERNAL_SERVER_ERROR]
    if operation.get("security"):
        statuses += [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE]
        statuses += [HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.TOO_MANY_REQUESTS]
    if "requestBody" in operation:
        statuses += [HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE]
    if "requestBody" in operation or "parameters" in operation:
        # The framework's own description of 422 is not what we answer.
        responses.pop(str(int(HTTPStatus.UNPROCESSABLE_ENTITY)), None)
        statuses += [HTTPStatus.UNPROCESSABLE_ENTITY]
    for status in statuses:
        responses.setdefault(str(int(status)), _response(status))


def _response(status: int) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": {PROBLEM_MEDIA_TYPE: {"schema": dict(_REFERENCE)}}}


def _problem_schema(schemas: dict[str, Any]) -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas.update(schema.pop("$defs", {}))
    return schema
