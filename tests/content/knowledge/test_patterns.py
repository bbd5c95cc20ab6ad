"""No expression of an entry can run for long, whatever text it meets."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.content.knowledge.patterns import LONGEST_TEXT, UnsafePatternError, compiled


@pytest.mark.parametrize(
    "pattern",
    [
        "insufficient (qty|quantity) available",
        r"timed? out after \d{1,5} ?s",
        "rate limit.{0,40}exceeded",
        r"client[_ ]order[_ ]id must be unique",
        "(?:cannot|can not) open",
        r"^asset [A-Z.]{1,10} is not active$",
        "login failed: [a-z_]+",
        r"[\]x]abcdefg",
    ],
)
def test_pattern_when_its_choices_are_few_then_it_is_taken(pattern: str) -> None:
    assert compiled(pattern).pattern == pattern


@pytest.mark.parametrize(
    ("pattern", "because"),
    [
        ("(a+)+ is evil", "repeats, with \\+, a group that itself repeats"),
        ("(a|aa)* is evil", "repeats, with \\*, a group that itself repeats or has alternatives"),
        ("(x{1,3}){2} is evil", "repeats, with \\{2\\}"),
        ("((ab)?c)+ is evil", "repeats, with \\+"),
        ("(?:a{,5}){,9} is evil", "repeats, with \\{,9\\}"),
        (".*refused.*again.*", "ways at each place"),
        (r"a\d+b\w+cdefgh", "ways at each place"),
        ("x?" * 15 + " is evil", "ways at each place"),
        (r"(evil) evil \1", "refers back"),
        ("(?=evil)evil", "a group that begins with"),
        ("(?i)evil evil", "a group that begins with"),
        ("(?P<name>evil) evil", "a group that begins with"),
        ("((evil", "no regular expression"),
        ("a{1,99999999999}evil", "no regular expression"),
        ("(refused)?", "matches a text of no words|says too little"),
        ("no", "says too little"),
        (r"\d{3,9}", "says too little"),
    ],
)
def test_pattern_when_it_could_take_long_or_says_nothing_then_the_words_say_what_to_change(
    pattern: str, because: str
) -> None:
    with pytest.raises(UnsafePatternError, match=because):
        compiled(pattern)


@pytest.mark.parametrize(
    "text",
    ["a" * LONGEST_TEXT, "ab" * (LONGEST_TEXT // 2), "a" * (LONGEST_TEXT - 1) + "!", "limit" * (LONGEST_TEXT // 5)],
)
@pytest.mark.parametrize(
    "pattern",
    [
        "a+ is evil, says the test",
        "a{0,50}a{0,50}a{0,2}!? is evil",
        "limit.{0,80}(?:is|was).{0,60}exceeded",
        "(?:a|b|c|d)(?:a|b|c|d)(?:a|b|c|d)(?:a|b|c|d)(?:a|b|c|d)evil!!",
    ],
)
def test_pattern_when_it_was_taken_then_the_worst_text_ends_within_a_moment(pattern: str, text: str) -> None:
    made = compiled(pattern)
    began = time.perf_counter()
    made.search(text)
    assert time.perf_counter() - began < 1.0


_ATOMS = st.sampled_from(["a", "b", ".", r"\d", "[ab]", "(?:ab)", "(a|b)", "(a+)", "(?:a{2,4}b)", "(a|ab)"])
_QUANTIFIERS = st.sampled_from(["", "?", "*", "+", "{2}", "{0,9}", "{3,}", "+?", "{,4}"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_ATOMS, _QUANTIFIERS), min_size=1, max_size=6))
def test_pattern_when_made_of_anything_then_it_is_refused_or_quick(parts: list[tuple[str, str]]) -> None:
    pattern = "".join(atom + quantifier for atom, quantifier in parts) + "evil!!"
    try:
        made = compiled(pattern)
    except UnsafePatternError:
        return
    began = time.perf_counter()
    made.search("a" * 200 + "b" * 200 + "ab" * 200)
    assert time.perf_counter() - began < 2.0
