"""Answers of Prometheus that a Prometheus fed from a file cannot give."""

import json

from tests.fakes.json_server import Answer, Asked


def exemplar_answer(asked: Asked) -> Answer:
    """One exemplar, in the form of /api/v1/query_exemplars."""
    if asked.path != "/api/v1/query_exemplars":
        return Answer(404, b"404 page not found\n", "text/plain")
    exemplar = {
        "labels": {"trace_id": "0af7651916cd43dd8448eb211c80319c"},
        "value": "0.25",
        "timestamp": 1_772_452_801.5,
    }
    series = {
        "seriesLabels": {
            "__name__": "sightline_http_request_duration_seconds_bucket",
            "job": "console",
            "le": "0.5",
        },
        "exemplars": [exemplar],
    }
    return Answer(200, json.dumps({"status": "success", "data": [series]}).encode())
