"""The same fault reads the same, and holds no secret."""

import pytest

from services.content.knowledge.normalising import LONGEST_SIGNATURE, Normaliser, template_of
from services.content.knowledge.patterns import LONGEST_TEXT
from services.contracts.knowledge import MatchQuery


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("insufficient qty (requested: 10, available: 7.5)", "insufficient qty (requested: <n>, available: <n>)"),
        ("order 61e69015-8549-4bfd-b9c3-01e75843f47d not found", "order <id> not found"),
        ("no answer from https://paper-api.alpaca.markets/v2/orders?x=1 in 5 s", "no answer from <url> in <n> s"),
        ("at 2026-11-25T07:05:27.123Z and 2026-11-25", "at <time> and <date>"),
        ("cannot connect to 127.0.0.1:4222", "cannot connect to <host>"),
        ("cannot open /var/lib/sightline/db/content.db", "cannot open <path>"),
        ("trace 4bf92f3577b34da6a3ce929d0e0e4736 failed", "trace <id> failed"),
        ("asset 'AAPL' is not tradable", "asset <text> is not tradable"),
        ("it's 3 o'clock", "it's <n> o'clock"),
        ("cost basis must be >= minimal amount of order 1", "cost basis must be >= minimal amount of order <n>"),
        ("$1,234.50 and -7", "<n> and <n>"),
        ("worker-17 ended with SIGKILL", "worker-<n> ended with SIGKILL"),
        ("dead beef is no id, nor is facade", "dead beef is no id, nor is facade"),
    ],
)  # fmt: skip
def test_template_when_parts_vary_then_they_are_taken_out(text: str, template: str) -> None:
    assert template_of(text) == template


def test_template_when_made_again_then_it_stays() -> None:
    once = template_of("order 7 at 10.0.0.1 took 2.5 s from '/a/b'")
    assert template_of(once) == once


def test_signature_when_only_variable_parts_differ_then_it_is_the_same() -> None:
    told = Normaliser().signature
    first = told(MatchQuery(text="Order 7 failed\n at 10.0.0.1", venue="alpaca", http_status=403))
    second = told(MatchQuery(text="order 4711 failed at   10.0.0.2", venue="Alpaca", http_status=403))
    assert first.id == second.id
    assert first.id != told(MatchQuery(text="Order 7 failed at 10.0.0.1", venue="alpaca", http_status=422)).id


def test_signature_when_the_text_holds_a_secret_then_it_is_gone() -> None:
    signature = Normaliser().signature(MatchQuery(text="login refused, password=hunter2-canary and code 123456"))
    assert "hunter2" not in signature.text + signature.template
    assert "123456" not in signature.text + signature.template


def test_signature_when_the_text_is_long_then_it_is_cut() -> None:
    signature = Normaliser().signature(MatchQuery(text="word " * 700))
    assert (len(signature.text) <= LONGEST_TEXT, len(signature.template) <= LONGEST_SIGNATURE) == (True, True)
