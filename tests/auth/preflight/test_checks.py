"""Each check passes when all is well, and does not when the one thing it looks at is not."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from services.auth.accounts import MfaMethod
from services.auth.logins.port import ProbeResult
from services.auth.preflight.check import Asked, Check, Finding, Outcome, Severity
from services.auth.preflight.endpoints import EndpointTable
from services.auth.preflight.ports import AuditState, DeviceState, LoggedLine, SeedState, TelemetryLosses
from services.auth.preflight.table import standard_checks
from services.auth.sessions.budget import Budget
from services.auth.sessions.session import Session, State
from services.auth.totp.clock_offset import UNKNOWN
from services.contracts.auth import BlockReason, Broker, MfaStage
from services.contracts.verdict import Environment
from telemetry.catalogue import AUTH_PREFLIGHT_CHECKS
from tests.auth.preflight.sights import CANARY, NOW, FakeSights, asked, offset, sights
from tests.fakes.clock import FakeClock

ROOT = Path(__file__).parents[3]
CHECKS = standard_checks(sights(FakeSights()), FakeClock())
BLOCK, WARN = Severity.BLOCK, Severity.WARN
PASS, FAIL = Outcome.PASS, Outcome.FAIL


def look(check_id: str, fake: FakeSights, about: Asked) -> Finding:
    (check,) = (each for each in standard_checks(sights(fake), FakeClock()) if each.check_id == check_id)
    return asyncio.run(check.look(about))


def ends_in(seconds: float) -> Session:
    return Session(State.ACTIVE, NOW, expires_at=NOW + timedelta(seconds=seconds))


def said(text: str) -> list[LoggedLine]:
    return [LoggedLine("trading", "services.trading", ("all is well", text))]


@dataclass
class Case:
    """One thing that is not well, and what the check makes of it."""

    check_id: str
    outcome: Outcome
    fake: FakeSights = field(default_factory=FakeSights)
    about: Asked = field(default_factory=asked)


PAPER = Environment.PAPER
SIMULATOR = asked(PAPER, environment=PAPER, base_url="http://127.0.0.1:8740")
NOT_WELL = [
    Case("vault_unsealed", FAIL, FakeSights(sealed=True)),
    Case("store_permissions", FAIL, FakeSights(exposed=["auth.db is open to others."])),
    Case("store_integrity", FAIL, FakeSights(damaged=["password of x does not open"] * 5)),
    Case("audit_chain", FAIL, FakeSights(audit_now=AuditState("row 4 was edited"))),
    Case("audit_chain", FAIL, FakeSights(audit_now=AuditState("row 4 was edited", "The console is away."))),
    Case("audit_chain", Outcome.WARN, FakeSights(audit_now=AuditState("", "The console is away."))),
    Case("clock_offset", Outcome.WARN, FakeSights(offset_now=offset(-3.0))),
    Case("clock_offset", FAIL, FakeSights(offset_now=offset(16.0))),
    Case("clock_offset", FAIL, FakeSights(offset_now=UNKNOWN)),
    Case("seed_health", FAIL, FakeSights(seed_now=None)),
    Case("seed_health", Outcome.WARN, FakeSights(seed_now=SeedState(short=True))),
    Case("seed_health", FAIL, FakeSights(seed_now=None, stage=MfaStage.TOTP_PENDING), asked(mfa=MfaMethod.SMS)),
    Case("mfa_method", Outcome.WARN, FakeSights(stage=MfaStage.SMS_ONLY), asked(mfa=MfaMethod.SMS)),
    Case("mfa_method", Outcome.WARN, FakeSights(stage=MfaStage.TOTP_VERIFIED)),
    Case("telemetry_flowing", Outcome.WARN, FakeSights(losses_now=TelemetryLosses(3, 600, 0))),
    Case("telemetry_flowing", Outcome.WARN, FakeSights(losses_now=TelemetryLosses(0, 600, 301))),
    Case("credential_valid", FAIL, FakeSights(probed=ProbeResult(valid=False))),
    Case("credential_valid", FAIL, FakeSights(probed=ProbeResult(valid=None))),
    Case("account_status", FAIL, FakeSights(probed=ProbeResult(valid=True, status="x", restricted=True))),
    Case("account_status", FAIL, FakeSights(probed=ProbeResult(valid=False, status="active"))),
    Case("session_lifetime", FAIL, FakeSights(session_now=Session(State.SIGNED_OUT, NOW))),
    Case(
        "session_lifetime",
        FAIL,
        FakeSights(session_now=Session(State.BLOCKED, NOW, block_reason=BlockReason.CODES_REFUSED)),
    ),
    Case("session_lifetime", FAIL, FakeSights(session_now=ends_in(-1))),
    Case("session_lifetime", FAIL, FakeSights(session_now=ends_in(120))),
    Case("session_lifetime", Outcome.WARN, FakeSights(session_now=ends_in(121))),
    Case("device_token", FAIL, FakeSights(device_now=None)),
    Case("device_token", FAIL, FakeSights(device_now=DeviceState(well_formed=False, same_host=True))),
    Case("device_token", FAIL, FakeSights(device_now=DeviceState(well_formed=True, same_host=False))),
    Case("attempt_budget", Outcome.WARN, FakeSights(budget_now=Budget(1, NOW))),
    Case("attempt_budget", FAIL, FakeSights(budget_now=Budget(0, NOW + timedelta(minutes=5)))),
    Case("venue_reachable", FAIL, FakeSights(status_now=502)),
    Case("endpoint_identity", FAIL, about=asked(PAPER)),
    Case("endpoint_identity", FAIL, about=asked(base_url="https://api.robinhood.com.evil.example")),
    Case("endpoint_identity", FAIL, about=asked(base_url="http://api.robinhood.com")),
    Case("endpoint_identity", FAIL, about=asked(base_url="https://api.robinhood.com:8443")),
    Case("endpoint_identity", FAIL, about=asked(base_url="http://127.0.0.1:8740")),
    Case("endpoint_identity", FAIL, about=asked(PAPER, environment=PAPER)),
    Case("endpoint_identity", FAIL, about=asked(PAPER, environment=PAPER, base_url="http://127.0.0.1.evil.example")),
    Case(
        "endpoint_identity",
        FAIL,
        about=asked(PAPER, environment=PAPER, broker=Broker.ALPACA, base_url="https://api.alpaca.markets"),
    ),
    Case("secret_exposure", FAIL, FakeSights(lines=said(f"look: {CANARY}."))),
    Case("secret_exposure", FAIL, FakeSights(lines=said("seed JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"))),
    Case("secret_exposure", FAIL, FakeSights(lines=said("your code is 123456"))),
]
WELL: list[Case] = [
    Case("seed_health", PASS, FakeSights(seed_now=None), asked(mfa=MfaMethod.APPROVAL)),
    Case("seed_health", PASS, FakeSights(seed_now=None, stage=MfaStage.SMS_ONLY), asked(mfa=MfaMethod.SMS)),
    Case("mfa_method", PASS, FakeSights(stage=MfaStage.SMS_ONLY), asked(mfa=MfaMethod.NONE)),
    Case("session_lifetime", PASS, FakeSights(session_now=Session(State.ACTIVE, NOW))),
    Case("session_lifetime", PASS, FakeSights(session_now=ends_in(301))),
    Case("device_token", PASS, FakeSights(device_now=None), asked(broker=Broker.ALPACA)),
    Case("attempt_budget", PASS, FakeSights(budget_now=Budget(2, NOW))),
    Case("venue_reachable", PASS, FakeSights(status_now=404)),
    Case("endpoint_identity", PASS, about=SIMULATOR),
    Case(
        "endpoint_identity",
        PASS,
        about=asked(broker=Broker.IBKR, base_url="https://localhost:5000", mfa=MfaMethod.APPROVAL),
    ),
    Case(
        "secret_exposure", PASS, FakeSights(lines=said("the password of x was stored; code [redacted], order 40310000"))
    ),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.check_id)
def test_check_when_all_is_well_then_it_passes(check: Check) -> None:
    finding = asyncio.run(check.look(asked()))
    assert (finding.outcome, finding.remedy) == (PASS, "")


@pytest.mark.parametrize("case", [*NOT_WELL, *WELL], ids=lambda case: f"{case.check_id}-{case.outcome}")
def test_check_when_one_thing_is_otherwise_then_it_says_so(case: Case) -> None:
    finding = look(case.check_id, case.fake, case.about)
    assert finding.outcome is case.outcome
    assert finding.why.endswith((".", ")"))
    assert CANARY not in finding.why


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.check_id)
def test_check_when_it_exists_then_a_case_shows_it_at_its_worst(check: Check) -> None:
    worst = {case.outcome for case in NOT_WELL if case.check_id == check.check_id}
    assert (FAIL if check.severity is BLOCK else Outcome.WARN) in worst


def test_checks_when_listed_then_they_are_those_that_the_metric_knows() -> None:
    values = {label.name: label.values for label in AUTH_PREFLIGHT_CHECKS.labels}
    assert tuple(check.check_id for check in CHECKS) == values["check"]
    assert {outcome.value for outcome in Outcome} == set(values["outcome"] or ())


def test_checks_when_listed_then_only_two_may_not_block() -> None:
    assert {check.check_id for check in CHECKS if check.severity is WARN} == {"mfa_method", "telemetry_flowing"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.check_id)
def test_check_when_it_does_not_pass_then_it_says_what_to_do(check: Check) -> None:
    assert check.remedy.endswith(".")
    assert check.__doc__


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.check_id)
def test_check_when_its_runbook_is_looked_up_then_the_section_is_there(check: Check) -> None:
    name, _, anchor = check.runbook.partition("#")
    headings = [line.lstrip("#").strip() for line in (ROOT / name).read_text().splitlines() if line.startswith("#")]
    assert headings.count(anchor) == 1


def test_endpoints_when_a_simulator_has_a_name_then_it_stands_for_a_broker_in_paper_trading_alone() -> None:
    address = "http://venue:8740"
    table = EndpointTable(simulator_hosts=frozenset({"venue"}))
    assert table.allows(asked(PAPER, environment=PAPER, base_url=address).account)
    assert not table.allows(asked(base_url=address).account)
