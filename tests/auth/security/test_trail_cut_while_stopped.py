"""What was cut from the audit trail while the service was down is noticed after its start, by what the logs hold."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from services.auth.accounts import Account, MfaMethod
from services.auth.opening import open_operations
from services.auth.secret import Secret
from services.auth.tables import AUDIT_HEAD
from services.auth.vault.audit import AuditHead
from services.contracts.auth import AccountId, Broker, CredentialKind
from services.contracts.verdict import Environment
from services.kit.callers import CallerEntry, generate_identity, public_key_text, read_private_key, write_callers
from services.kit.database import Database
from services.kit.secret_files import read_secret
from tests.auth.service import SCOPES, AuthHome
from tests.auth.support import VERSIONS, cut
from tests.kit.running import Running, started

NAME = AccountId("alpaca-1")
ASKED = {"environment": "paper", "settings_digest": "ab" * 32}
SCOPES_OF = {"operator": SCOPES, "auth": ("telemetry:read",)}
_LONGEST_SECONDS = 30.0

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> AuthHome:
    """Of an auth service that may read the logs, and of a console that reads them from the same store."""
    home = AuthHome(tmp_path, {"SIGHTLINE_CONSOLE": "text"})
    generate_identity(home.secrets_dir, "console")
    keys = {name: read_private_key(read_secret(home.secrets_dir / f"identity/{name}.pem")) for name in SCOPES_OF}
    entries = {name: CallerEntry(public_key=public_key_text(key), scopes=SCOPES_OF[name]) for name, key in keys.items()}
    write_callers(home.secrets_dir / "callers.json", entries)
    return home


@pytest.fixture
def console(home: AuthHome) -> Iterator[Running]:
    environ = {name: value for name, value in home.process_environ.items() if name != "SIGHTLINE_CONSOLE_URL"}
    with started("services.console", environ) as running:
        home.environ["SIGHTLINE_CONSOLE_URL"] = running.url
        yield running


@contextmanager
def database_of(home: AuthHome) -> Iterator[Database]:
    with closing(
        Database(f"sqlite:///{home.directory}/var/db/auth.db", service="auth", versions=(VERSIONS,))
    ) as opened:
        yield opened


def head_after(home: AuthHome, secret: str) -> AuditHead:
    """Store a secret as the operator's command does; returns where the trail ends then."""
    with open_operations(home.settings(SIGHTLINE_CONSOLE="off"), actor="operator") as hands:
        hands.unlock()
        base_url = "http://127.0.0.1:1/alpaca"
        hands.register(Account(NAME, Broker.ALPACA, Environment.PAPER, MfaMethod.NONE, base_url, {}))
        hands.store(NAME, CredentialKind.API_KEY, Secret(secret))
    with database_of(home) as database, database.reading() as connection:
        row = connection.execute(select(AUDIT_HEAD)).mappings().one()
    return AuditHead(row["sequence"], row["mac"])


def run_until_anchored(home: AuthHome) -> None:
    """Let the service run until it has written the head to the log."""
    with started("services.auth", home.process_environ) as running:
        deadline = time.monotonic() + _LONGEST_SECONDS
        while "audit head" not in running.told:
            assert time.monotonic() < deadline, running.told
            time.sleep(0.02)
        running.stop()


def audit_check(home: AuthHome) -> dict[str, Any]:
    """What preflight says of the trail, from a new process."""
    with started("services.auth", home.process_environ) as running:
        signed = home.signed()
        with httpx.Client(base_url=running.url, auth=signed, timeout=_LONGEST_SECONDS, trust_env=False) as client:
            answer = client.get(f"/preflight/{NAME}", params=ASKED)
        running.stop()
    (found,) = [check for check in answer.json()["checks"] if check["check_id"] == "audit_chain"]
    return dict(found)


def test_trail_when_it_was_cut_while_the_service_was_stopped_then_preflight_fails_and_says_so(
    home: AuthHome, console: Running
) -> None:
    earlier = head_after(home, "made-up-1")
    later = head_after(home, "made-up-2")
    run_until_anchored(home)
    whole = audit_check(home)
    assert (whole["outcome"], "anchored in the logs" in whole["why"]) == ("pass", True), whole
    with database_of(home) as database:
        cut(database, earlier)
    found = audit_check(home)
    assert found["outcome"] == "fail", found
    assert "the trail was cut: it ends at row" in found["why"]
    assert found["remedy"].endswith(".")
    assert later.sequence > earlier.sequence


def test_database_when_an_older_copy_was_put_back_whole_then_preflight_fails_and_says_so(
    home: AuthHome, console: Running
) -> None:
    head_after(home, "made-up-1")
    file = home.directory / "var" / "db" / "auth.db"
    older = file.read_bytes()
    assert not file.with_name("auth.db-wal").exists()
    run_until_anchored(home)
    file.write_bytes(older)
    found = audit_check(home)
    assert found["outcome"] == "fail", found
    # Starting added rows to the old copy, in the place of those that are gone.
    assert "from its anchor" in found["why"] or "the trail was cut" in found["why"]


def test_logs_when_they_cannot_be_read_then_the_trail_is_walked_and_preflight_warns(home: AuthHome) -> None:
    head_after(home, "made-up-1")
    found = audit_check(home)
    assert found["outcome"] == "warn", found
    assert "was not held against its anchors in the logs" in found["why"]
