"""The auth service, as other services call it."""

from pydantic import SecretStr

from services.contracts.auth import AccountId
from services.contracts.auth_views import AccountList, VaultView, VerdictKeys
from services.contracts.preflight import PreflightView, RevocationView
from services.contracts.sessions import LeaseGrant, SessionList, SessionView
from services.contracts.verdict import Environment, SettingsDigest
from services.kit.http_client import ServiceClient


class AuthClient:
    """Typed calls; errors are those of `ServiceClient`."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def accounts(self) -> AccountList:
        """Every account, and which secrets are stored for it."""
        return AccountList.model_validate_json((await self._client.get("/accounts")).content)

    async def sessions(self) -> SessionList:
        """Every account's session."""
        return SessionList.model_validate_json((await self._client.get("/sessions")).content)

    async def login(self, account: AccountId) -> SessionView:
        """Log in, or wait for the login under way. A person may have to do something: give the client patience."""
        answer = await self._client.post("/sessions/{account}/login", path={"account": account})
        return SessionView.model_validate_json(answer.content)

    async def step_up(self, passphrase: SecretStr, what_for: str) -> None:
        """Return if it is the second passphrase; else `RemoteError` of 403, or 409 while none is set."""
        body = {"passphrase": passphrase.get_secret_value(), "what_for": what_for}
        await self._client.post("/step-up", body=body)

    async def lease(self, account: AccountId) -> LeaseGrant:
        """The headers that carry the session, for five minutes at most. For memory only."""
        answer = await self._client.get("/leases/{account}", path={"account": account})
        return LeaseGrant.model_validate_json(answer.content)

    async def preflight(
        self, account: AccountId, environment: Environment, settings_digest: SettingsDigest
    ) -> PreflightView:
        """Make every check; the answer holds a verdict if none that blocks has failed."""
        query = {"environment": environment.value, "settings_digest": settings_digest}
        answer = await self._client.get("/preflight/{account}", path={"account": account}, query=query)
        return PreflightView.model_validate_json(answer.content)

    async def revoke(self, account: AccountId, reason: str) -> RevocationView:
        """Take back every verdict about the account that was signed until now."""
        answer = await self._client.post(
            "/preflight/{account}/revoke", path={"account": account}, body={"reason": reason}
        )
        return RevocationView.model_validate_json(answer.content)

    async def verdict_keys(self) -> VerdictKeys:
        """The public keys that check verdicts."""
        return VerdictKeys.model_validate_json((await self._client.get("/verdict-keys")).content)

    async def vault(self) -> VaultView:
        """Whether the vault is sealed, and why."""
        return VaultView.model_validate_json((await self._client.get("/vault")).content)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
