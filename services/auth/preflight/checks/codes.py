"""Checks of what one-time codes depend on: the clock, the seed, and how far the account has come from SMS."""

from services.auth.accounts import MfaMethod
from services.auth.preflight.check import Asked, Check, Finding, Severity, failed, passed, warned
from services.auth.preflight.ports import AccountState, BrokerAccess
from services.auth.totp.clock_offset import FAIL_ABOVE_SECONDS, ClockStatus
from services.contracts.auth import MfaStage

_HAS_SEED = frozenset({MfaStage.TOTP_PENDING, MfaStage.TOTP_VERIFIED, MfaStage.SMS_REMOVED})


class ClockOffsetCheck(Check):
    """A clock that is off makes codes, tokens and verdicts that nobody takes."""

    check_id = "clock_offset"
    severity = Severity.BLOCK
    remedy = "Let a time service (chrony, systemd-timesyncd) keep the clock, and look whether it is synchronised."

    def __init__(self, broker: BrokerAccess) -> None:
        self._broker = broker

    async def look(self, asked: Asked) -> Finding:
        offset = await self._broker.clock_offset(asked.account)
        match offset.status:
            case ClockStatus.OK:
                return passed(f"Our clock and the broker's differ by {abs(offset.seconds):.1f} s.")
            case ClockStatus.WARN:
                return warned(f"Our clock is {abs(offset.seconds):.1f} s off the broker's; codes are corrected for it.")
            case ClockStatus.FAIL:
                return failed(
                    f"Our clock is {abs(offset.seconds):.0f} s off the broker's, more than {FAIL_ABOVE_SECONDS:.0f} s."
                )
            case ClockStatus.UNKNOWN:
                return failed(
                    "The broker's clock is not known: its endpoint gave no Date.",
                    "Look whether the endpoint is reached directly and not through a cache.",
                )


class SeedHealthCheck(Check):
    """A seed that does not open, or is none, makes no code when one is asked for."""

    check_id = "seed_health"
    severity = Severity.BLOCK
    remedy = "Enrol the account's seed again with `sightline auth add`."

    def __init__(self, state: AccountState) -> None:
        self._state = state

    async def look(self, asked: Asked) -> Finding:
        account = asked.account
        if account.mfa not in {MfaMethod.TOTP, MfaMethod.SMS}:
            return passed("The account's login asks for no code.")
        needed = account.mfa is MfaMethod.TOTP or await self._state.mfa_stage(account.name) in _HAS_SEED
        if not needed:
            return passed("The account has no seed yet.")
        seed = await self._state.seed(account.name)
        if seed is None:
            return failed("The account logs in with codes computed here, and no seed is stored.")
        if seed.short:
            return warned(
                "The seed has fewer than the 112 bits that are recommended.",
                "Ask the broker for a new seed, if it hands out longer ones.",
            )
        return passed("The seed opens and makes codes.")


class MfaMethodCheck(Check):
    """Numbers are taken over by talking to a carrier: SMS is the weakest second factor."""

    check_id = "mfa_method"
    severity = Severity.WARN
    remedy = "Move the account to TOTP; docs/sms-to-totp.md says how."

    def __init__(self, state: AccountState) -> None:
        self._state = state

    async def look(self, asked: Asked) -> Finding:
        account = asked.account
        if account.mfa not in {MfaMethod.TOTP, MfaMethod.SMS}:
            return passed("The account's login asks for no code.")
        stage = await self._state.mfa_stage(account.name)
        if stage is MfaStage.SMS_REMOVED:
            return passed("Codes are computed here, and the broker sends none by SMS.")
        return warned(f"The broker still takes codes by SMS for this account (stage {stage}).")
