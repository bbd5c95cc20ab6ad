"""Pushes batches to Loki: python-logging-loki's emitter, made fit for a service that must not wait.

As it comes, the emitter makes one blocking request per record without a timeout and stamps it with the time of
sending. Kept are its labels and its session; new are batches, record times, structured metadata, compression,
timeouts and an outcome instead of an exception.
"""

import gzip
import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from logging_loki.emitter import LokiEmitterV1  # type: ignore[import-untyped]  # the package ships no types

from telemetry.records import LogEntry, Outcome
from telemetry.sinks.clock import Clock

PUSH_PATH = "/loki/api/v1/push"

# Loki refuses entries more than an hour behind the newest of their stream; a stream of their own has no such newest.
REPLAY_AFTER_SECONDS = 45 * 60

_LOG = logging.getLogger("telemetry.sinks.loki")
_REFUSED = frozenset({400, 413, 422})  # the push itself is at fault, so no repetition will help
_HEADERS = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


class LokiSink(LokiEmitterV1):  # type: ignore[misc]  # the base is untyped
    """Sends log lines to Loki's push API.

    The labels of a stream are the given ones plus level and logger, and nothing else: whatever has many values goes
    into structured metadata.

    Args:
        url: Base address of Loki, such as http://127.0.0.1:3100.
        labels: Labels common to all lines: service_name and env.
        clock: Tells how old a line is.
        auth: User and password for basic authentication, None for none.
        connect_timeout_seconds: Longest wait for a connection.
        read_timeout_seconds: Longest wait for Loki's answer.
    """

    name = "loki"
    level_tag = "level"

    def __init__(  # noqa: PLR0913 -- two timeouts and an optional login, all named
        self,
        url: str,
        labels: Mapping[str, str],
        *,
        clock: Clock,
        auth: tuple[str, str] | None = None,
        connect_timeout_seconds: float = 2.0,
        read_timeout_seconds: float = 5.0,
    ) -> None:
        super().__init__(f"{url.rstrip('/')}{PUSH_PATH}", dict(labels), auth)
        self._clock = clock
        self._timeouts = (connect_timeout_seconds, read_timeout_seconds)
        self._process_id = os.getpid()
        self._last_trouble = ""

    def send(self, entries: Sequence[LogEntry]) -> Outcome:
        """Push a batch; see `Outcome` for what is returned when Loki is away or refuses it."""
        body = gzip.compress(json.dumps(self.build_batch(entries), separators=(",", ":")).encode(), 1)
        try:
            response = self.session.post(
                self.url, data=body, headers=_HEADERS, timeout=self._timeouts, allow_redirects=False
            )
        except requests.RequestException as error:
            self.close()
            return self._keep_for_later(type(error).__name__)
        if response.status_code == self.success_response_code:
            self._last_trouble = ""
            return Outcome.DELIVERED
        if response.status_code in _REFUSED:
            _LOG.warning("Loki refused %d lines (%d): %.200s", len(entries), response.status_code, response.text)
            return Outcome.REJECTED
        return self._keep_for_later(f"status {response.status_code}")

    def build_batch(self, entries: Sequence[LogEntry]) -> dict[str, list[dict[str, Any]]]:
        """Return the JSON body of a push: one stream per level and logger, times distinct within a stream."""
        old_ns = self._clock.time_ns() - REPLAY_AFTER_SECONDS * 1_000_000_000
        streams: dict[tuple[str, str, bool], list[list[Any]]] = {}
        latest_ns: dict[tuple[str, str, bool], int] = {}
        for time_ns, level, logger, line, trace_id, span_id, fields in entries:
            key = (level, logger, time_ns < old_ns)
            # Loki takes two equal lines of the same time for a repetition and keeps one.
            stamp = latest_ns[key] = max(time_ns, latest_ns.get(key, 0) + 1)
            metadata = dict(fields)
            if trace_id:
                metadata["trace_id"] = trace_id
                metadata["span_id"] = span_id
            values = streams.setdefault(key, [])
            values.append([str(stamp), line, metadata] if metadata else [str(stamp), line])
        return {"streams": [{"stream": self._labels(*key), "values": values} for key, values in streams.items()]}

    @property
    def session(self) -> requests.Session:
        """The HTTP session of this process."""
        self._leave_to_parent()
        is_new = self._session is None
        session: requests.Session = super().session
        if is_new:
            # Proxy and netrc look-ups cost more than the push, and logs go where they are told to.
            session.trust_env = False
        return session

    def close(self) -> None:
        """Close the connections; the next `send` opens them again."""
        self._leave_to_parent()
        super().close()

    def _leave_to_parent(self) -> None:
        # After a fork the session is the parent's, and one of its locks may be held for ever.
        if self._process_id != os.getpid():
            self._session = None
            self._process_id = os.getpid()

    def _keep_for_later(self, trouble: str) -> Outcome:
        if trouble != self._last_trouble:
            _LOG.warning("Loki at %s does not take log lines: %s", self.url, trouble)
        self._last_trouble = trouble
        return Outcome.RETRY

    def _labels(self, level: str, logger: str, is_old: bool) -> dict[str, str]:  # noqa: FBT001 -- unpacked from a key
        labels = {**self.tags, self.level_tag: level, self.logger_tag: logger}
        return {**labels, "replay": "1"} if is_old else labels
