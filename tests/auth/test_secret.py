import copy
import json
import pickle
import threading

import pytest

from services.auth.errors import SecretSpentError
from services.auth.secret import OneTimeCode, Secret


@pytest.mark.parametrize("guarded", [Secret("hunter2hunter2"), OneTimeCode("123456")], ids=["secret", "code"])
def test_guarded_value_when_shown_then_it_is_masked_everywhere(guarded: Secret | OneTimeCode) -> None:
    shown = (repr(guarded), str(guarded), f"{guarded}", f"{guarded:>3}", "%s %r" % (guarded, guarded), repr([guarded]))  # noqa: UP031 -- this way of formatting too
    assert shown == ("***", "***", "***", "***", "*** ***", "[***]")


@pytest.mark.parametrize("guarded", [Secret("hunter2hunter2"), OneTimeCode("123456")], ids=["secret", "code"])
@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, hash, vars])
def test_guarded_value_when_something_would_carry_it_away_then_a_type_error_is_raised(
    guarded: object, leak: object
) -> None:
    assert callable(leak)
    with pytest.raises(TypeError):
        leak(guarded)


def test_secret_when_used_then_the_function_gets_the_text() -> None:
    assert Secret("hunter2hunter2").use(len) == 14


def test_secrets_when_compared_then_equal_texts_are_equal() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_secret_when_it_holds_half_a_character_then_it_is_refused_without_the_text() -> None:
    with pytest.raises(ValueError, match="UTF-8") as refused:
        Secret("hunter2\udc80")
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_code_when_revealed_twice_then_the_second_time_is_refused() -> None:
    code = OneTimeCode("123456")
    assert code.reveal() == "123456"
    with pytest.raises(SecretSpentError):
        code.reveal()


def test_code_when_revealed_by_many_threads_then_one_gets_it() -> None:
    code, got, barrier = OneTimeCode("123456"), [], threading.Barrier(8)

    def take() -> None:
        barrier.wait()
        try:
            got.append(code.reveal())
        except SecretSpentError:
            got.append("refused")

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == ["123456"] + ["refused"] * 7
