"""What each fault, and what is no fault, does to a platform's telemetry."""

from collections.abc import Callable

from tests.agents.story import VENUE, Story

Fault = Callable[[Story], None]


def expired_token(story: Story) -> None:
    refused = "It answered 401: request is not authorized"
    for step in story.steps(2):
        story.line("trading", step, f"no new session for {VENUE}: {refused}")
        story.fact(
            "trading",
            step + 0.1,
            "trading.reconciliation_failed",
            f"{VENUE} could not be compared with (interval): {refused}",
            level="error",
            trigger="interval",
            reason=refused,
        )
    story.fact(
        "auth",
        story.onset + 1,
        "auth.session_ended",
        "the session of paper-alpha is over: the broker no longer takes it",
        level="info",
        subject="paper-alpha",
        broker="alpaca",
    )
    story.fact(
        "trading",
        story.onset + 2,
        "trading.circuit_changed",
        f"the circuit of {VENUE} was closed and is open: {refused}",
        subject=VENUE,
        was="closed",
        now="open",
        reason=refused,
    )
    story.gauge("trading", "sightline_trading_venue_ready", story.after(0.0, 1.0, delay=2), venue=VENUE)
    story.gauge("trading", "sightline_trading_circuit_state", story.after(1.0, delay=2), venue=VENUE, state="open")


def rate_limited(story: Story) -> None:
    told = "It answered 429: too many requests"
    for step in story.steps(1):
        story.fact(
            "trading",
            step,
            "trading.order_not_sent",
            f"sl-9{step:.0f} never left for {VENUE}: {told}",
            venue=VENUE,
            was="submitting",
            now="not_sent",
            reason=told,
        )
    story.gauge("trading", "sightline_trading_rate_limit_left_calls", story.after(0.0, 180.0), venue=VENUE)
    story.more(
        "trading",
        "sightline_trading_submissions_total",
        story.after(3 * story.severity),
        venue=VENUE,
        outcome="not_sent",
    )


def venue_slow(story: Story) -> None:
    def seconds(step: int) -> float:
        return 0.011 if step < story.onset else 0.011 + story.severity * min(6.0, (step - story.onset) * 0.5)

    story.mean(
        "trading", "sightline_trading_submit_duration_seconds", seconds, lambda _: 3.0, venue=VENUE, outcome="accepted"
    )
    for step in story.steps(1):
        story.span("trading", step, "send order", seconds(int(step)))
    for step in list(story.steps(1))[10:14]:
        story.fact(
            "trading",
            step,
            "trading.order_unknown",
            f"nobody knows whether sl-{step:.0f} is at {VENUE}: no answer within 5 s",
            level="error",
            venue=VENUE,
            was="submitting",
            now="unknown",
            reason="no answer within 5 s",
        )


def rejected_after_accept(story: Story) -> None:
    for step in story.steps(2):
        name = f"sl-7{step:.0f}"
        story.fact(
            "trading",
            step,
            "trading.order_accepted",
            f"{VENUE} has {name} as v-{name}",
            level="info",
            venue=VENUE,
            was="submitting",
            now="open",
        )
        story.fact(
            "trading",
            step + 0.4,
            "trading.order_rejected",
            f"{VENUE} rejected {name}: post-trade check",
            venue=VENUE,
            was="open",
            now="rejected",
            reason="post-trade check",
        )


def quotes_frozen(story: Story) -> None:
    for symbol in ("AAPL", "MSFT"):
        story.gauge(
            "trading",
            "sightline_trading_market_data_age_seconds",
            lambda step: 5.0 + max(0, step - story.onset) * 15.0,
            symbol=symbol,
        )
        story.gauge("trading", "sightline_trading_market_data_stale", story.after(1.0, delay=8), symbol=symbol)
        story.fact(
            "trading",
            story.onset + 8,
            "trading.market_data_stale",
            f"no bar of {symbol} came for 120 s",
            subject=symbol,
            age_seconds="120",
        )


def code_delayed(story: Story) -> None:
    story.mean(
        "auth",
        "sightline_auth_code_wait_seconds",
        story.after(60 + 60 * story.severity, 7.0),
        lambda _: 0.25,
        method="sms",
    )
    for step in story.steps(6):
        story.fact(
            "auth",
            step,
            "auth.login_failed",
            "login of robinhood-main at robinhood by sms failed after 120 s: code_missing",
            subject="robinhood-main",
            flow="login",
            method="sms",
            reason="code_missing",
            broker="robinhood",
        )
        story.fact(
            "auth",
            step + 1,
            "auth.sms_unmatched",
            "a text message was of no use: too_late",
            subject="number-1",
            reason="too_late",
        )
    story.more(
        "auth", "sightline_auth_attempts_total", story.after(0.25), flow="login", method="sms", outcome="code_missing"
    )


