"""Brokers' sessions: kept alive, and recovered when a broker no longer takes one."""

from services.automation.pipelines.pipeline import Context, Pipeline
from services.automation.pipelines.schedules import Every
from services.automation.routines.handling import Action, Found, House, Response, handle
from services.contracts.auth import AccountId, LoginBlocked, SessionEnded
from services.contracts.incidents import IncidentSeverity
from services.contracts.sessions import SessionView

_LOOK_SECONDS = 300
_WITHIN_SECONDS = 300.0


def keep_sessions_alive(house: House) -> Pipeline:
    """Logs in every account that is signed out, may be tried and needs no person."""

    def run(context: Context) -> None:
        wanted = context.step(
            "look", lambda: [str(each.account) for each in house.outside.sessions.all() if _wants_login(each)]
        )
        for account in wanted:
            context.step(f"log in {account}", lambda account=account: _logged_in(house, account))  # type: ignore[misc] # the loop's present value

    return Pipeline(
        name="keep_sessions_alive",
        purpose="Log in every account that has no session and may have one.",
        run=run,
        schedule=Every(seconds=_LOOK_SECONDS),
        lease=lambda _cause: "sessions",
        replaces="session refresh",
    )


def recover_session(house: House) -> Pipeline:
    """Logs in again where a broker takes a session no more, and calls a person where one is needed."""

    def run(context: Context) -> None:
        account = AccountId(context.cause.target or "")

        def plan(_found: Found) -> list[Action]:
            return [Action(name="relogin", do=lambda: _logged_in(house, account))]

        handle(
            context,
            house,
            Response(
                title=f"{account} has no session",
                severity=IncidentSeverity.WARNING,
                plan=plan,
                check=lambda: any(each.account == account and each.usable for each in house.outside.sessions.all()),
                what=f"{account} has a session that is usable",
                within_seconds=_WITHIN_SECONDS,
            ),
        )

    return Pipeline(
        name="recover_session",
        purpose="Log in again when a broker no longer takes a session, and call a person when only one can help.",
        run=run,
        events=(SessionEnded.event_type, LoginBlocked.event_type),
        alerts=("AccountBlocked", "SessionEndsNow"),
        wants=lambda cause: cause.payload.get("reason") != "logged_out",
        replaces="MFA entry; 403 triage",
        needs_target="account",
    )


def _wants_login(session: SessionView) -> bool:
    waits_for_person = session.approval is not None or session.block_reason is not None
    return not session.usable and not waits_for_person and session.attempts_left > 0 and session.resume_at is None


def _logged_in(house: House, account: str) -> str:
    return house.outside.sessions.log_in(AccountId(account)).state
