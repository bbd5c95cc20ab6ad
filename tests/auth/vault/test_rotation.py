import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from services.auth.errors import KeyMissingError, SealedError
from services.auth.secret import Secret
from services.auth.tables import VAULT_KEYS, VAULT_RECORDS
from services.auth.vault import store
from services.auth.vault.key_file import KeyFileProvider
from services.auth.vault.rotation import BATCH, WrappingKeyRotation
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId, CredentialKind, WrappingKeyRotated
from tests.auth.support import OPERATOR, CrashError, House, passphrase

KIND = CredentialKind.API_KEY
COUNT = BATCH * 2 + 10
NEW = Secret("a wholly new passphrase")


@pytest.fixture
def full_house(house: House) -> House:
    """A vault with more records than two batches take."""
    for number in range(COUNT):
        house.vault.put(_account(number), KIND, Secret(f"key {number}"), actor=OPERATOR)
    return house


def _account(number: int) -> AccountId:
    return AccountId(f"account-{number}")


def _rotation(house: House, vault: Vault | None = None) -> WrappingKeyRotation:
    return WrappingKeyRotation(vault or house.vault, house.facts, house.clock)


def _all_open(vault: Vault) -> bool:
    return all(
        vault.open(_account(number), KIND, actor=OPERATOR, purpose="test") == Secret(f"key {number}")
        for number in range(COUNT)
    )


def _kek_ids(house: House) -> set[str]:
    with house.database.reading() as connection:
        return set(connection.execute(select(VAULT_RECORDS.c.kek_id)).scalars())


def _states(house: House) -> list[str]:
    with house.database.reading() as connection:
        return sorted(connection.execute(select(VAULT_KEYS.c.state)).scalars())


def test_rotation_when_done_then_everything_opens_with_the_new_key_alone(full_house: House) -> None:
    rotated = _rotation(full_house).rotate(passphrase(NEW), actor=OPERATOR)
    assert _kek_ids(full_house) == {rotated.kek_id}
    assert _states(full_house) == ["active", "retired"]
    restarted = full_house.another_vault()
    restarted.unseal([passphrase(NEW)], actor=OPERATOR)
    assert _all_open(restarted)


def test_rotation_when_done_then_it_is_stated_once_and_the_audit_trail_is_whole(full_house: House) -> None:
    rotated = _rotation(full_house).rotate(passphrase(NEW), actor=OPERATOR)
    assert full_house.facts.of(WrappingKeyRotated) == [
        WrappingKeyRotated(subject="vault", kek_id=rotated.kek_id, rewrapped_records=rotated.rewrapped)
    ]
    assert full_house.vault.verify_audit().whole


# The commits of a rotation: the key, three batches, the empty last look, the retirement.
@pytest.mark.parametrize("commits", range(6))
def test_rotation_when_it_crashes_at_any_step_then_a_restart_goes_on_and_nothing_is_lost(
    full_house: House, commits: int
) -> None:
    facts = full_house.facts
    facts.crash_after = facts.commits + commits
    with pytest.raises(CrashError):
        # `resume` at the start of `rotate` looks twice before the first of those.
        _rotation(full_house).rotate(passphrase(NEW), actor=OPERATOR)
    facts.crash_after = None
    restarted = full_house.another_vault()
    restarted.unseal([passphrase(), passphrase(NEW)], actor=OPERATOR)
    assert _all_open(restarted)
    _rotation(full_house, restarted).resume(actor=OPERATOR)
    assert len(_kek_ids(full_house)) == 1
    assert "retiring" not in _states(full_house)
    assert _all_open(restarted)


def test_rotation_when_crashed_half_way_then_the_old_key_alone_does_not_unseal(full_house: House) -> None:
    facts = full_house.facts
    facts.crash_after = facts.commits + 4
    with pytest.raises(CrashError):
        _rotation(full_house).rotate(passphrase(NEW), actor=OPERATOR)
    facts.crash_after = None
    assert len(_kek_ids(full_house)) == 2
    with pytest.raises(Exception, match="not the key in use"):
        full_house.another_vault().unseal([passphrase()], actor=OPERATOR)


def test_old_key_when_records_still_need_it_then_it_is_not_retired(full_house: House) -> None:
    facts = full_house.facts
    facts.crash_after = facts.commits + 4
    with pytest.raises(CrashError):
        _rotation(full_house).rotate(passphrase(NEW), actor=OPERATOR)
    facts.crash_after = None
    _rotation(full_house)._retire(0, OPERATOR)
    assert _states(full_house) == ["active", "retiring"]


def test_wrapping_when_the_record_was_written_anew_meanwhile_then_it_is_left_alone(house: House) -> None:
    house.vault.put(_account(0), KIND, Secret("before"), actor=OPERATOR)
    with house.database.reading() as connection:
        read = store.find(connection, _account(0), KIND)
    assert read is not None
    house.vault.put(_account(0), KIND, Secret("after"), actor=OPERATOR)
    with house.database.transaction() as connection:
        assert not store.replace_wrapping(connection, read, kek_id=read.kek_id, rewrapped=read.record)
    assert house.vault.open(_account(0), KIND, actor=OPERATOR, purpose="test") == Secret("after")


def test_rotation_when_resumed_with_nothing_to_do_then_nothing_happens(full_house: House) -> None:
    assert _rotation(full_house).resume(actor=OPERATOR) == 0
    assert full_house.facts.of(WrappingKeyRotated) == []


def test_rotation_when_to_the_same_key_file_again_then_nothing_happens(full_house: House, tmp_path: Path) -> None:
    key_file = KeyFileProvider(tmp_path / "vault.key")
    first = _rotation(full_house).rotate(key_file, actor=OPERATOR)
    second = _rotation(full_house).rotate(key_file, actor=OPERATOR)
    assert (first.kek_id, second.rewrapped) == (second.kek_id, 0)
    with pytest.raises(KeyMissingError, match="key_file"):
        full_house.another_vault().unseal([passphrase()], actor=OPERATOR)


def test_rotation_when_secrets_are_written_and_opened_meanwhile_then_none_fails_or_is_lost(full_house: House) -> None:
    stop, failures = threading.Event(), []
    written: dict[int, str] = {}

    def load(number: int) -> None:
        turn = 0
        while not stop.wait(
            0.005
        ):  # the pace of the load; without one, writers starve the rotation of the one connection
            turn += 1
            value = f"turn {turn}"
            try:
                full_house.vault.put(_account(number), KIND, Secret(value), actor=OPERATOR)
                written[number] = value
                if full_house.vault.open(_account(number), KIND, actor=OPERATOR, purpose="load") != Secret(value):
                    failures.append("another value")
            except Exception as error:  # noqa: BLE001 -- whatever happens must show in the test's result
                failures.append(repr(error))

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(3):
        _rotation(full_house).rotate(passphrase(Secret(f"a passphrase of turn {turn}")), actor=OPERATOR)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(written) == {0, 1, 2, 3}
    restarted = full_house.another_vault()
    restarted.unseal([passphrase(Secret("a passphrase of turn 2"))], actor=OPERATOR)
    for number, value in written.items():
        assert restarted.open(_account(number), KIND, actor=OPERATOR, purpose="test") == Secret(value)


def test_vault_when_another_process_rotated_the_key_then_writing_asks_to_be_unsealed_again(full_house: House) -> None:
    other = full_house.another_vault()
    other.unseal([passphrase()], actor=OPERATOR)
    _rotation(full_house).rotate(passphrase(NEW), actor=OPERATOR)
    with pytest.raises(SealedError, match="rotated elsewhere"):
        other.put(_account(0), KIND, Secret("later"), actor=OPERATOR)