def clock_drift(story: Story) -> None:
    story.gauge(
        "auth",
        "sightline_auth_clock_offset_seconds",
        story.after(45.0 * story.severity),
    )
    story.gauge(
        "trading", "sightline_trading_clock_skew_seconds", story.after(45.0 * story.severity, 0.05), venue=VENUE
    )
    for step in story.steps(5):
        story.fact(
            "auth",
            step,
            "auth.login_failed",
            "login of robinhood-main at robinhood by totp failed after 1 s: code_refused",
            subject="robinhood-main",
            flow="login",
            method="totp",
            reason="code_refused",
            broker="robinhood",
        )
    story.gauge("trading", "sightline_trading_venue_ready", story.after(0.0, 1.0, delay=1), venue=VENUE)


def storage_full(story: Story) -> None:
    for step in story.steps(1):
        story.line(
            "trading",
            step,
            "facts wait in the outbox: The disk that holds the database trading.db is full. Free some space.",
            logger="services.kit.outbox",
        )
        story.line("trading", step + 0.2, "request failed: database_full", level="error")
    story.gauge("trading", "sightline_dependency_ready", story.after(0.0, 1.0), dependency="database")
    story.gauge("trading", "sightline_outbox_oldest_age_seconds", lambda step: max(0, step - story.onset) * 15.0)
    story.more(
        "trading", "sightline_http_request_duration_seconds_count", story.after(3.0), status_class="5xx", route="/x"
    )


def worker_crash_loop(story: Story) -> None:
    def started(step: int) -> float:
        return 1.0 if step < story.onset else 2.0 + (step - story.onset) // 3

    story.gauge("automation", "process_start_time_seconds", started)
    for step in story.steps(3):
        story.started("automation", step)
        story.line("console", step + 0.1, "automation could not be reached: connection refused")


def poison_event(story: Story) -> None:
    event = "0199f0aa-1111-7000-8000-00000000beef"
    for number, step in enumerate(story.steps(2, story.onset + 10), 1):
        story.line(
            "automation",
            step,
            f"consumer desk failed on trading.order_filled {event}, attempt {number} of 5: KeyError: quantity",
            logger="services.kit.deliveries",
        )
    story.more(
        "automation",
        "sightline_events_consumed_total",
        lambda step: 1.0 if story.onset <= step < story.onset + 10 else 0.0,
        consumer="desk",
        outcome="retried",
    )
    story.gauge("automation", "sightline_dead_letters_events", story.after(1.0, delay=10), consumer="desk")


def bad_configuration(story: Story) -> None:
    story.fact(
        "automation",
        story.onset - 1,
        "pipelines.approval_granted",
        "operator granted promote_parameters for trend-1",
        level="info",
        subject="a-1",
        action="promote_parameters",
        target="trend-1",
    )
    for step in story.steps(1):
        story.fact(
            "trading",
            step,
            "trading.order_denied",
            "buy 90000 AAPL for trend-1 was denied, order_notional: 16200000 is above 100000",
            strategy="trend-1",
            symbol="AAPL",
            side="buy",
            quantity="90000",
            reason="order_notional",
            detail="16200000 is above 100000",
        )
    story.more("trading", "sightline_trading_denials_total", story.after(6.0), reason="order_notional")


def retry_storm(story: Story) -> None:
    for step in story.steps(8, story.onset + 8):
        story.line("trading", step, "the venue did not answer: timed out after 5 s")
    story.more(
        "trading",
        "sightline_http_request_duration_seconds_count",
        story.after(40 + 60 * story.severity),
        status_class="4xx",
        route="/x",
    )
    story.more("trading", "sightline_trading_submissions_total", story.after(15.0), venue=VENUE, outcome="rejected")


def duplicate_fill(story: Story) -> None:
    for step in story.steps(3):
        name = f"sl-3{step:.0f}"
        story.fact(
            "trading",
            step,
            "trading.fill_booked",
            f"buy 10 AAPL at 180 on {VENUE} for {name}",
            level="info",
            venue=VENUE,
            execution_id=f"a{step:.0f}",
            symbol="AAPL",
            side="buy",
            quantity="10",
            price="180",
        )
        story.fact(
            "trading",
            step + 0.1,
            "trading.fill_booked",
            f"buy 10 AAPL at 180 on {VENUE} for {name}",
            level="info",
            venue=VENUE,
            execution_id=f"b{step:.0f}",
            symbol="AAPL",
            side="buy",
            quantity="10",
            price="180",
        )
        story.fact(
            "trading",
            step + 0.1,
            "trading.order_incident",
            f"overfill of {name} at {VENUE}: 10 at 180 by b makes 20 of 10",
            level="error",
            venue=VENUE,
            kind="overfill",
            detail="10 at 180 by b makes 20 of 10",
        )
    story.more("trading", "sightline_trading_incidents_total", story.after(0.3), venue=VENUE, kind="overfill")


