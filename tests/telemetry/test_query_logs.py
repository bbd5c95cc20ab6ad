"""The same lines, the same questions, the same answers: embedded store and Loki's protocol."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from telemetry.query.errors import InvalidQueryError
from telemetry.query.loki import LokiReader
from telemetry.query.ports import LogLine, LogQuery
from telemetry.sinks.embedded_rows import storable
from tests.fakes.loki_query import FakeLoki
from tests.telemetry.query_backs import SPAN, TRACE, LogBack, LokiLogs, at, entry, log_back

BACKS = ("embedded", "loki")
HOSTILE = st.text(st.one_of(st.sampled_from("ab\"\\`|{}=~%_*()\0\n\r\t\x7f 'é😀\ufeff"), st.characters()), max_size=12)


@pytest.fixture(params=[*BACKS, "real-loki"])
def back(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogBack]:
    with log_back(request.param, tmp_path) as opened:
        yield opened
        opened.reader.close()


@pytest.fixture(scope="module", params=BACKS)
def shared_back(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogBack]:
    with log_back(request.param, tmp_path_factory.mktemp("back")) as opened:
        yield opened
        opened.reader.close()


def lines(back: LogBack, **asked: object) -> list[str]:
    return [line.line for line in back.reader.search(_query(**asked))]


def _query(**asked: object) -> LogQuery:
    return LogQuery(**{"start": at(0), "end": at(3_600), "newest_first": False, **asked})  # type: ignore[arg-type]  # each test names real ones


def test_search_when_line_has_everything_then_every_part_comes_back(back: LogBack) -> None:
    fields = (("order_id", "o-1"), ("broker", "paper"))
    back.write(
        [entry(1.5, "filled", level="warning", logger="trading.orders", trace_id=TRACE, span_id=SPAN, fields=fields)]
    )

    assert back.reader.search(_query()) == [
        LogLine(
            time_ns=entry(1.5, "").time_ns,
            service_name="console",
            env="test",
            level="warning",
            logger="trading.orders",
            line="filled",
            trace_id=TRACE,
            span_id=SPAN,
            fields=(("broker", "paper"), ("order_id", "o-1")),
        )
    ]


def test_search_when_field_is_empty_then_it_is_left_out(back: LogBack) -> None:
    back.write([entry(1, "x", fields=(("order_id", ""),))])

    assert back.reader.search(_query())[0].fields == ()


def test_search_when_line_stands_at_an_edge_then_start_belongs_and_end_does_not(back: LogBack) -> None:
    back.write([entry(9.999999999, "before"), entry(10, "start"), entry(19.999999999, "last"), entry(20, "end")])

    assert lines(back, start=at(10), end=at(20)) == ["start", "last"]


def test_search_when_services_given_then_only_theirs_are_found(back: LogBack) -> None:
    for service in ("console", "automation", "a|b", "consol"):
        back.write([entry(1, service)], service_name=service)

    assert sorted(lines(back, services=("console", "a|b"))) == ["a|b", "console"]


def test_search_when_one_level_given_then_others_are_left_out(back: LogBack) -> None:
    back.write([entry(1, level, level=level) for level in ("debug", "info", "warning", "error", "critical")])

    assert lines(back, levels=("info",)) == ["info"]


def test_search_when_least_level_given_then_it_and_higher_are_found(back: LogBack) -> None:
    back.write([entry(number, level, level=level) for number, level in enumerate(("info", "warning", "error"))])

    assert lines(back, min_level="warning") == ["warning", "error"]


def test_search_when_logger_given_then_its_children_are_not_meant(back: LogBack) -> None:
    back.write([entry(1, "own", logger="a.b"), entry(2, "child", logger="a.b.c"), entry(3, "dot", logger="axb")])

    assert lines(back, logger="a.b") == ["own"]


def test_search_when_trace_given_in_upper_case_then_its_lines_are_found(back: LogBack) -> None:
    back.write([entry(1, "in", trace_id=TRACE, span_id=SPAN), entry(2, "out"), entry(3, "other", trace_id="1" * 32)])

    assert lines(back, trace_id=TRACE.upper()) == ["in"]


def test_search_when_field_asked_for_then_lines_without_it_are_left_out(back: LogBack) -> None:
    facts = [entry(1, "fact", fields=(("event_type", "a.b"),)), entry(2, "empty", fields=(("event_type", ""),))]
    back.write([*facts, entry(3, "none"), entry(4, "named", fields=(("note", 'has "event_type" in it'),))])

    assert lines(back, has_field="event_type") == ["fact"]


@pytest.mark.parametrize("text", ["Filled", "order", "lle", "of 5%", "e", "F", "Fi", "_", "%"])
def test_search_when_text_given_then_letters_and_case_count(back: LogBack, text: str) -> None:
    every = ["order Filled", "order filled", "5% of 50_000", "of 5%"]
    back.write([entry(number, line) for number, line in enumerate(every)])

    assert lines(back, text=text) == [line for line in every if text in line]


@pytest.mark.parametrize("newest_first", [True, False])
def test_search_when_more_than_the_limit_then_the_asked_end_is_kept_and_it_says_so(
    back: LogBack,
    newest_first: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    back.write([entry(number, str(number)) for number in range(5)])

    found = back.reader.search(_query(limit=2, newest_first=newest_first))

    assert ([line.line for line in found], found.truncated) == (["4", "3"] if newest_first else ["0", "1"], True)


def test_search_when_as_many_as_the_limit_then_nothing_is_truncated(back: LogBack) -> None:
    back.write([entry(number, str(number)) for number in range(3)])

    assert not back.reader.search(_query(limit=3)).truncated


def test_search_when_lines_share_a_moment_then_order_is_by_content(back: LogBack) -> None:
    back.write([entry(1, line) for line in ("c", "a", "b")])

    assert lines(back) == ["a", "b", "c"]


def test_search_when_a_batch_was_written_twice_then_each_line_is_there_once(back: LogBack) -> None:
    batch = [entry(1, "a", fields=(("k", "v"),)), entry(1, "a", fields=(("k", "w"),)), entry(1, "b"), entry(2, "a")]
    back.write(batch)
    back.write(batch)

    assert lines(back) == ["a", "a", "b", "a"]


def test_search_when_nothing_matches_then_answer_is_empty(back: LogBack) -> None:
    assert back.reader.search(_query(services=("nobody",))) == []


WINDOWS = count(1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(HOSTILE, max_size=5), other=HOSTILE, cut=st.tuples(st.integers(0, 8), st.integers(1, 8)))
@example(written=["ab\0cdef", 'say "yes" AND no'], other='"yes" AND', cut=(3, 4))
@example(written=["\ud800tail", "\ufffdtail"], other="\ud800ta", cut=(0, 3))
def test_search_when_text_is_hostile_then_exactly_the_lines_that_hold_it_are_found(
    shared_back: LogBack, written: list[str], other: str, cut: tuple[int, int]
) -> None:
    begin = 4_000 + 10 * next(WINDOWS)
    shared_back.write([entry(begin + number * 0.001, line) for number, line in enumerate(written)])
    part = written[0][cut[0] : cut[0] + cut[1]] if written else ""
    for text in (other, part):
        found = lines(shared_back, start=at(begin), end=at(begin + 10), text=text)
        assert found == [storable(line) for line in written if storable(text) in storable(line)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(HOSTILE.map(storable).filter(bool), min_size=2, max_size=3, unique=True))
def test_search_when_service_and_logger_are_hostile_then_they_only_match_themselves(
    shared_back: LogBack, names: list[str]
) -> None:
    begin = 4_000 + 10 * next(WINDOWS)
    for name in names:
        shared_back.write([entry(begin, name, logger=name)], service_name=name)
    window = {"start": at(begin), "end": at(begin + 10)}

    assert lines(shared_back, **window, services=(names[0],), logger=names[0]) == [names[0]]
    assert lines(shared_back, **window, services=(names[0], ".*"), logger=names[1]) == []
    assert sorted(lines(shared_back, **window, services=tuple(names))) == sorted(names)


@pytest.mark.parametrize("newest_first", [True, False])
def test_search_when_loki_gives_small_pages_then_nothing_is_lost_or_doubled(newest_first: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    with FakeLoki(max_entries=7) as server:
        back = LokiLogs(server.url, page_lines=7)
        # Three lines a moment: pages end in the middle of one.
        back.write([entry(number // 3, f"{number:03}") for number in range(50)])
        found = back.reader.search(_query(newest_first=newest_first))

    assert [line.line for line in found] == sorted((f"{n:03}" for n in range(50)), reverse=newest_first)


def test_search_when_one_moment_fills_more_than_a_page_then_answer_says_that_it_is_cut() -> None:
    with FakeLoki(max_entries=5) as server:
        back = LokiLogs(server.url, page_lines=5)
        back.write([entry(1, str(number)) for number in range(9)] + [entry(2, "later")])
        found = back.reader.search(_query())

    assert found.truncated
    assert found[-1].line == "later"


def test_search_when_loki_mixes_metadata_into_labels_then_request_asks_it_not_to() -> None:
    with FakeLoki() as server:
        LokiReader(server.url).search(_query())

    assert server.asked[0].headers["x-loki-response-encoding-flags"] == "categorize-labels"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"trace_id": 'x" or 1'}, "32 hexadecimal digits"),
        ({"has_field": 'a!="" | b'}, "not a field name"),
        ({"levels": ("loud",)}, "not a level"),
        ({"levels": ("info",), "min_level": "info"}, "not both"),
        ({"services": ("",)}, "must not be empty"),
        ({"logger": ""}, "must not be empty"),
        ({"limit": 0}, "between 1 and"),
        ({"end": at(0)}, "must be before end"),
        ({"start": at(0).replace(tzinfo=None)}, "time zone"),
        ({"start": at(0).replace(year=1969)}, "before 1970"),
        ({"end": at(0).replace(year=9999)}, "after 2261"),
    ],
)
def test_query_when_it_cannot_be_asked_then_error_says_why(asked: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidQueryError, match=words):
        _query(**asked)
