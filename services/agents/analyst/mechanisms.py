"""Evidence that takes more than one signal, fact or text: how things hang together under a cause."""

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from services.agents.analyst.changed_signals import STEP_SECONDS, changed, factor
from services.agents.analyst.clues import Clue, Window
from services.agents.signals.reading import SignalReader
from services.agents.signals.sources import Level, Mean, Rate, Signal, Track
from services.contracts.anomalies import EvidenceKind, Stage
from telemetry import catalogue
from telemetry.query.ports import LogLine

_NS: Final = 1_000_000_000
_TIMES: Final = 2.5
_TIMES_WORK: Final = 1.6
_LEAST_PER_MINUTE: Final = 20.0
_LEAST_STORM_PER_MINUTE: Final = 120.0  # routines that wait for something ask once a second
_LEAST_DONE: Final = 10.0
_REPEATS: Final = 2.0
_LEAST_ATTEMPTS: Final = 3
_MANY_EVENTS: Final = 5
_STARTS: Final = 3
_USED_UP: Final = 2.0

_FAILED_EVENT: Final = re.compile(
    r"consumer (?P<consumer>\S+) (?:failed on|sets) (?P<type>\S+) (?P<event>[0-9a-f-]{36}|\S{1,36})(?: aside|, attempt)"
)


def _signal(name: str, title: str, source: Rate | Mean | Level, by: tuple[str, ...] = (), floor: float = 0.0) -> Signal:
    return Signal(name=name, title=title, stage=Stage.SERVICES, unit="", source=source, by=by, floor=floor)


_DEMAND: Final = _signal(
    "load_up", "wishes for orders", Rate(catalogue.TRADING_PLACEMENTS.name), floor=_LEAST_PER_MINUTE
)
_DONE: Final = (
    _signal("done", "orders accepted", Rate(catalogue.TRADING_PLACEMENTS.name, {"outcome": ("accepted",)})),
    _signal("done", "facts handled", Rate(catalogue.EVENTS_CONSUMED.name, {"outcome": ("handled",)})),
)
_CALLS: Final = (
    _signal("calls", "requests served", Rate(f"{catalogue.HTTP_REQUEST_DURATION.name}_count")),
    _signal("calls", "calls made", Rate(f"{catalogue.HTTP_CLIENT_DURATION.name}_count"), ("dependency",)),
    _signal("calls", "orders sent", Rate(catalogue.TRADING_SUBMISSIONS.name), ("venue",)),
    _signal("calls", "logins tried", Rate(catalogue.AUTH_ATTEMPTS.name)),
)
_SENT: Final = _signal("sent", "orders sent", Rate(catalogue.TRADING_SUBMISSIONS.name))
_WISHED: Final = _signal("wished", "wishes", Rate(catalogue.TRADING_PLACEMENTS.name, {"outcome": ("!denied",)}))
_LEFT: Final = _signal("left", "calls left", Level(catalogue.TRADING_RATE_LIMIT_LEFT.name), ("venue",))
_CONNECTED: Final = _signal("stream", "stream", Level(catalogue.TRADING_STREAM_CONNECTED.name), ("venue",))
_OWN_LATENCY: Final = _signal(
    "own_calls_slow", "our own part of placing an order", Mean(catalogue.TRADING_ADDED_LATENCY.name), floor=0.05
)


def of_signals(reader: SignalReader, window: Window) -> Iterator[Clue]:
    """Mechanisms that several signals show together. Raises the errors of `telemetry.query.errors`."""

    def tracks(signal: Signal) -> list[Track]:
        return reader.read(signal, window.before, window.end, STEP_SECONDS)

    for track in tracks(_DEMAND):
        yield from changed(_DEMAND, track, window)
    for track in tracks(_OWN_LATENCY):
        yield from changed(_OWN_LATENCY, track, window)
    # What is hardly ever done multiplies by chance, so that it does not count as work.
    done = [track for signal in _DONE for track in tracks(signal) if _usual(track, window) >= _LEAST_DONE]
    if max((factor(track, window) or 0.0 for track in done), default=0.0) < _TIMES_WORK:
        for signal in _CALLS:
            yield from _multiplied(signal, tracks(signal), window)
    yield from _repeats(tracks(_SENT), tracks(_WISHED), window)
    yield from _used_up(tracks(_LEFT), window)
    yield from _open_streams(tracks(_CONNECTED), window)


def of_lines(lines: Sequence[LogLine], facts: Iterable[LogLine], window: Window) -> Iterator[Clue]:
    """Mechanisms that lines show together."""
    during = [line for line in lines if line.time_ns >= window.start.timestamp() * _NS]
    yield from _failing_events(during)
    yield from _executions([line for line in facts if line.time_ns >= window.start.timestamp() * _NS])


def starts(lines: Sequence[LogLine]) -> Iterator[Clue]:
    """A service that was started again and again, by the lines with which services say that they start."""
    begun: dict[str, list[LogLine]] = defaultdict(list)
    for line in sorted(lines):
        begun[line.service_name].append(line)
    for service, same in sorted(begun.items()):
        if len(same) >= _STARTS:
            detail = f"{service} was started {len(same)} times"
            yield _of_line("many_starts", same[0], detail, kind=EvidenceKind.LOG_TEMPLATE)


