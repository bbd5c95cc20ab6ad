"""Charles Schwab: OAuth with an access token of 30 minutes and a refresh token of 7 days, hard.

After the 7 days a person logs in with a browser; no rule of Schwab's lets a program do that. The person brings back
the address that the browser ended at, which holds a code good for about 30 seconds.
"""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from services.auth.accounts import Account
from services.auth.logins.port import (
    Active,
    LoginPlan,
    LoginStep,
    NeedsApproval,
    PendingLogin,
    ProbeResult,
    Refused,
    Secrets,
    SessionMaterial,
    Unknown,
)
from services.auth.logins.tokens import bearer, material_of, refresh_token
from services.auth.logins.wire import Answer, Wire
from services.auth.secret import OneTimeCode, Secret
from services.contracts.auth import CredentialKind, LoginFailure, LoginMethod
from services.kit.clock import Clock
from services.kit.ids import Randomness

ACCESS_LIFE: Final = timedelta(minutes=30)
REFRESH_LIFE: Final = timedelta(days=7)
BROWSER_TIME: Final = timedelta(minutes=5)  # as long as a code is expected
_APP_SECRET: Final = CredentialKind.API_KEY
_PLAN: Final = LoginPlan(method=LoginMethod.OAUTH, needs=frozenset({_APP_SECRET}), needs_person=True)
_LONGEST_CODE: Final = 4_096  # characters


class SchwabLogin:
    """Speaks Schwab's OAuth endpoints and trader API, version 1.

    The account's data holds `app_key`, which is the OAuth client id and no secret, and `callback_url`; the stored API
    key is the app's secret.
    """

    def __init__(self, wire: Wire, clock: Clock, randomness: Randomness) -> None:
        self._wire = wire
        self._clock = clock
        self._randomness = randomness

    def plan(self, account: Account) -> LoginPlan:  # noqa: ARG002 -- the same for every account
        return _PLAN

    async def begin(self, account: Account, secrets: Secrets) -> LoginStep:
        state = self._randomness.token()
        callback = quote(account.data.get("callback_url", ""), safe="")
        app_key = quote(account.data.get("app_key", ""), safe="")
        address = (
            f"{account.base_url}/v1/oauth/authorize"
            f"?response_type=code&client_id={app_key}&redirect_uri={callback}&state={state}"
        )
        return NeedsApproval(
            pending=PendingLogin(account, {"state": Secret(state), "app_secret": secrets[_APP_SECRET]}),
            deadline=self._clock.now() + BROWSER_TIME,
            instruction=(
                f"Open {address} and log in at Schwab. Give the address that the browser ends at, within 30 seconds,"
                f" with `sightline auth code {account.name}`."
            ),
            takes_code=True,
        )

    async def answer(self, pending: PendingLogin, code: OneTimeCode | None) -> LoginStep:
        found = _authorization_code("" if code is None else code.reveal(), pending.memory["state"])
        if found is None:
            return Refused(LoginFailure.CODE_REFUSED)
        callback = pending.account.data.get("callback_url", "")
        form = {"grant_type": "authorization_code", "code": found, "redirect_uri": callback}
        answer = await self._ask_for_tokens(pending.account, pending.memory["app_secret"], form)
        return self._tokens(pending.account, answer, LoginFailure.CODE_REFUSED, None)

    async def refresh(self, material: SessionMaterial, secrets: Secrets) -> LoginStep:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token(material)}
        answer = await self._ask_for_tokens(material.account, secrets[_APP_SECRET], form)
        return self._tokens(material.account, answer, LoginFailure.REFRESH_REFUSED, material)

    async def probe(self, material: SessionMaterial) -> ProbeResult:
        url = f"{material.account.base_url}/trader/v1/accounts"
        answer = await self._wire.send("GET", url, headers=bearer(material))
        if not isinstance(answer, Answer):
            return ProbeResult(None, wait_seconds=answer.wait_seconds if isinstance(answer, Refused) else None)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return ProbeResult(valid=False)
        if not answer.ok or not isinstance(answer.body, list):
            return ProbeResult(valid=None)
        closing_only = [_closing_only(entry) for entry in answer.body]
        restricted = not closing_only or any(closing_only)
        return ProbeResult(valid=True, status="closing_only" if restricted else "open", restricted=restricted)

    def headers(self, material: SessionMaterial) -> Mapping[str, str]:
        return bearer(material)

    async def _ask_for_tokens(
        self, account: Account, app_secret: Secret, form: Mapping[str, str]
    ) -> Answer | Refused | Unknown:
        url = f"{account.base_url}/v1/oauth/token"
        basic = app_secret.use(lambda text: (account.data.get("app_key", ""), text))
        return await self._wire.send("POST", url, form=form, basic=basic)

    def _tokens(
        self,
        account: Account,
        answer: Answer | Refused | Unknown,
        refusal: LoginFailure,
        before: SessionMaterial | None,
    ) -> LoginStep:
        if not isinstance(answer, Answer):
            return answer
        if answer.ok:
            now = self._clock.now()
            # Renewing does not lengthen the seven days: they count from the browser's login.
            until = now + REFRESH_LIFE if before is None else before.renewable_until
            material = material_of(account, answer, now, usual_life=ACCESS_LIFE, renewable_until=until)
            return Unknown() if material is None else Active(material)
        if answer.text("error") == "invalid_client" or (before is None and answer.status == HTTPStatus.UNAUTHORIZED):
            return Refused(LoginFailure.PASSWORD_REFUSED if before is None else refusal)
        if answer.refused:
            return Refused(refusal)
        return Refused(LoginFailure.ACCOUNT_RESTRICTED) if answer.status == HTTPStatus.FORBIDDEN else Unknown()


def _authorization_code(given: str, state: Secret) -> str | None:
    """The code in the address that the browser ended at, or the code alone as the person read it."""
    if not given or len(given) > _LONGEST_CODE:
        return None
    if not given.startswith(("http://", "https://")):
        return unquote(given)
    query = parse_qs(urlsplit(given).query)
    codes, states = query.get("code", []), query.get("state", [])
    # Another login's address: somebody else's account could be behind it.
    if len(codes) != 1 or len(states) != 1 or Secret(states[0]) != state:
        return None
    return codes[0]


def _closing_only(entry: object) -> bool:
    described = entry.get("securitiesAccount") if isinstance(entry, Mapping) else None
    return not isinstance(described, Mapping) or described.get("isClosingOnlyRestricted") is True
