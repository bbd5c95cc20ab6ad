"""Logins at the simulated brokers as an operator makes them: no person types a code, and each is one trace."""

import re
import secrets
from dataclasses import dataclass
from typing import Any

import httpx
import pyotp
import pytest

from services.kit.clock import SystemClock
from tests.end_to_end.conftest import Platform, eventually, trace_id_in

pytestmark = [pytest.mark.needs("prometheus", "nats-server"), pytest.mark.slow]

PHONE = "+15005550001"


@dataclass(frozen=True)
class LoggedIn:
    """An account that was logged in, and the trace of its login."""

    account: str
    trace_id: str
    secrets: tuple[str, ...]


def open_account(platform: Platform, **customer: str) -> None:
    """Make somebody a customer of a simulated broker."""
    url = f"{platform.url('venue')}/local/customers"
    httpx.put(url, json=customer, timeout=10, trust_env=False).raise_for_status()


def well(platform: Platform, *arguments: str, lines: tuple[str, ...] = ()) -> str:
    done = platform.run(*arguments, lines=lines)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def add(platform: Platform, account: str, mfa: str, *more: str, lines: tuple[str, ...]) -> None:
    place = f"{platform.url('venue')}/robinhood"
    where = ("--broker", "robinhood", "--environment", "paper", "--base-url", place, "--mfa", mfa)
    well(platform, "auth", "add", account, *where, "--set", f"username={account}", *more, lines=lines)


def confirming_code(seed: str) -> str:
    """The code before the present one: it confirms a seed too, and leaves the present one to the login.

    Near the end of a step it would be too old by the time that it is read; then the present one.
    """
    totp, now = pyotp.TOTP(seed), int(SystemClock().now().timestamp())
    almost_over = totp.interval - now % totp.interval < 10
    return totp.at(now if almost_over else now - totp.interval)


@pytest.fixture(scope="module")
def by_sms(platform: Platform) -> LoggedIn:
    account, password = "by-sms", f"canary-{secrets.token_hex(8)}"
    customer = {"broker": "robinhood", "name": account, "secret": password}
    open_account(platform, **customer, factor="sms", phone=PHONE)
    add(platform, account, "sms", "--set", f"sms_number={PHONE}", "--secret", "password", lines=(password,))
    told = well(platform, "auth", "login", account)
    return LoggedIn(account, trace_id_in(told), (password,))


@pytest.fixture(scope="module")
def by_totp(platform: Platform) -> LoggedIn:
    account, password, seed = "by-totp", f"canary-{secrets.token_hex(8)}", pyotp.random_base32()
    customer = {"broker": "robinhood", "name": account, "secret": password}
    open_account(platform, **customer, factor="totp", totp_seed=seed)
    confirming = confirming_code(seed)
    secrets_given = ("--secret", "password", "--secret", "totp_seed")
    add(platform, account, "totp", *secrets_given, lines=(password, seed, confirming))
    told = well(platform, "auth", "login", account)
    return LoggedIn(account, trace_id_in(told), (password, seed, confirming))


@pytest.fixture(params=["by_sms", "by_totp"])
def logged_in(request: pytest.FixtureRequest) -> LoggedIn:
    found: LoggedIn = request.getfixturevalue(request.param)
    return found


def spans(platform: Platform, trace_id: str) -> list[dict[str, Any]]:
    answer = platform.ask(f"/api/traces/{trace_id}")
    return answer.json()["spans"] if answer.status_code == 200 else []


def test_login_when_made_by_command_then_the_session_is_active(platform: Platform, logged_in: LoggedIn) -> None:
    report = well(platform, "auth", "report")
    (row,) = [line for line in report.splitlines() if line.startswith(logged_in.account + " ")]
    assert " active " in row


def test_login_when_looked_for_by_its_trace_then_its_steps_and_facts_are_there(
    platform: Platform, logged_in: LoggedIn
) -> None:
    def names() -> set[str] | None:
        found = {span["name"] for span in spans(platform, logged_in.trace_id)}
        return found if {"POST /sessions/{account}/login", "auth.login"} <= found else None

    assert eventually(names, within_seconds=60, what="trace of the login")
    shown = well(platform, "trace", logged_in.trace_id)
    assert f"login of {logged_in.account} at robinhood by" in shown
    assert "succeeded" in shown


def test_preflight_when_the_account_is_logged_in_then_nothing_blocks(platform: Platform, logged_in: LoggedIn) -> None:
    done = platform.run("preflight", logged_in.account)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = re.findall(r"^(pass|warn|fail) ", done.stdout, re.MULTILINE)
    assert len(outcomes) == 16
    assert "fail" not in outcomes
    assert "may be traded in paper" in done.stdout


def test_preflight_when_nobody_logged_the_account_in_then_it_says_what_to_do_and_that_helps(platform: Platform) -> None:
    open_account(platform, broker="alpaca", name="PKTEST", secret="made-up")
    place = ("--base-url", f"{platform.url('venue')}/alpaca")
    account = ("auth", "add", "signed-out", "--broker", "alpaca", "--environment", "paper", *place)
    well(platform, *account, "--secret", "api_key", lines=("PKTEST:made-up",))
    done = platform.run("preflight", "signed-out")
    assert done.returncode == 1
    assert "sightline auth login" in done.stdout
    assert "signed-out may not be traded: " in done.stdout
    well(platform, "auth", "login", "signed-out")
    # An account that stays as it was would raise an alert two minutes later.
    assert "may be traded in paper" in well(platform, "preflight", "signed-out")


def test_metrics_when_logins_succeeded_then_prometheus_has_counted_them(
    platform: Platform, by_sms: LoggedIn, by_totp: LoggedIn
) -> None:
    def counted() -> dict[str, float] | None:
        query = 'sightline_auth_attempts_total{flow="login",outcome="succeeded"}'
        found = platform.prometheus("query", query=query)["result"]
        by_method = {each["metric"]["method"]: float(each["value"][1]) for each in found}
        return by_method if by_method.get("sms", 0) >= 1 and by_method.get("totp", 0) >= 1 else None

    eventually(counted, within_seconds=90, what="count of both logins")


def test_logs_when_read_after_the_logins_then_no_secret_is_in_them(
    platform: Platform, by_sms: LoggedIn, by_totp: LoggedIn
) -> None:
    told = well(platform, "logs", "--since", "1h", "--limit", "2000")
    assert "by-sms" in told
    assert [secret for secret in (*by_sms.secrets, *by_totp.secrets) if secret in told] == []


def test_stage_when_a_seed_has_logged_in_then_it_is_verified_and_an_operator_says_the_rest(
    platform: Platform, by_totp: LoggedIn
) -> None:
    def verified() -> bool:
        return any(
            by_totp.account in line and "totp_verified" in line
            for line in well(platform, "auth", "report").splitlines()
        )

    eventually(verified, within_seconds=20, what="stage totp_verified")
    done = platform.run("auth", "sms-removed", by_totp.account)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"{by_totp.account} .*sms_removed", well(platform, "auth", "report"))