def of_clues(clues: Iterable[Clue]) -> Iterator[Clue]:
    """Mechanisms that other clues show together."""
    by_name: dict[str, list[Clue]] = defaultdict(list)
    for clue in clues:
        by_name[clue.signal].append(clue)
    stream = [*by_name["stream_lost"], *by_name["stream_down"]]
    calls = [clue for name in ("circuit_opened", "order_not_sent", "reconciliation_failed") for clue in by_name[name]]
    calls += [*by_name["said_unreachable"], *by_name["login_unreachable"]]
    if stream and calls:
        first = min([*stream, *calls], key=lambda clue: clue.at)
        yield Clue(
            kind=EvidenceKind.FACT,
            signal="stream_and_calls_down",
            service_name=first.service_name,
            at=first.at,
            detail=f"the stream is gone and calls fail too: {stream[0].detail} | {calls[0].detail}",
            query=first.query,
            target=stream[0].target,
        )


def _multiplied(signal: Signal, tracks: Sequence[Track], window: Window) -> Iterator[Clue]:
    for track in tracks:
        times = factor(track, window)
        late = [sample.value for sample in track.samples if sample.seconds > window.start.timestamp()]
        if times is None or times < _TIMES or not late or max(late) < _LEAST_STORM_PER_MINUTE:
            continue
        for clue in changed(signal, track, window):
            detail = f"{clue.detail}, while what is done did not grow with it"
            yield Clue(
                kind=clue.kind,
                signal="calls_multiplied",
                service_name=clue.service_name,
                at=clue.at,
                detail=detail,
                query=clue.query,
                strength=clue.strength,
            )


def _usual(track: Track, window: Window) -> float:
    start = window.start.timestamp()
    return statistics.median([sample.value for sample in track.samples if sample.seconds <= start] or [0.0])


def _repeats(sent: Sequence[Track], wished: Sequence[Track], window: Window) -> Iterator[Clue]:
    start = window.start.timestamp()
    wishes = {sample.seconds: sample.value for track in wished for sample in track.samples}
    shares = [
        (sample.seconds, sample.value / wishes[sample.seconds])
        for track in sent
        for sample in track.samples
        if sample.seconds > start and wishes.get(sample.seconds, 0.0) > 0 and sample.value >= _LEAST_PER_MINUTE / 4
    ]
    if len(shares) > 1 and statistics.median(share for _, share in shares) >= _REPEATS:
        seconds, share = max(shares, key=lambda each: (each[1], -each[0]))
        yield _of_metric("repeats_per_wish", seconds, f"{share:.1f} orders are sent for each wish", _SENT)


def _used_up(tracks: Sequence[Track], window: Window) -> Iterator[Clue]:
    start = window.start.timestamp()
    for track in tracks:
        before = [sample.value for sample in track.samples if sample.seconds <= start]
        low = [sample for sample in track.samples if sample.seconds > start and sample.value <= _USED_UP]
        # -1, which a gauge's reading turns into 1, is "not told": a venue that never told more tells nothing here.
        most = max([*before, *(sample.value for sample in track.samples)], default=0.0)
        if low and most > 10 * _USED_UP:
            detail = f"{low[0].value:.0f} calls are left in this minute at {track.label('venue')}"
            yield _of_metric("rate_limit_used_up", low[0].seconds, detail, _LEFT, track.label("venue"))


def _open_streams(tracks: Sequence[Track], window: Window) -> Iterator[Clue]:
    start = window.start.timestamp()
    during = [sample for track in tracks for sample in track.samples if sample.seconds > start]
    if during and all(sample.value >= 1.0 for sample in during):
        yield _of_metric("stream_open", during[0].seconds, "every venue's stream stood all the time", _CONNECTED)


def _failing_events(lines: Sequence[LogLine]) -> Iterator[Clue]:
    attempts: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], LogLine] = {}
    for line in lines:
        match = _FAILED_EVENT.search(line.line)
        if match is not None:
            key = (match["consumer"], match["type"], match["event"])
            attempts[key] += 1
            first.setdefault(key, line)
    for key, count in sorted(attempts.items()):
        if count >= _LEAST_ATTEMPTS:
            consumer, kind, event = key
            detail = f"{consumer} failed on {kind} {event} {count} times: {first[key].line[:200]}"
            yield _of_line("same_event_redelivered", first[key], detail, kind=EvidenceKind.LOG_TEMPLATE)
    if len(attempts) >= _MANY_EVENTS:
        earliest = min(first.values())
        yield _of_line("many_events_fail", earliest, f"{len(attempts)} facts could not be handled")


def _executions(facts: Iterable[LogLine]) -> Iterator[Clue]:
    booked: dict[tuple[str, str], list[LogLine]] = defaultdict(list)
    for line in facts:
        if line.field("event_type") == "trading.fill_booked" and line.field("execution_id"):
            booked[line.field("venue"), line.field("execution_id")].append(line)
    for (venue, execution), same in sorted(booked.items()):
        events = {line.field("event_id") for line in same}
        if len(events) > 1:
            detail = f"{venue} told of execution {execution} {len(events)} times, and each was booked"
            yield _of_line("repeated_execution", min(same), detail, target=venue)


def _of_line(
    name: str, line: LogLine, detail: str, *, kind: EvidenceKind = EvidenceKind.FACT, target: str = ""
) -> Clue:
    return Clue(
        kind=kind,
        signal=name,
        service_name=line.service_name,
        at=datetime.fromtimestamp(line.time_ns / _NS, UTC),
        detail=detail,
        query=f'{{service_name="{line.service_name}", logger="{line.logger}"}}',
        target=target,
        words=line.line[:1_000] if kind is EvidenceKind.LOG_TEMPLATE else "",
    )


def _of_metric(name: str, seconds: float, detail: str, signal: Signal, target: str = "") -> Clue:
    return Clue(
        kind=EvidenceKind.METRIC,
        signal=name,
        service_name="trading",
        at=datetime.fromtimestamp(seconds, UTC),
        detail=detail,
        query=getattr(signal.source, "metric", ""),
        target=target,
    )
