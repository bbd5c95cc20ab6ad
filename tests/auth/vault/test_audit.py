from collections.abc import Callable

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from services.auth.secret import Secret
from services.auth.tables import AUDIT, AUDIT_HEAD
from services.auth.vault.audit import AuditHead
from services.contracts.auth import CredentialKind
from tests.auth.support import ACCOUNT, OPERATOR, House


@pytest.fixture
def trail(house: House) -> House:
    """A vault whose trail has five rows: initialised, then four secrets stored."""
    for number in range(4):
        house.vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret(f"secret {number}"), actor=OPERATOR)
    return house


def _set_head(connection: Connection, sequence: int) -> None:
    mac = connection.execute(select(AUDIT.c.mac).where(AUDIT.c.sequence == sequence)).scalar_one()
    connection.execute(update(AUDIT_HEAD).values(sequence=sequence, mac=mac))


def test_trail_when_untouched_then_it_is_whole_and_its_head_counts_the_rows(trail: House) -> None:
    report = trail.vault.verify_audit([trail.vault.audit_head()])
    assert (report.whole, report.head.sequence) == (True, 5)


@pytest.mark.parametrize(
    "column", ["occurred_at_us", "actor", "action", "account", "kind", "generation", "detail", "mac"]
)
def test_trail_when_any_field_of_a_row_is_edited_then_the_row_is_named(trail: House, column: str) -> None:
    value = 1 if column in {"occurred_at_us", "generation"} else "e" * 64
    with trail.database.transaction() as connection:
        connection.execute(
            update(AUDIT).where(AUDIT.c.sequence == 3).values({column: value if column != "generation" else 99})
        )
    assert trail.vault.verify_audit().problem == "row 3 was edited"


def _delete_middle(connection: Connection) -> None:
    connection.execute(delete(AUDIT).where(AUDIT.c.sequence == 3))


def _delete_first(connection: Connection) -> None:
    connection.execute(delete(AUDIT).where(AUDIT.c.sequence == 1))


def _swap(connection: Connection) -> None:
    for before, after in ((2, 99), (3, 2), (99, 3)):
        connection.execute(update(AUDIT).where(AUDIT.c.sequence == before).values(sequence=after))


def _delete_tail(connection: Connection) -> None:
    connection.execute(delete(AUDIT).where(AUDIT.c.sequence == 5))


def _add_forged(connection: Connection) -> None:
    row = dict(connection.execute(select(AUDIT).where(AUDIT.c.sequence == 5)).mappings().one())
    connection.execute(insert(AUDIT).values(**{**row, "sequence": 6}))


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (_delete_middle, "row 3 is missing"),
        (_delete_first, "row 1 is missing"),
        (_swap, "row 2 was edited"),
        (_delete_tail, "the trail ends at row 4, its head says 5"),
        (_add_forged, "row 6 was edited"),
    ],
    ids=["middle", "first", "swapped", "tail", "forged"],
)
def test_trail_when_rows_are_cut_moved_or_forged_then_it_is_not_whole(
    trail: House, harm: Callable[[Connection], None], problem: str
) -> None:
    with trail.database.transaction() as connection:
        harm(connection)
    assert trail.vault.verify_audit().problem == problem


def test_trail_when_cut_together_with_its_head_then_only_the_anchor_tells(trail: House) -> None:
    anchor = trail.vault.audit_head()
    with trail.database.transaction() as connection:
        _set_head(connection, 4)
        connection.execute(delete(AUDIT).where(AUDIT.c.sequence == 5))
    assert trail.vault.verify_audit().whole
    assert trail.vault.verify_audit([anchor]).problem == "the trail was cut: it ends at row 4, an anchor knows row 5"


def test_trail_when_cut_and_continued_then_the_anchor_differs(trail: House) -> None:
    anchor = trail.vault.audit_head()
    with trail.database.transaction() as connection:
        _set_head(connection, 4)
        connection.execute(delete(AUDIT).where(AUDIT.c.sequence == 5))
    trail.vault.put(ACCOUNT, CredentialKind.API_KEY, Secret("later"), actor="intruder")
    assert trail.vault.verify_audit([anchor]).problem == "row 5 differs from its anchor"


def test_trail_when_the_anchor_is_of_the_empty_trail_then_it_says_nothing(trail: House) -> None:
    assert trail.vault.verify_audit([AuditHead(0, "0" * 64)]).whole
