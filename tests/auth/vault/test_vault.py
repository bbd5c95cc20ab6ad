from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update

from services.auth.errors import (
    KeyMissingError,
    NoSuchCredentialError,
    RecordDoesNotOpenError,
    SealedError,
    SecretChangedError,
    VaultInitialisedError,
    VaultUninitialisedError,
    WeakPassphraseError,
    WrongKeyError,
)
from services.auth.secret import Secret
from services.auth.tables import AUDIT, AUDIT_HEAD, VAULT_RECORDS
from services.auth.vault.compared import ComparedSecrets
from services.auth.vault.passphrase import PassphraseProvider
from services.auth.vault.vault import Vault
from services.contracts.auth import CredentialKind, SecretOpened, SecretStored, VaultUnsealed
from tests.auth.support import ACCOUNT, CHEAP, OPERATOR, OTHER, CrashError, House, integrity_problems, passphrase

PASSWORD = CredentialKind.PASSWORD
API_KEY = CredentialKind.API_KEY
CANARY = "canary-4711-hunter2"


def _store(house: House, value: str = CANARY) -> None:
    house.vault.put(ACCOUNT, PASSWORD, Secret(value), actor=OPERATOR)


def _opened(vault: Vault) -> str:
    return vault.open(ACCOUNT, PASSWORD, actor="flow", purpose="login").use(str)


def test_secret_when_stored_then_a_restarted_vault_opens_it_after_unsealing(house: House) -> None:
    _store(house)
    restarted = house.another_vault()
    restarted.unseal([passphrase()], actor=OPERATOR)
    assert _opened(restarted) == CANARY


@pytest.mark.parametrize(
    "call",
    [
        lambda vault: vault.put(ACCOUNT, PASSWORD, Secret("x"), actor=OPERATOR),
        lambda vault: vault.open(ACCOUNT, PASSWORD, actor=OPERATOR, purpose="login"),
        lambda vault: vault.remove(ACCOUNT, PASSWORD, actor=OPERATOR),
        lambda vault: vault.audit_head(),
        lambda vault: vault.verify_audit(),
    ],
    ids=["put", "open", "remove", "audit_head", "verify_audit"],
)
def test_vault_when_sealed_then_every_call_is_refused(house: House, call: Callable[[Vault], object]) -> None:
    _store(house)
    house.vault.seal()
    assert house.vault.sealed
    with pytest.raises(SealedError):
        call(house.vault)


def test_vault_when_sealed_then_it_still_lists_what_it_holds(house: House) -> None:
    _store(house)
    listed = house.another_vault().credentials()
    assert [(each.account, each.kind, each.generation) for each in listed] == [(ACCOUNT, PASSWORD, 1)]


def test_vault_when_never_initialised_then_unsealing_says_so(sealed_house: House) -> None:
    with pytest.raises(VaultUninitialisedError):
        sealed_house.vault.unseal([passphrase()], actor=OPERATOR)
    assert not sealed_house.vault.initialised


def test_vault_when_initialised_again_then_it_is_refused_and_keeps_its_key(house: House) -> None:
    with pytest.raises(VaultInitialisedError):
        house.another_vault().initialise(passphrase(Secret("another passphrase")), actor=OPERATOR)
    house.another_vault().unseal([passphrase()], actor=OPERATOR)


def test_vault_when_the_passphrase_is_wrong_then_it_stays_sealed(house: House) -> None:
    vault = house.another_vault()
    with pytest.raises(WrongKeyError):
        vault.unseal([passphrase(Secret("not the passphrase"))], actor=OPERATOR)
    assert vault.sealed


def test_vault_when_no_fitting_provider_is_given_then_the_missing_one_is_named(house: House) -> None:
    with pytest.raises(KeyMissingError, match="passphrase"):
        house.another_vault().unseal([], actor=OPERATOR)


