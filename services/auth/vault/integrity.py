"""Does every stored secret open, and is each the one that was written last?"""

from collections.abc import Mapping

from sqlalchemy import Connection

from services.auth.errors import AuthError
from services.auth.vault import store
from services.auth.vault.records import kek_id_of, unseal
from services.auth.vault.unsealing import Unsealed


def problems(connection: Connection, unsealed: Unsealed, generations: Mapping[tuple[str, str], int]) -> list[str]:
    """One line for each record that does not open or whose generation differs from the audit trail's.

    An older record put back whole, with its generation, still opens: only the audit trail tells. Values of the
    records are neither kept nor named.

    Args:
        connection: One view of the database, in which the trail was walked too.
        unsealed: The keys.
        generations: Of each secret by account and kind, as the walk found them.
    """
    written = dict(generations)
    found: list[str] = []
    for record in store.every(connection):
        name = f"{record.kind} of {record.account}"
        try:
            unseal(unsealed.keys, record.binding, record.record)
            if kek_id_of(record.record) != record.kek_id:
                found.append(f"{name} names another wrapping key than its record")
        except AuthError as error:
            found.append(f"{name} does not open ({error.code})")
        expected = written.pop((record.account, record.kind), None)
        if record.account != store.INTERNAL_ACCOUNT and record.generation != expected:
            found.append(f"{name} is generation {record.generation}, the audit trail says {expected or 'none'}")
    return found + [f"{kind} of {account} is gone without an audit row" for account, kind in sorted(written)]
