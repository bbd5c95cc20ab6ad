"""Sends spans to a collector or Tempo by OTLP over HTTP.

The SDK's own exporter retries inside the call, sleeps there, and says "failed" for an outage and for a refusal alike;
the pipeline needs to know which, to keep a batch or let it go.
"""

import http
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from telemetry.records import AttributeValue, Outcome, SpanEntry

_CONNECT_SECONDS = 2.0
_READ_SECONDS = 5.0
_RETRYABLE = frozenset({http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS})
_KINDS: Final = {
    "internal": Span.SPAN_KIND_INTERNAL,
    "server": Span.SPAN_KIND_SERVER,
    "client": Span.SPAN_KIND_CLIENT,
    "producer": Span.SPAN_KIND_PRODUCER,
    "consumer": Span.SPAN_KIND_CONSUMER,
}
_STATUSES: Final = {
    "unset": Status.STATUS_CODE_UNSET,
    "ok": Status.STATUS_CODE_OK,
    "error": Status.STATUS_CODE_ERROR,
}

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
        self._resource = Resource(attributes=_key_values(resource))
        self._on_partial = on_partial
        self._session = _session()
        self._process_id = os.getpid()

    def send(self, spans: Sequence[SpanEntry]) -> Outcome:
        """Post one batch; gives up after 2 s without a connection or 5 s without an answer."""
        scope = ScopeSpans(scope=InstrumentationScope(name="sightline"), spans=[_span(span) for span in spans])
        request = ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(resource=self._resource, scope_spans=[scope])]
        )
        try:
            response = self._own_session().post(
                self._url,
                data=request.SerializeToString(),
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The class alone: the text may hold the password of the URL.
            _log.debug("%d spans could not be sent: %s", len(spans), type(error).__name__)
            return Outcome.RETRY
        return self._outcome(response)

    def close(self) -> None:
        """Close the connections; a later `send` opens new ones."""
        self._session.close()

    def _own_session(self) -> requests.Session:
        """The session of this process: after a fork the parent goes on with the connections it has opened."""
        if self._process_id != os.getpid():
            self._session = _session()
            self._process_id = os.getpid()
        return self._session

    def _outcome(self, response: requests.Response) -> Outcome:
        status = response.status_code
        if status == http.HTTPStatus.OK:
            refused = _refused(response.content)
            if refused:
                self._on_partial(refused)
            return Outcome.DELIVERED
        if status in _RETRYABLE or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            return Outcome.RETRY
        _log.error("the collector refused a batch of spans with status %d", status)
        return Outcome.REJECTED


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # neither a proxy nor a .netrc of the machine has a say in where telemetry goes
    session.headers["Content-Type"] = "application/x-protobuf"
    return session


def _refused(body: bytes) -> int:
    try:
        return int(ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans)
    except Exception:  # noqa: BLE001 -- protobuf's error has no stubs; a 200 with a foreign body is still a 200
        return 0


def _span(entry: SpanEntry) -> Span:
    return Span(
        trace_id=bytes.fromhex(entry.trace_id),
        span_id=bytes.fromhex(entry.span_id),
        parent_span_id=bytes.fromhex(entry.parent_span_id),
        name=entry.name,
        kind=_KINDS[entry.kind],
        start_time_unix_nano=entry.start_ns,
        end_time_unix_nano=entry.end_ns,
        attributes=_key_values(entry.attributes),
        events=[
            Span.Event(time_unix_nano=event.time_ns, name=event.name, attributes=_key_values(event.attributes))
            for event in entry.events
        ],
        links=[
            Span.Link(
                trace_id=bytes.fromhex(link.trace_id),
                span_id=bytes.fromhex(link.span_id),
                attributes=_key_values(link.attributes),
            )
            for link in entry.links
        ],
        status=Status(code=_STATUSES[entry.status]),
    )


def _key_values(attributes: Mapping[str, AttributeValue]) -> list[KeyValue]:
    return [_key_value(key, value) for key, value in attributes.items()]


# Methods, routes and status codes come again and again, and copying a message costs a quarter of making one.
@lru_cache(maxsize=1024, typed=True)
def _key_value(key: str, value: AttributeValue) -> KeyValue:
    return KeyValue(key=key, value=_any_value(value))


def _any_value(value: AttributeValue) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)