def test_passphrase_when_short_then_it_is_refused() -> None:
    with pytest.raises(WeakPassphraseError):
        PassphraseProvider(Secret("elevenchars"), CHEAP)


def test_secret_when_written_again_then_the_generation_grows_and_the_new_one_opens(house: House) -> None:
    _store(house)
    assert house.vault.put(ACCOUNT, PASSWORD, Secret("next"), actor=OPERATOR) == 2
    assert _opened(house.vault) == "next"


def test_secret_when_removed_then_it_is_gone(house: House) -> None:
    _store(house)
    house.vault.remove(ACCOUNT, PASSWORD, actor=OPERATOR)
    with pytest.raises(NoSuchCredentialError):
        _opened(house.vault)


def test_secret_when_never_stored_then_opening_says_so(house: House) -> None:
    with pytest.raises(NoSuchCredentialError):
        _opened(house.vault)


def test_records_when_two_rows_are_swapped_then_neither_opens(house: House) -> None:
    _store(house)
    house.vault.put(OTHER, PASSWORD, Secret("other"), actor=OPERATOR)
    with house.database.transaction() as connection:
        rows = {row.account: row.record for row in connection.execute(select(VAULT_RECORDS))}
        for account, record in ((ACCOUNT, rows[OTHER]), (OTHER, rows[ACCOUNT])):
            connection.execute(update(VAULT_RECORDS).where(VAULT_RECORDS.c.account == account).values(record=record))
    for account in (ACCOUNT, OTHER):
        with pytest.raises(RecordDoesNotOpenError):
            house.vault.open(account, PASSWORD, actor=OPERATOR, purpose="login")


def test_record_when_it_does_not_open_then_the_attempt_is_in_the_audit_trail(house: House) -> None:
    _store(house)
    with house.database.transaction() as connection:
        connection.execute(update(VAULT_RECORDS).values(generation=7))
    with pytest.raises(RecordDoesNotOpenError):
        _opened(house.vault)
    with house.database.reading() as connection:
        actions = connection.execute(select(AUDIT.c.action).order_by(AUDIT.c.sequence)).scalars().all()
    assert actions[-1] == "secret_did_not_open"


def test_secret_when_opened_then_the_audit_row_tells_who_and_what_for_and_never_the_value(house: House) -> None:
    _store(house)
    _opened(house.vault)
    with house.database.reading() as connection:
        rows = connection.execute(select(AUDIT).order_by(AUDIT.c.sequence)).mappings().all()
    last = rows[-1]
    assert (last["actor"], last["action"], last["account"], last["kind"], last["generation"], last["detail"]) == (
        "flow",
        "secret_opened",
        ACCOUNT,
        "password",
        1,
        "login",
    )
    assert CANARY not in repr(rows)


def test_secret_when_the_audit_row_cannot_be_written_then_it_is_not_handed_out(house: House) -> None:
    _store(house)
    with house.database.transaction() as connection:
        connection.execute(
            text("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no audit row'); END")
        )
    with pytest.raises(Exception, match="no audit row"):
        _opened(house.vault)


def test_secret_when_the_process_ends_before_the_commit_then_it_is_not_handed_out(house: House) -> None:
    _store(house)
    house.facts.crash_after = house.facts.commits
    with pytest.raises(CrashError):
        _opened(house.vault)
    assert house.facts.of(SecretOpened) == []


def test_secret_when_stored_anew_between_decrypting_and_releasing_then_the_old_one_is_not_handed_out(
    house: House,
) -> None:
    _store(house)
    withheld = house.vault.decrypt(ACCOUNT, PASSWORD, actor="flow")
    _store(house, "next")
    with pytest.raises(SecretChangedError), house.facts.transaction() as tx:
        house.vault.release(tx, withheld, actor="flow", purpose="login")


def test_secret_when_stored_or_opened_then_the_transaction_is_durable(house: House) -> None:
    before = house.facts.durable_commits
    _store(house)
    _opened(house.vault)
    assert house.facts.durable_commits == before + 2


