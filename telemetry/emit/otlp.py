"""Sends spans to a collector or Tempo by OTLP over HTTP, with OpenTelemetry's own exporter.

The exporter says "failed" for an outage and for a refusal alike, and sleeps and retries inside the call. The pipeline
needs to know which it was, to keep a batch or let it go, and waits by itself: so the session underneath notes what the
collector answered and gives the exporter nothing to retry.
"""

import http
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from telemetry.records import AttributeValue, Outcome, SpanEntry

_TIMEOUTS_SECONDS = (2.0, 5.0)  # to connect, to answer
_RETRYABLE = frozenset({http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS})
_KINDS: Final = {kind.name.lower(): kind for kind in SpanKind}
_STATUSES: Final = {code.name.lower(): Status(code) for code in StatusCode}
_SCOPE: Final = InstrumentationScope("sightline")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)

_log = logging.getLogger("telemetry.otlp")


class OtlpSpanSink:
    """A `telemetry.records.SpanSink` for an OTLP/HTTP endpoint.

    Args:
        base_url: Where the collector listens, without the signal's path: "http://127.0.0.1:4318".
        resource: Attributes of the process that emits, such as service.name.
        on_partial: Told how many spans of a batch the collector refused while taking the rest.
    """

    name = "otlp"

    def __init__(
        self, base_url: str, resource: Mapping[str, AttributeValue], on_partial: Callable[[int], None]
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/v1/traces"
        self._resource = _ProcessResource(dict(resource))
        self._on_partial = on_partial
        self._open()

    def send(self, spans: Sequence[SpanEntry]) -> Outcome:
        """Post one batch; gives up after 2 s without a connection or 5 s without an answer."""
        if self._process_id != os.getpid():
            self._open()  # after a fork the parent goes on with the connections that it has opened
        self._session.noted = Outcome.REJECTED  # what stays when the exporter never came to post
        self._exporter.export([_readable(span, self._resource) for span in spans])
        if self._session.refused:
            self._on_partial(self._session.refused)
        return self._session.noted

    def close(self) -> None:
        """Close the connections; a later `send` opens new ones."""
        self._session.close()

    def _open(self) -> None:
        self._session = _NotingSession()
        self._exporter = OTLPSpanExporter(self._url, timeout=sum(_TIMEOUTS_SECONDS), session=self._session)
        self._process_id = os.getpid()


class _ProcessResource(Resource):
    """The one resource of this process, known by its identity.

    The exporter groups spans by their resource, and the SDK's own hash writes all attributes out as JSON for each
    span: a fifth of the time of encoding.
    """

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class _NotedError(Exception):
    """The session has noted what became of the batch; there is nothing for the exporter to try again."""


class _NotingSession(requests.Session):
    """Notes the outcome of each post.

    Attributes:
        noted: What became of the last batch.
        refused: How many of its spans a collector that took the batch left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # neither a proxy nor a .netrc of the machine has a say in where telemetry goes
        self.noted = Outcome.REJECTED
        self.refused = 0

    def request(self, *arguments: Any, **options: Any) -> requests.Response:  # noqa: ANN401 -- requests' own
        self.refused = 0
        try:
            response = super().request(*arguments, **{**options, "timeout": _TIMEOUTS_SECONDS})
        except requests.RequestException as error:
            # The class alone: the text may hold the password of the URL.
            _log.debug("spans could not be sent: %s", type(error).__name__)
            self.noted = Outcome.RETRY
            raise _NotedError(type(error).__name__) from None
        status = response.status_code
        if status == http.HTTPStatus.OK:
            self.noted, self.refused = Outcome.DELIVERED, _refused(response.content)
            return response
        if status in _RETRYABLE or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            self.noted = Outcome.RETRY
        else:
            _log.error("the collector refused a batch of spans with status %d", status)
            self.noted = Outcome.REJECTED
        raise _NotedError(f"status {status}")


def _refused(body: bytes) -> int:
    try:
        return int(ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans)
    except Exception:  # noqa: BLE001 -- protobuf's error has no stubs; a 200 with a foreign body is still a 200
        return 0


def _readable(entry: SpanEntry, resource: Resource) -> ReadableSpan:
    return ReadableSpan(
        entry.name,
        _context(entry.trace_id, entry.span_id),
        _context(entry.trace_id, entry.parent_span_id) if entry.parent_span_id else None,
        resource,
        entry.attributes,
        [Event(event.name, event.attributes, event.time_ns) for event in entry.events],
        [Link(_context(link.trace_id, link.span_id), link.attributes) for link in entry.links],
        _KINDS[entry.kind],
        status=_STATUSES[entry.status],
        start_time=entry.start_ns,
        end_time=entry.end_ns,
        instrumentation_scope=_SCOPE,
    )


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=_SAMPLED)