def venue_down(story: Story) -> None:
    why = "It did not answer: connection refused."
    story.fact(
        "trading",
        story.onset,
        "trading.stream_lost",
        f"the stream of {VENUE} is lost: connection reset",
        subject=VENUE,
        reason="connection reset",
    )
    for step in story.steps(1):
        story.line(
            "trading",
            step,
            f"the stream of {VENUE} cannot be opened: connection refused",
            logger="services.trading.brokers",
        )
        story.fact(
            "trading",
            step + 0.2,
            "trading.order_not_sent",
            f"sl-5{step:.0f} never left for {VENUE}: {why}",
            venue=VENUE,
            was="submitting",
            now="not_sent",
            reason=why,
        )
    story.fact(
        "trading",
        story.onset + 1,
        "trading.circuit_changed",
        f"the circuit of {VENUE} was closed and is open: {why}",
        subject=VENUE,
        was="closed",
        now="open",
        reason=why,
    )
    story.gauge("trading", "sightline_trading_stream_connected", story.after(0.0, 1.0), venue=VENUE)
    story.gauge("trading", "sightline_trading_circuit_state", story.after(1.0, delay=1), venue=VENUE, state="open")
    story.gauge("trading", "sightline_trading_venue_ready", story.after(0.0, 1.0), venue=VENUE)


def volatility_spike(story: Story) -> None:
    """Prices move: more orders, more fills, worse prices; everything works."""
    for metric in ("submissions", "placements"):
        labels = {"venue": VENUE} if metric == "submissions" else {}
        story.more("trading", f"sightline_trading_{metric}_total", story.after(4.0), outcome="accepted", **labels)
    story.mean("trading", "sightline_trading_slippage_bps", story.after(25.0, 2.0), lambda _: 3.0, venue=VENUE)
    for step in story.steps(0.5):
        story.fact(
            "trading",
            step,
            "trading.fill_booked",
            f"sell 10 AAPL at 17{step:.0f} on {VENUE}",
            level="info",
            venue=VENUE,
            execution_id=f"v-{step}",
            symbol="AAPL",
            side="sell",
            quantity="10",
            price="170",
        )


def maintenance_window(story: Story) -> None:
    """A venue is held back, its stream is closed for a while, and it is restored: as announced."""
    story.fact(
        "trading",
        story.onset - 4,
        "trading.venue_held",
        f"operator holds {VENUE} back: planned maintenance window",
        actor="operator",
        subject=VENUE,
        reason="planned maintenance window",
    )
    story.fact(
        "trading",
        story.onset,
        "trading.stream_lost",
        f"the stream of {VENUE} is lost: closed by the venue",
        subject=VENUE,
        reason="closed by the venue",
    )
    story.gauge(
        "trading",
        "sightline_trading_stream_connected",
        lambda step: 0.0 if story.onset <= step < story.onset + 10 else 1.0,
        venue=VENUE,
    )
    story.gauge(
        "trading",
        "sightline_trading_venue_ready",
        lambda step: 0.0 if story.onset - 4 <= step < story.onset + 12 else 1.0,
        venue=VENUE,
    )
    for step in (story.onset + 2, story.onset + 5):
        story.fact(
            "trading",
            step,
            "trading.reconciliation_failed",
            f"{VENUE} could not be compared with (interval): It did not answer: connection refused.",
            level="error",
            trigger="interval",
            subject=VENUE,
        )


def triple_load(story: Story) -> None:
    """Three times the orders, all of them answered."""
    for metric in ("submissions", "placements"):
        labels = {"venue": VENUE} if metric == "submissions" else {}
        story.more("trading", f"sightline_trading_{metric}_total", story.after(6.0), outcome="accepted", **labels)
    for service in ("auth", "trading", "automation", "content", "console"):
        story.more(
            service, "sightline_http_request_duration_seconds_count", story.after(8.0), status_class="2xx", route="/x"
        )
        story.more(service, "sightline_events_consumed_total", story.after(12.0), consumer="desk", outcome="handled")


def deploy_without_effect(story: Story) -> None:
    """Every service is started anew with the same settings and strategies."""
    for number, service in enumerate(("auth", "trading", "automation", "content", "console")):
        story.gauge(service, "process_start_time_seconds", story.after(2.0, 1.0, delay=number))
        story.started(service, story.onset + number)
    story.fact(
        "trading",
        story.onset + 2,
        "trading.strategy_started",
        "trend-1 (sma-cross) sees AAPL from now on, after 60 bars of the past",
        level="info",
        subject="trend-1",
        kind="sma-cross",
        resumed_from="2026-03-02T15:44:00+00:00",
    )
    story.line(
        "trading",
        story.onset + 1.5,
        "the stream of alpha cannot be opened: connection refused",
        logger="services.trading.brokers",
    )


FAULTS: dict[str, Fault] = {
    each.__name__: each
    for each in (
        expired_token,
        rate_limited,
        venue_slow,
        rejected_after_accept,
        quotes_frozen,
        code_delayed,
        clock_drift,
        storage_full,
        worker_crash_loop,
        poison_event,
        bad_configuration,
        retry_storm,
        duplicate_fill,
        venue_down,
    )
}
CONTROLS: dict[str, Fault] = {
    each.__name__: each for each in (volatility_spike, maintenance_window, triple_load, deploy_without_effect)
}
