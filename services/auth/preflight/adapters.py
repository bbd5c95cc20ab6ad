"""What the checks see, read off the vault, the database and telemetry."""

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.auth import mfa
from services.auth.audit_watch import AuditWatch
from services.auth.canaries import Canaries
from services.auth.errors import NoSuchCredentialError
from services.auth.preflight import device_hosts
from services.auth.preflight.ports import AnchorSource, AuditState, DeviceState, SeedState, TelemetryLosses
from services.auth.preflight.workers import Workers
from services.auth.secret import Secret
from services.auth.sessions import attempts, store
from services.auth.sessions.budget import Budget
from services.auth.sessions.session import Session
from services.auth.totp.seeds import TotpSeed
from services.auth.transactions import Readings, Transactions
from services.auth.vault import integrity, permissions
from services.auth.vault.audit import Anchor
from services.auth.vault.vault import Vault, WithheldSecret
from services.contracts.auth import AccountId, CredentialKind, MfaStage
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from telemetry.catalogue import TELEMETRY_DROPPED, TELEMETRY_SPOOL_OLDEST
from telemetry.emit.metrics import Metrics

ACTOR: Final = "preflight"
LOSS_WINDOW_SECONDS: Final = 600.0
# Half of a check's time: without the log store the trail is walked all the same.
READ_SECONDS: Final = 1.0
# What Robinhood's clients make and send: a UUID in its usual spelling.
_DEVICE_TOKEN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class VaultStore:
    """The vault's files, records and audit trail.

    Args:
        vault: Opens the records.
        watch: Walks the audit trail.
        anchors: Heads of the trail that were written elsewhere.
        paths: The files that must be auth's alone; see `permissions.store_paths`.
        workers: Threads.
    """

    def __init__(
        self, vault: Vault, watch: AuditWatch, anchors: AnchorSource, paths: Sequence[Path], workers: Workers
    ) -> None:
        self._vault = vault
        self._watch = watch
        self._anchors = anchors
        self._paths = tuple(paths)
        self._workers = workers

    async def exposed_files(self) -> Sequence[str]:
        return await self._workers.run(permissions.problems, self._paths)

    async def damaged_records(self) -> Sequence[str]:
        return await self._workers.run(self._damaged_records)

    async def audit(self) -> AuditState:
        unread, anchors = "", ()  # type: tuple[str, Sequence[Anchor]]
        try:
            async with asyncio.timeout(READ_SECONDS):
                anchors = await self._anchors.read()
        except TimeoutError:
            unread = "The console did not answer in time."
        except SightlineError as error:
            unread = f"{error.title}: {error.detail}"
        return AuditState(await self._workers.run(self._audit_problem, anchors), unread)

    def _damaged_records(self) -> list[str]:
        unsealed = self._vault.open_state()
        with self._watch.followed() as (connection, report):
            if not report.whole:
                return ["The audit trail is broken, so that nothing tells which record was written last"]
            return integrity.problems(connection, unsealed, report.walked.generations)

    def _audit_problem(self, anchors: Sequence[Anchor]) -> str:
        with self._watch.followed(anchors) as (_, report):
            return report.problem


class StoredAccountState:
    """What the database holds about an account.

    Args:
        host: Names this machine, the same after a restart.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        vault: Vault,
        *,
        transactions: Transactions,
        readings: Readings,
        clock: Clock,
        workers: Workers,
        host: str,
    ) -> None:
        self._vault = vault
        self._transactions = transactions
        self._readings = readings
        self._clock = clock
        self._workers = workers
        self._host = hashlib.sha256(host.encode()).hexdigest()

    async def session(self, account: AccountId) -> Session:
        return await self._workers.run(self._session, account)

    async def budget(self, account: AccountId) -> Budget:
        return await self._workers.run(self._budget, account)

    async def mfa_stage(self, account: AccountId) -> MfaStage:
        return await self._workers.run(self._mfa_stage, account)

    async def seed(self, account: AccountId) -> SeedState | None:
        return await self._workers.run(self._seed, account)

    async def device(self, account: AccountId) -> DeviceState | None:
        return await self._workers.run(self._device, account)

    def _session(self, account: AccountId) -> Session:
        with self._readings.reading() as connection:
            return store.load(connection, account, self._clock.now())

    def _budget(self, account: AccountId) -> Budget:
        with self._readings.reading() as connection:
            return attempts.left(connection, account, self._clock.now())

    def _mfa_stage(self, account: AccountId) -> MfaStage:
        with self._readings.reading() as connection:
            return mfa.stage_of(connection, account)

    def _seed(self, account: AccountId) -> SeedState | None:
        withheld = self._decrypted(account, CredentialKind.TOTP_SEED)
        return None if withheld is None else SeedState(TotpSeed.from_vault(withheld.secret).short)

    def _device(self, account: AccountId) -> DeviceState | None:
        withheld = self._decrypted(account, CredentialKind.DEVICE_TOKEN)
        if withheld is None:
            return None
        return DeviceState(
            well_formed=withheld.secret.use(lambda token: _DEVICE_TOKEN.fullmatch(token) is not None),
            same_host=self._is_of_this_host(withheld),
        )

    def _decrypted(self, account: AccountId, kind: CredentialKind) -> WithheldSecret | None:
        try:
            # It is looked at and not let out, so there is no audit row.
            return self._vault.decrypt(account, kind, actor=ACTOR)
        except NoSuchCredentialError:
            return None

    def _is_of_this_host(self, token: WithheldSecret) -> bool:
        with self._readings.reading() as connection:
            known = device_hosts.host_of(connection, token.account, token.generation)
        if known is None:
            with self._transactions.transaction() as tx:
                device_hosts.note(tx.connection, token.account, token.generation, self._host)
        return known in {None, self._host}


class StoredCanaries:
    """The planted secrets, from the vault."""

    def __init__(self, canaries: Canaries, workers: Workers) -> None:
        self._canaries = canaries
        self._workers = workers

    async def planted(self) -> Sequence[Secret]:
        return await self._workers.run(self._canaries.read)


class EmittedTelemetry:
    """How the service's own telemetry fares, by its own metrics."""

    def __init__(self, metrics: Metrics, clock: Clock, workers: Workers) -> None:
        self._metrics = metrics
        self._clock = clock
        self._workers = workers
        # What had been dropped in all, at moments within the window and at the last one before it.
        self._seen: deque[tuple[float, float]] = deque([(clock.monotonic(), 0.0)])

    async def losses(self) -> TelemetryLosses:
        samples = await self._workers.run(self._metrics.samples)
        dropped = sum(sample.value for sample in samples if sample.name == TELEMETRY_DROPPED.name)
        ages = [sample.value for sample in samples if sample.name == TELEMETRY_SPOOL_OLDEST.name]
        now = self._clock.monotonic()
        while len(self._seen) > 1 and now - self._seen[1][0] >= LOSS_WINDOW_SECONDS:
            self._seen.popleft()
        before = self._seen[0][1]
        self._seen.append((now, dropped))
        return TelemetryLosses(round(dropped - before), LOSS_WINDOW_SECONDS, max(ages, default=0.0))