def test_vault_when_used_then_it_states_facts_without_the_value(house: House) -> None:
    _store(house)
    _opened(house.vault)
    assert [type(fact) for fact in house.facts.facts] == [VaultUnsealed, SecretStored, SecretOpened]
    assert CANARY not in "".join(fact.model_dump_json() for fact in house.facts.facts)


def test_database_file_when_a_secret_is_stored_then_no_file_holds_it(house: House, tmp_path: Path) -> None:
    _store(house)
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert files
    assert not any(CANARY.encode() in path.read_bytes() for path in files)


def _find_problems(house: House) -> list[str]:
    with house.database.reading() as connection:
        return integrity_problems(connection, house.vault)


def test_integrity_when_nothing_was_touched_then_there_are_no_problems(house: House) -> None:
    _store(house)
    _store(house, "again")
    house.vault.put(OTHER, API_KEY, Secret("key"), actor=OPERATOR)
    house.vault.remove(OTHER, API_KEY, actor=OPERATOR)
    assert _find_problems(house) == []


def test_integrity_when_an_older_record_is_put_back_whole_then_the_audit_trail_tells(house: House) -> None:
    _store(house)
    with house.database.reading() as connection:
        older = dict(
            connection.execute(select(VAULT_RECORDS).where(VAULT_RECORDS.c.account == ACCOUNT)).mappings().one()
        )
    _store(house, "again")
    with house.database.transaction() as connection:
        connection.execute(update(VAULT_RECORDS).where(VAULT_RECORDS.c.account == ACCOUNT).values(**older))
    assert _find_problems(house) == [f"password of {ACCOUNT} is generation 1, the audit trail says 2"]


def test_integrity_when_a_record_is_deleted_behind_its_back_then_it_is_named(house: House) -> None:
    _store(house)
    with house.database.transaction() as connection:
        connection.execute(delete(VAULT_RECORDS).where(VAULT_RECORDS.c.account == ACCOUNT))
    assert _find_problems(house) == [f"password of {ACCOUNT} is gone without an audit row"]


def test_integrity_when_a_ciphertext_is_flipped_then_the_record_is_named_and_not_its_value(house: House) -> None:
    _store(house)
    with house.database.transaction() as connection:
        mine = VAULT_RECORDS.c.account == ACCOUNT
        record = connection.execute(select(VAULT_RECORDS.c.record).where(mine)).scalar_one()
        flipped = record[:-2] + ("A" if record[-2] != "A" else "B") + record[-1]
        connection.execute(update(VAULT_RECORDS).where(mine).values(record=flipped))
    assert _find_problems(house) == [f"password of {ACCOUNT} does not open (record_does_not_open)"]


def test_audit_head_when_its_row_is_gone_then_nothing_is_opened(house: House) -> None:
    _store(house)
    with house.database.transaction() as connection:
        connection.execute(delete(AUDIT_HEAD))
    with pytest.raises(Exception, match="lost its head"):
        _opened(house.vault)


def test_compared_secret_when_given_again_then_it_matches_and_another_does_not(house: House) -> None:
    compared = ComparedSecrets(house.vault, house.facts, house.database, house.clock, cost=CHEAP)
    compared.put("step_up", Secret("open sesame, please"), actor=OPERATOR)
    assert compared.matches("step_up", Secret("open sesame, please"))
    assert not compared.matches("step_up", Secret("open sesame"))
    assert not compared.matches("unknown", Secret("open sesame, please"))


def test_compared_secret_when_stored_then_the_database_holds_a_hash_that_needs_the_pepper(house: House) -> None:
    compared = ComparedSecrets(house.vault, house.facts, house.database, house.clock, cost=CHEAP)
    compared.put("step_up", Secret("open sesame, please"), actor=OPERATOR)
    house.vault.seal()
    with pytest.raises(SealedError):
        compared.matches("step_up", Secret("open sesame, please"))
