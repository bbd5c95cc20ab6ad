"""What the order path adds to a venue's own time, how many orders it takes, and how soon the kill switch is done.

Everything goes through the platform as `sightline up` starts it: signed HTTP calls, gate, durable intent, the real
alpaca-py, the paper venue, facts over the bus, logs, metrics and every trace kept.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from alpaca.trading.client import TradingClient

from benchmarks.harness import markdown_table
from benchmarks.platform import SYMBOLS, Caller, Platform, platform

_SUBMIT: Final = "submit order"
_SEND: Final = "send order"
_REQUEST: Final = "POST /orders"
_SYMBOL: Final = "AAPL"
_RATE: Final = 200  # orders a second
_CALLERS: Final = 8
_QUIET_SECONDS: Final = 15.0


def run(quick: bool) -> str:  # noqa: FBT001 -- the signature that every benchmark has
    """Latency beside raw alpaca-py, then load, then the kill switch, on one platform."""
    with platform() as running:
        latency = _latency(running, 50 if quick else 400)
        load = _load(running, 5.0 if quick else 60.0)
        kill = _kill(running)
    return f"{latency}\n\n{load}\n\n{kill}"


def _latency(running: Platform, count: int) -> str:
    caller, raw = Caller(running), running.raw()
    raw_ms: list[float] = []
    for number in range(count):
        raw_ms.append(_timed(partial(_raw_submit, raw, number)))
        _submit(caller, number)
    caller.close()
    _until(lambda: len(running.spans(_SUBMIT)[_SUBMIT]) > count)
    spans = running.spans(_REQUEST, _SUBMIT, _SEND)
    ours, sent = spans[_SUBMIT][-count:], spans[_SEND][-count:]
    added = [whole - venue for whole, venue in zip(ours, sent, strict=True)]
    over_raw = [_at(ours, share) - _at(raw_ms, share) for share in (0.5, 0.99)]
    rows = [
        ("raw alpaca-py, to the same venue", raw_ms),
        ("the order path: gate, durable intent, alpaca-py, outcome", ours),
        ("of that, inside alpaca-py and the venue", sent),
        ("of that, added by the order path", added),
        ("the whole signed HTTP call", spans[_REQUEST][-count:]),
    ]
    table = markdown_table(
        ("one order after the other", "p50 ms", "p99 ms", "p50 ratio to raw"),
        [
            (name, f"{_at(values, 0.5):.2f}", f"{_at(values, 0.99):.2f}", f"{_at(values, 0.5) / _at(raw_ms, 0.5):.2f}")
            for name, values in rows
        ],
    )
    return f"{table}\n\nOver raw: p50 {over_raw[0]:+.2f} ms of 4 allowed, p99 {over_raw[1]:+.2f} ms of 12 allowed."


def _load(running: Platform, seconds: float) -> str:
    total = int(_RATE * seconds)
    before = {name: len(values) for name, values in running.spans(_SUBMIT, _SEND).items()}
    began = time.perf_counter() + 0.5

    def work(lane: int) -> tuple[list[float], float]:
        caller, late, took = Caller(running), 0.0, []
        for number in range(lane, total, _CALLERS):
            due = began + number / _RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            late = max(late, time.perf_counter() - due)
            took.append(_timed(partial(_submit, caller, number)))
        caller.close()
        return took, late

    with ThreadPoolExecutor(_CALLERS) as pool:
        lanes = list(pool.map(work, range(_CALLERS)))
    elapsed = time.perf_counter() - began
    took = [each for lane, _ in lanes for each in lane]
    caller = Caller(running)
    _until(lambda: not caller.call("GET", "/orders?which=working&limit=1")["orders"])
    _until(lambda: len(running.spans(_SUBMIT)[_SUBMIT]) >= before[_SUBMIT] + total)
    spans = running.spans(_SUBMIT, _SEND)
    ours, sent = spans[_SUBMIT][before[_SUBMIT] :], spans[_SEND][before[_SEND] :]
    lost = total - _filled(running, total)
    caller.close()
    rows = [
        ("orders a second, asked for and reached", f"{_RATE} / {total / elapsed:.0f}"),
        ("orders sent, and not filled at the venue and in the books", f"{total} / {lost}"),
        ("a call was begun later than planned by at most, ms", f"{max(late for _, late in lanes) * 1000:.0f}"),
        ("order path p50 / p99, ms", f"{_at(ours, 0.5):.1f} / {_at(ours, 0.99):.1f}"),
        ("of that in alpaca-py and the venue p50 / p99, ms", f"{_at(sent, 0.5):.1f} / {_at(sent, 0.99):.1f}"),
        ("p99 over the venue's own, of 50 ms allowed", f"{_at(ours, 0.99) - _at(sent, 0.99):.1f} ms"),
        ("signed HTTP call p50 / p99, ms", f"{_at(took, 0.5):.1f} / {_at(took, 0.99):.1f}"),
    ]
    return markdown_table((f"{seconds:.0f} s of load, {_CALLERS} callers", "measured"), rows)


def _kill(running: Platform) -> str:
    caller = Caller(running)
    for number in range(50):
        _order(caller, "buy", SYMBOLS[number % len(SYMBOLS)], "1", limit_price="5")
    for symbol in SYMBOLS:
        _order(caller, "buy", symbol, "10")
    _until(lambda: len(caller.call("GET", "/positions")["positions"]) == len(SYMBOLS))
    done = caller.call("POST", "/halt", {"reason": "benchmark"})
    caller.call("POST", "/resume", {"reason": "benchmark"})
    caller.close()
    rows = [
        ("orders cancelled", str(done["canceled"])),
        ("positions closed", str(done["flattened"])),
        ("flat, by the venue's own word", "yes" if done["flat"] else f"no: {done['left']}"),
        ("seconds, of 2 allowed", f"{done['seconds']:.2f}"),
    ]
    return markdown_table(("kill switch", "measured"), rows)


def _submit(caller: Caller, number: int) -> None:
    _order(caller, "buy" if number % 2 == 0 else "sell", _SYMBOL, "1")


def _order(caller: Caller, side: str, symbol: str, quantity: str, **terms: Any) -> None:  # noqa: ANN401 -- fields of a ticket
    ticket = {"symbol": symbol, "side": side, "quantity": quantity, **terms}
    if "limit_price" in terms:
        ticket["order_type"] = "limit"
    told = caller.call("POST", "/orders", {"ticket": ticket})
    if told["denied"] is not None:
        raise RuntimeError(f"denied: {told['denied']}")


def _raw_submit(raw: TradingClient, number: int) -> None:
    raw.post(
        "/orders",
        {
            "symbol": _SYMBOL,
            "qty": "1",
            "side": "buy" if number % 2 == 0 else "sell",
            "type": "market",
            "time_in_force": "day",
        },
    )


def _filled(running: Platform, total: int) -> int:
    """How many of the newest orders are filled in the books, and as much at the venue."""
    caller, seen, before = Caller(running), 0, None
    orders = []
    while len(orders) < total:
        target = "/orders?which=all&limit=500" + (f"&before={before.replace('+', '%2B')}" if before else "")
        page = caller.call("GET", target)
        orders += page["orders"]
        before = page["next_before"]
        if before is None:
            break
    seen = sum(order["status"] == "filled" for order in orders[:total])
    caller.close()
    return seen


def _timed(action: Any) -> float:  # noqa: ANN401 -- any call
    before = time.perf_counter()
    action()
    return (time.perf_counter() - before) * 1000


def _at(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


def _until(condition: Any) -> None:  # noqa: ANN401 -- any call
    deadline = time.monotonic() + _QUIET_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was measured has not settled")
        time.sleep(0.1)
