"""Orders on a running platform, as an operator sends them: filled, traced, counted, resolved, halted."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.console.stack import processes
from tests.end_to_end.conftest import Platform, eventually, trace_id_in

pytestmark = [pytest.mark.needs("prometheus", "nats-server"), pytest.mark.slow]


def submitted(platform: Platform, *arguments: str) -> str:
    """The output of `sightline submit`, once the venues have prices."""

    def submit() -> str | None:
        done = platform.run("submit", *arguments)
        return None if "no_reference_price" in done.stdout else done.stdout + done.stderr

    return eventually(submit, within_seconds=60, what="price")


def order_in(text: str) -> str:
    found = re.search(r"\bsl-[0-9a-f]{26}\.\d+\b", text)
    assert found is not None, text
    return found.group()


def shown(platform: Platform, order: str) -> str:
    return platform.run("order", order).stdout


@pytest.fixture
def ready(platform: Platform) -> Platform:
    """The platform once both paper venues take orders, also after a test that troubled them; nobody typed a key."""
    eventually(lambda: platform.run("trading").returncode == 0, within_seconds=60, what="ready venue")
    return platform


@contextmanager
def hanging(platform: Platform, *names: str) -> Iterator[None]:
    """Components that do not answer: their processes are stopped, and go on after the block."""
    stopped = [
        pid
        for pid in processes.with_environment(f"SIGHTLINE_DATA_DIR={platform.data_dir}")
        if any(processes.command_holds(pid, f"services.{name}") for name in names)
    ]
    assert len(stopped) == len(names)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_an_order_is_filled_and_shown_with_its_steps(ready: Platform) -> None:
    told = submitted(ready, "buy", "AAPL", "3")
    order = order_in(told)

    history = eventually(
        lambda: text if " filled " in (text := shown(ready, order)) else None, within_seconds=20, what="fill"
    )

    assert all(word in history for word in ("submitting", "open", "stream"))
    assert "AAPL" in ready.run("positions").stdout


def test_one_trace_leads_from_the_call_to_the_venue(ready: Platform) -> None:
    trace_id = trace_id_in(submitted(ready, "buy", "MSFT", "1"))

    text = eventually(
        lambda: found if "send order" in (found := ready.run("trace", trace_id).stdout) else None,
        within_seconds=20,
        what="trace",
    )

    assert [name for name in ("POST /orders", "submit order", "send order") if name not in text] == []
    assert re.search(r"goes to (alpha|beta): buy 1 MSFT", text)  # whichever is the healthier one by now


def test_orders_and_venues_are_seen_by_prometheus(ready: Platform) -> None:
    submitted(ready, "buy", "IBM", "1")

    def counted() -> bool:
        found = ready.prometheus("query", query='sum(sightline_trading_submissions_total{outcome="accepted"}) > 0')
        return bool(found["result"])

    eventually(counted, within_seconds=60, what="counted submission")

    def both_ready() -> bool:
        found = ready.prometheus("query", query="sightline_trading_venue_ready == 1")["result"]
        return {sample["metric"]["venue"] for sample in found} == {"alpha", "beta"}

    eventually(both_ready, within_seconds=60, what="scrape of two ready venues")


def test_an_order_without_an_answer_is_unknown_goes_nowhere_else_and_resolves_by_itself(ready: Platform) -> None:
    lost = {"fault": "drop", "on": ["submit"], "when": "after", "count": 1}
    # Or the stream might tell of the order before its answer is missed.
    late = {"fault": "delay_frame", "seconds": 3.0, "count": 10}
    for venue in ("alpha", "beta"):
        planned = ready.call("POST", f"/venues/{venue}/faults", service="venue", body={"faults": [lost, late]})
        assert planned.status_code < 300, planned.text

    order = order_in(submitted(ready, "buy", "SPY", "2"))
    history = eventually(
        lambda: text if " filled " in (text := shown(ready, order)) else None, within_seconds=90, what="resolution"
    )

    assert "unknown" in history
    assert set(re.findall(r"sl-[0-9a-f]{26}\.\d+", history)) == {order}  # no second route
    for venue in ("alpha", "beta"):
        ready.call("DELETE", f"/venues/{venue}/faults", service="venue")


def test_a_venue_that_is_held_back_gets_nothing_new_until_it_is_restored(ready: Platform) -> None:
    held = ready.run("venue", "hold", "alpha", "--reason", "a drill")
    assert (held.returncode, held.stderr) == (0, "")
    assert "held back by operator: a drill" in ready.run("trading").stdout

    told = submitted(ready, "buy", "NVDA", "1")
    assert re.search(r"\bbeta\b", told), told
    assert not re.search(r"\balpha\b", told)

    assert ready.run("venue", "restore", "alpha").returncode == 0
    eventually(lambda: ready.run("trading").returncode == 0, within_seconds=60, what="ready venue")
    assert "no venue is called gamma" in ready.run("venue", "hold", "gamma").stderr.lower().replace("\n", " ")


def test_the_kill_switch_works_while_everything_but_the_venue_hangs(ready: Platform) -> None:
    submitted(ready, "buy", "GOOG", "2")

    with hanging(ready, "auth", "automation", "console"):
        done = ready.run("halt", "--reason", "a drill")

    assert (done.returncode, done.stderr) == (0, "")
    assert "halted" in ready.run("trading").stdout
    assert "trading_halted" in ready.run("submit", "buy", "AAPL", "1").stdout
    assert ready.run("positions").stdout.startswith("nothing is held")
    assert ready.run("resume", "--reason", "looked").returncode == 0
    eventually(lambda: ready.run("trading").returncode == 0, within_seconds=60, what="ready venue")
