from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.errors import KeyMissingError, RecordDoesNotOpenError
from services.auth.vault.keys import LocalKey
from services.auth.vault.records import Binding, framed, kek_id_of, rewrap, seal, unseal

KEY = LocalKey("one", b"1" * 32)
NEXT_KEY = LocalKey("two", b"2" * 32)
KEYS = {"one": KEY, "two": NEXT_KEY}
BINDING = Binding("vault_records", "r1", "robinhood-main", "password", 3)


@given(st.binary(max_size=5_000))
def test_record_when_opened_where_it_belongs_then_it_gives_what_was_sealed(plaintext: bytes) -> None:
    assert unseal(KEYS, BINDING, seal(KEY, BINDING, plaintext)) == plaintext


def test_record_when_sealed_then_it_has_the_documented_form() -> None:
    parts = seal(KEY, BINDING, b"hunter2").split(".")
    assert (len(parts), parts[0], parts[1]) == (5, "v1", "one")
    assert not any("=" in part for part in parts)


def test_record_when_sealed_twice_then_nothing_but_the_names_repeats() -> None:
    first, second = (seal(KEY, BINDING, b"hunter2").split(".")[2:] for _ in range(2))
    assert not set(first) & set(second)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"table": "vault_keys"},
        {"record_id": "r2"},
        {"account": "robinhood-other"},
        {"kind": "totp_seed"},
        {"generation": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_record_when_moved_to_another_place_then_it_does_not_open(elsewhere: dict[str, object]) -> None:
    record = seal(KEY, BINDING, b"hunter2")
    with pytest.raises(RecordDoesNotOpenError):
        unseal(KEYS, replace(BINDING, **elsewhere), record)  # type: ignore[arg-type] # one field at a time, by name


def test_record_when_any_character_is_changed_then_it_does_not_open() -> None:
    record = seal(KEY, BINDING, b"hunter2")
    for position, character in enumerate(record):
        changed = record[:position] + ("A" if character != "A" else "B") + record[position + 1 :]
        with pytest.raises((RecordDoesNotOpenError, KeyMissingError)):
            unseal(KEYS, BINDING, changed)


def test_record_when_only_unused_bits_of_its_spelling_are_changed_then_it_does_not_open() -> None:
    record = seal(KEY, BINDING, b"hunter2")  # 23 bytes with its tag: the last of 31 characters has two unused bits
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    with pytest.raises(RecordDoesNotOpenError):
        unseal(KEYS, BINDING, record[:-1] + alphabet[alphabet.index(record[-1]) ^ 1])


@given(st.text(max_size=300))
def test_record_when_it_is_any_text_then_it_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises((RecordDoesNotOpenError, KeyMissingError)):
        unseal(KEYS, BINDING, text)


def test_record_when_parts_of_another_record_are_put_in_then_it_does_not_open() -> None:
    one, other = (seal(KEY, BINDING, text).split(".") for text in (b"hunter2", b"hunter3"))
    for part in (2, 3, 4):
        mixed = [*one[:part], other[part], *one[part + 1 :]]
        with pytest.raises(RecordDoesNotOpenError):
            unseal(KEYS, BINDING, ".".join(mixed))


def test_record_when_its_key_is_not_loaded_then_the_key_is_said_to_be_missing() -> None:
    with pytest.raises(KeyMissingError):
        unseal({"two": NEXT_KEY}, BINDING, seal(KEY, BINDING, b"hunter2"))


def test_record_when_rewrapped_then_the_ciphertext_stays_and_only_the_new_key_opens_it() -> None:
    record = seal(KEY, BINDING, b"hunter2")
    rewrapped = rewrap(KEYS, NEXT_KEY, BINDING, record)
    assert kek_id_of(rewrapped) == "two"
    assert rewrapped.split(".")[3:] == record.split(".")[3:]
    assert unseal({"two": NEXT_KEY}, BINDING, rewrapped) == b"hunter2"


def test_record_when_relabelled_with_another_keys_name_then_it_does_not_open() -> None:
    record = seal(KEY, BINDING, b"hunter2")
    same_key_other_name = LocalKey("two", b"1" * 32)
    with pytest.raises(RecordDoesNotOpenError):
        unseal({"two": same_key_other_name}, BINDING, record.replace("v1.one.", "v1.two.", 1))


def test_seal_when_the_keys_name_would_break_the_form_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="wrapping key's id"):
        seal(LocalKey("a.b", b"1" * 32), BINDING, b"hunter2")


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_framing_when_sequences_differ_then_their_bytes_differ(one: list[str], other: list[str]) -> None:
    assert (framed(tuple(one)) == framed(tuple(other))) == (one == other)
