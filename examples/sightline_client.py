"""Starts and watches Sightline's pipelines from another program. Needs `cryptography`, `httpx`, and nothing of ours.

Reads AUTOMATION_URL, such as http://127.0.0.1:8710, and AUTOMATION_CALLER_KEY, the private key's file, such as
var/secrets/identity/scheduler.pem. The file's name without `.pem` is the caller's. How requests are signed stands in
docs/services.md.
"""

import base64
import hashlib
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_LIFE_SECONDS = 60
_ENDED = frozenset({"succeeded", "failed", "canceled"})
_REFUSED = range(400, 500)
_TOO_MANY = 429


class RefusedError(Exception):
    """Sightline will not do this, however often it is asked; the message says why."""


class AwayError(Exception):
    """No answer, or none of use, at present: asking again with the same key is safe."""


class Sightline:
    """The automation service, as another program sees it."""

    def __init__(self, url: str, caller: str, key: Ed25519PrivateKey) -> None:
        self._url, self._caller, self._key = url.rstrip("/"), caller, key

    @classmethod
    def from_environment(cls) -> "Sightline":
        """By the two variables that the module names."""
        path = Path(os.environ["AUTOMATION_CALLER_KEY"])
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError(f"{path} holds no Ed25519 key")
        return cls(os.environ["AUTOMATION_URL"], path.stem, key)

    def start(self, pipeline: str, key: str, target: str | None = None) -> str:
        """Start a pipeline; its run's id. With the same key it is the same run. Raises `RefusedError`, `AwayError`."""
        path = f"/pipelines/{quote(pipeline, safe='')}/runs"
        return str(self._ask("POST", path, {"target": target}, {"idempotency-key": key})["run_id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """How a run stands, with its steps. Raises as `start` does."""
        return self._ask("GET", f"/runs/{quote(run_id, safe='')}")

    def ended(self, run_id: str) -> dict[str, Any] | None:
        """The run once it has succeeded, else None. Raises `RefusedError` when it failed or was canceled."""
        run = self.run(run_id)
        if run["status"] not in _ENDED:
            return None
        if run["status"] != "succeeded":
            raise RefusedError(f"{run_id} {run['status']}: {run['detail']}")
        return run

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, more: dict[str, str] | None = None
    ) -> dict[str, Any]:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self._token(method, path, content)}", **(more or {})}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            answer = httpx.request(method, f"{self._url}{path}", headers=headers, content=content)
        except httpx.HTTPError as error:
            raise AwayError(f"{self._url} does not answer: {error}") from error
        if answer.is_success:
            return dict(answer.json())
        refused = answer.status_code in _REFUSED and answer.status_code != _TOO_MANY
        raise (RefusedError if refused else AwayError)(answer.text)

    def _token(self, method: str, path: str, content: bytes) -> str:
        now = int(time.time())  # noqa: TID251 -- a program of its own, not a part of the platform
        claims = {
            "iss": self._caller,
            "aud": "automation",
            "iat": now,
            "exp": now + _LIFE_SECONDS,
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htp": path,
            "bh": _encoded(hashlib.sha256(content).digest()),
        }
        parts = [{"alg": "EdDSA", "typ": "sightline-caller+jwt"}, claims]
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_encoded(self._key.sign(signed.encode()))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
