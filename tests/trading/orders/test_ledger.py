"""The ledger by interval: what is told twice is booked once, in whatever order and under whatever id."""

import itertools
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.orders import ExecutionId
from services.trading.orders.ledger import Entry, Ledger, Span, measure

Told = tuple[int, int, int]  # start, end, price


def _span(start: object, end: object) -> Span:
    return Span(Decimal(str(start)), Decimal(str(end)))


def _book(ledger: Ledger, name: str, start: object, end: object, price: object = 100) -> Ledger:
    spans = ledger.uncovered(_span(start, end))
    return ledger.with_entry(Entry(ExecutionId(name), spans, Decimal(str(price))))


def test_an_empty_ledger_has_nothing_filled_and_no_price() -> None:
    assert (Ledger().filled, Ledger().value, Ledger().average_price) == (0, 0, None)


def test_what_lies_in_between_is_uncovered() -> None:
    ledger = _book(_book(Ledger(), "a", 2, 4), "b", 6, 7)
    assert ledger.uncovered(_span(0, 10)) == (_span(0, 2), _span(4, 6), _span(7, 10))


def test_a_partly_covered_execution_books_its_new_part_only() -> None:
    ledger = _book(_book(Ledger(), "a", 0, 4, 100), "b", 2, 8, 110)
    assert (ledger.filled, ledger.value) == (8, 4 * 100 + 4 * 110)


def test_fractions_of_shares_are_exact() -> None:
    ledger = Ledger()
    for tenth in range(10):
        ledger = _book(ledger, f"e{tenth}", Decimal(tenth) / 10, Decimal(tenth + 1) / 10, "0.1")
    assert (ledger.filled, ledger.value, ledger.average_price) == (1, Decimal("0.1"), Decimal("0.1"))


def test_the_price_of_a_gap_explains_the_mean() -> None:
    ledger = _book(Ledger(), "a", 4, 7, 103)
    assert ledger.mean_of_gap(Decimal(7), Decimal("101.285714285714")) == 100


def test_the_price_of_a_gap_is_the_mean_where_rounding_would_make_it_nothing() -> None:
    ledger = _book(Ledger(), "a", 0, 9, "0.0002")
    assert ledger.mean_of_gap(Decimal(10), Decimal("0.0001")) == Decimal("0.0001")


def test_a_mean_is_written_without_an_exponent() -> None:
    assert str(_book(Ledger(), "a", 0, 10, "100.00").average_price) == "100"


def test_an_execution_that_is_taken_back_moves_down_what_lies_above() -> None:
    ledger = _book(_book(_book(Ledger(), "a", 0, 4), "b", 4, 6), "c", 6, 9)
    left = ledger.without(ExecutionId("b"))
    assert [(entry.execution_id, entry.spans) for entry in left.entries] == [
        ("a", (_span(0, 4),)),
        ("b", ()),
        ("c", (_span(4, 7),)),
    ]


_TOLD = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 15), st.integers(1, 200)).map(lambda t: (t[0], t[0] + t[1], t[2])),
    max_size=12,
)


@given(_TOLD)
def test_what_is_booked_is_the_union_of_all_that_was_told(told: list[Told]) -> None:
    ledger, filled = Ledger(), Decimal(0)
    for number, (start, end, price) in enumerate(told):
        ledger = _book(ledger, str(number), start, end, price)
        assert ledger.filled >= filled
        filled = ledger.filled
    assert filled == len({share for start, end, _ in told for share in range(start, end)})


@given(_TOLD, st.randoms(use_true_random=False))
def test_the_order_of_telling_changes_nothing_of_what_is_filled(told: list[Told], chance: object) -> None:
    shuffled = sorted(told, key=lambda _: chance.random())  # type: ignore[attr-defined]
    first, second = Ledger(), Ledger()
    for number, (start, end, price) in enumerate(told):
        first = _book(first, str(number), start, end, price)
    for number, (start, end, price) in enumerate(shuffled):
        second = _book(second, str(number), start, end, price)
    assert first.filled == second.filled
    assert first.uncovered(_span(0, 60)) == second.uncovered(_span(0, 60))


@given(_TOLD)
def test_no_two_entries_cover_the_same_share(told: list[Told]) -> None:
    ledger = Ledger()
    for number, (start, end, price) in enumerate(told):
        ledger = _book(ledger, str(number), start, end, price)
    spans = sorted(span for entry in ledger.entries for span in entry.spans)
    assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
    assert measure(spans) == ledger.filled
