"""What the order path costs inside the trading process: added latency, CPU, load, and what many stored orders add.

Orders come from threads in the process, as the engine sends them. The venue runs in a process of its own; every log
line, metric and trace is kept, intents are durable.
"""

import os
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from alpaca.trading.client import TradingClient

from benchmarks.desk_house import DeskHouse, ServedVenue, until, venue, wish
from benchmarks.harness import markdown_table
from services.kit.garbage import collect_seldom
from services.trading.desk.desk import Desk

_RATE: Final = 200  # orders a second
_CALLERS: Final = 8
_WARM: Final = 40
_STARTS: Final = 6
_STORED: Final = 100_000


def run(quick: bool) -> str:  # noqa: FBT001 -- the signature that every benchmark has
    """Latency beside raw alpaca-py, then load, then the same with many orders stored."""
    collect_seldom()  # as every service does
    with tempfile.TemporaryDirectory(prefix="sightline-desk-") as name, venue(Path(name) / "venue") as served:
        house = DeskHouse(Path(name) / "desk", served)
        with house.running() as desk:
            latency = _latency(desk, served, 100 if quick else 1000)
            load = _load(desk, 5.0 if quick else 60.0)
        # At a venue of its own: what a start takes is mostly what the venue has to list.
        with venue(Path(name) / "other venue") as other:
            stored = _stored(Path(name) / "stored", other, 100 if quick else 400)
    return f"{latency}\n\n{load}\n\n{stored}"


def _latency(desk: Desk, served: ServedVenue, count: int) -> str:
    client = served.raw()
    ours, raw = [], []
    for number in range(-_WARM, count):
        raw.append(_timed_ms(lambda number=number: _raw(client, number)))
        intent = wish(number)
        ours.append(_timed_ms(lambda intent=intent: _submit(desk, intent)))
        until(lambda: not desk.unended())  # so that its fills cost nobody else
    raw, ours = raw[_WARM:], ours[_WARM:]
    rows = [
        (name, f"{_at(values, 0.5):.2f}", f"{_at(values, 0.99):.2f}")
        for name, values in (("raw alpaca-py", raw), ("the order path", ours))
    ]
    added = [_at(ours, share) - _at(raw, share) for share in (0.5, 0.99)]
    rows.append(("added, of 4 and 12 allowed", f"{added[0]:+.2f}", f"{added[1]:+.2f}"))
    return markdown_table(("one order after the other", "p50 ms", "p99 ms"), rows)


def _load(desk: Desk, seconds: float) -> str:
    total = int(_RATE * seconds)
    began, cpu, threads = time.perf_counter() + 0.5, time.process_time(), _by_thread()

    def work(lane: int) -> tuple[list[float], float]:
        late, took = 0.0, []
        for number in range(lane, total, _CALLERS):
            due = began + number / _RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            late = max(late, time.perf_counter() - due)
            intent = wish(number)
            took.append(_timed_ms(lambda intent=intent: _submit(desk, intent)))
        return took, late

    with ThreadPoolExecutor(_CALLERS, thread_name_prefix="caller") as pool:
        lanes = list(pool.map(work, range(_CALLERS)))
        elapsed = time.perf_counter() - began
        shares = _by_thread()
    until(lambda: not desk.unended())
    spent = (time.process_time() - cpu) / total * 1000
    took = [each for lane, _ in lanes for each in lane]
    rows = [
        ("orders a second, asked for and reached", f"{_RATE} / {total / elapsed:.0f}"),
        ("a call was begun later than planned by at most, ms", f"{max(late for _, late in lanes) * 1000:.0f}"),
        ("submit p50 / p99, ms", f"{_at(took, 0.5):.1f} / {_at(took, 0.99):.1f}"),
        ("CPU of the trading process per order, ms", f"{spent:.2f}"),
    ]
    parts: dict[str, float] = {}
    for number, (name, used) in shares.items():
        parts[name] = parts.get(name, 0.0) + used - threads.get(number, (name, 0.0))[1]
    rows += [(f"of that, {name}", f"{used / total * 1000:.2f}") for name, used in sorted(parts.items()) if used > 0.01]
    return markdown_table((f"{seconds:.0f} s of load, {_CALLERS} callers", "measured"), rows)


def _stored(directory: Path, served: ServedVenue, count: int) -> str:
    """The same desk before and after very many ended orders are in its database."""
    submits = [_submits(directory, served, range(count))]
    # The venue lists the same orders at all of these starts.
    starts = [_shortest_start(directory, served)]
    held = DeskHouse(directory, served).store_ended(_STORED)
    starts.append(_shortest_start(directory, served))
    submits.append(_submits(directory, served, range(count, 2 * count)))
    rows = [
        (name, f"{before:.2f}", f"{after:.2f}", f"{after / before - 1:+.0%}")
        for name, (before, after) in (("submit p50, ms", submits), ("from start to ready, s", starts))
    ]
    return markdown_table((f"{held:,} stored orders (+20 % allowed)", "before", "after", "more"), rows)


def _submits(directory: Path, served: ServedVenue, numbers: range) -> float:
    """The median of submits, in milliseconds."""
    took = []
    with DeskHouse(directory, served).running() as desk:
        for number in numbers:
            intent = wish(number)
            took.append(_timed_ms(lambda intent=intent: _submit(desk, intent)))
        until(lambda: not desk.unended())
    return statistics.median(took)


def _shortest_start(directory: Path, served: ServedVenue) -> float:
    """In seconds; half a second passes where the first comparison comes before the stream stands: that is chance."""
    took = []
    for _ in range(_STARTS):
        began = time.perf_counter()
        with DeskHouse(directory, served).running():
            took.append(time.perf_counter() - began)
    return min(took)


def _by_thread() -> dict[int, tuple[str, float]]:
    """CPU seconds of each thread so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for thread in threading.enumerate():
        if thread.native_id is None:
            continue
        fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1].split()
        found[thread.native_id] = (thread.name.rstrip("0123456789_-"), (int(fields[11]) + int(fields[12])) / ticks)
    return found


def _submit(desk: Desk, intent: object) -> None:
    placement = desk.submit(intent)  # type: ignore[arg-type]
    if placement.denial is not None:
        raise RuntimeError(f"denied: {placement.denial}")


def _raw(client: TradingClient, number: int) -> None:
    side = "buy" if number % 2 == 0 else "sell"
    client.post("/orders", {"symbol": "AAPL", "qty": "1", "side": side, "type": "market", "time_in_force": "day"})


def _timed_ms(action: object) -> float:
    before = time.perf_counter()
    action()  # type: ignore[operator]
    return (time.perf_counter() - before) * 1000


def _at(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]
