"""Checks of what auth itself keeps: the vault, its files, its rows and its audit trail."""

from collections.abc import Sequence

from services.auth.preflight.check import Asked, Check, Finding, Severity, failed, passed, warned
from services.auth.preflight.ports import Store, VaultState

_MOST_NAMED = 3


class VaultUnsealedCheck(Check):
    """Without the wrapping key no session can be renewed."""

    check_id = "vault_unsealed"
    severity = Severity.BLOCK
    remedy = "Unseal the vault with `sightline auth unseal`."

    def __init__(self, vault: VaultState) -> None:
        self._vault = vault

    async def look(self, asked: Asked) -> Finding:  # noqa: ARG002 -- the vault is the same for every account
        return failed("The vault is sealed.") if self._vault.sealed else passed("The vault is open.")


class StorePermissionsCheck(Check):
    """Whoever can write the vault's files can put another account's secrets in the place of this one's."""

    check_id = "store_permissions"
    severity = Severity.BLOCK
    remedy = "Close the files with `sightline auth fix-permissions`, and find out who opened them."

    def __init__(self, store: Store) -> None:
        self._store = store

    async def look(self, asked: Asked) -> Finding:  # noqa: ARG002 -- the files are the same for every account
        found = await self._store.exposed_files()
        return failed(_listed(found)) if found else passed("Auth's files are its own.")


class StoreIntegrityCheck(Check):
    """A record that does not open, or an older one put back, is damage or an intruder."""

    check_id = "store_integrity"
    severity = Severity.BLOCK
    remedy = "Find out who wrote to the database; restore it, or store the named secrets anew."

    def __init__(self, store: Store) -> None:
        self._store = store

    async def look(self, asked: Asked) -> Finding:  # noqa: ARG002 -- the vault is the same for every account
        found = await self._store.damaged_records()
        return (
            failed(_listed([f"{line}." for line in found]))
            if found
            else passed("Every stored secret opens and is the last written.")
        )


class AuditChainCheck(Check):
    """An edited or cut trail means that somebody has something to hide."""

    check_id = "audit_chain"
    severity = Severity.BLOCK
    remedy = "Keep the database as it is for whoever investigates; restore a backup beside it."

    def __init__(self, store: Store) -> None:
        self._store = store

    async def look(self, asked: Asked) -> Finding:  # noqa: ARG002 -- the trail is the same for every account
        state = await self._store.audit()
        if state.problem:
            return failed(f"The audit trail is broken: {state.problem}.")
        if state.unread:
            return warned(
                f"The audit trail is whole, but was not held against its anchors in the logs. {state.unread}",
                "Look whether the console and the log store answer: a trail cut while auth was down shows there alone.",
            )
        return passed("The audit trail is whole and holds what was anchored in the logs.")


def _listed(found: Sequence[str]) -> str:
    more = len(found) - _MOST_NAMED
    return " ".join(found[:_MOST_NAMED]) + (f" (and {more} more)" if more > 0 else "")
