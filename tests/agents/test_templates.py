"""Kinds of log lines are told apart by what does not vary, and new or surging ones are found."""

from services.agents.detectors.log_watch import LogWatch
from services.agents.detectors.templates import MOST_TEMPLATES, TemplateMiner, masked
from telemetry.query.ports import LogLine

T0 = 1_772_452_800.0


def line(seconds: float, text: str, *, level: str = "error", service: str = "trading", event: str = "") -> LogLine:
    fields = (("event_type", event),) if event else ()
    return LogLine(int((T0 + seconds) * 1e9), service, "test", level, "services.x", text, "", "", fields)


def test_mask_when_a_line_holds_what_varies_then_only_the_kind_is_left() -> None:
    text = (
        "order sl-01HZX3 at 10.0.0.7:8730 failed after 1.5 s: 'no such' /tmp/x/y.db 2026-03-02T12:00:00Z"
        " 0199f0aa-1111-7000-8000-00000000beef"
    )
    assert masked(text) == "order sl-01HZX3 at <address> failed after <number> s: <text> <path> <time> <id>"


def test_lines_when_they_differ_in_a_word_then_they_are_one_kind() -> None:
    miner = TemplateMiner()
    first, is_new = miner.add("the stream of alpha is lost: timed out after 12 s")
    second, is_new_too = miner.add("the stream of bravo is lost: timed out after 9 s")
    assert (is_new, is_new_too) == (True, False)
    assert second.number == first.number
    assert second.text == "the stream of <*> is lost: timed out after <number> s"


def test_lines_when_they_say_other_things_then_they_are_two_kinds() -> None:
    miner = TemplateMiner()
    assert miner.add("the venue answered 429 too often")[0] is not miner.add("a database stayed locked for long")[0]


def test_miner_when_there_are_too_many_kinds_then_the_oldest_is_forgotten() -> None:
    miner = TemplateMiner()
    words = [
        f"{chr(97 + index % 26)}{chr(97 + index // 26 % 26)}{chr(97 + index // 676)}"
        for index in range(MOST_TEMPLATES + 10)
    ]
    for word in words:
        miner.add(f"{word} happened")
    assert len(miner) == MOST_TEMPLATES
    assert miner.add(f"{words[0]} happened")[1]
    assert not miner.add(f"{words[-1]} happened")[1]


def test_miner_when_it_is_restored_then_it_knows_its_kinds_by_the_same_numbers() -> None:
    miner = TemplateMiner()
    number = miner.add("request failed: database_full")[0].number
    again = TemplateMiner(miner.state())
    template, new = again.add("request failed: database_full")
    assert (template.number, new) == (number, False)


def _quiet(watch: LogWatch, minutes: int) -> float:
    for minute in range(minutes):
        watch.take([line(60 * minute + 5, "request refused: the token has no scope")], T0 + 60 * minute + 60)
    return 60.0 * minutes


def test_watch_when_a_kind_is_new_after_the_warm_up_then_it_is_found() -> None:
    watch = LogWatch()
    now = _quiet(watch, 40)
    watch.take([line(now + each, f"disk {each} is full") for each in (1, 2, 3)], T0 + now + 15)
    (found,) = watch.findings(T0 + now + 15)
    assert (found.new, found.count, found.template) == (True, 3, "disk <number> is full")
    assert found.since == T0 + now + 1


def test_watch_while_it_warms_up_then_nothing_is_new() -> None:
    watch = LogWatch()
    watch.take([], T0)
    watch.take([line(each, "never seen") for each in range(10)], T0 + 15)
    assert watch.findings(T0 + 15) == []


def test_watch_when_a_known_kind_surges_then_it_is_found_until_it_is_rare_again() -> None:
    watch = LogWatch()
    now = _quiet(watch, 60)
    watch.take([line(now + each / 10, "request refused: the token has no scope") for each in range(60)], T0 + now + 15)
    (found,) = watch.findings(T0 + now + 15)
    assert not found.new
    assert found.count >= 60
    watch.take([], T0 + now + 400)
    assert watch.findings(T0 + now + 400) == []


def test_watch_when_a_line_echoes_an_alert_or_an_anomaly_then_it_does_not_count() -> None:
    watch = LogWatch()
    now = _quiet(watch, 40)
    echoes = [line(now + each, "alert Foo fires", event="alerting.alert_fired") for each in range(30)]
    watch.take([*echoes, *(line(now + each, "planned fault", service="venue") for each in range(30))], T0 + now + 60)
    assert watch.findings(T0 + now + 60) == []


def test_watch_when_it_is_restored_then_it_still_knows_what_is_usual() -> None:
    watch = LogWatch()
    now = _quiet(watch, 60)
    again = LogWatch(watch.dump())
    again.take([line(now + each, "request refused: the token has no scope") for each in range(30)], T0 + now + 60)
    (found,) = again.findings(T0 + now + 60)
    assert found.expected > 0
