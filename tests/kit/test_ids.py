"""Identifiers of events."""

from uuid import UUID

from services.kit.ids import SystemIds, SystemRandomness, new_event_id
from tests.fakes.clock import FakeClock


def test_event_id_when_made_then_it_is_a_uuid_of_version_seven_with_the_clocks_time() -> None:
    clock = FakeClock()
    made = UUID(new_event_id(clock))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(clock.now().timestamp() * 1000)


def test_event_ids_when_a_microsecond_apart_then_they_sort_by_time() -> None:
    clock = FakeClock()
    ids = SystemIds(clock)
    made = []
    for _ in range(2000):
        made.append(ids.event_id())
        clock.advance(0.000_001)
    assert made == sorted(made)


def test_event_ids_when_made_in_one_instant_then_they_differ() -> None:
    clock = FakeClock()
    assert len({new_event_id(clock) for _ in range(1000)}) == 1000


def test_fraction_when_drawn_often_then_it_stays_below_one() -> None:
    randomness = SystemRandomness()
    assert all(0 <= randomness.fraction() < 1 for _ in range(1000))
