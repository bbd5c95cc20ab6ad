"""Parameters: what is accepted, and in which words the rest is refused."""

import pytest

from services.trading.strategies.parameters import (
    Below,
    Choice,
    EmptySpaceError,
    Integer,
    ParameterError,
    ParameterSpace,
    Real,
    UnknownParameterError,
)

SPACE = ParameterSpace(
    (
        Integer(name="fast", low=2, high=6, default=3, step=2),
        Integer(name="slow", low=4, high=8, default=5, step=2),
        Real(name="stop", low=0.0, high=0.2, default=0.1, step=0.1),
        Choice(name="side", options=("long", "both"), default="long"),
    ),
    (Below("fast", "slow"),),
)


def test_what_is_not_given_is_the_default() -> None:
    assert SPACE.check({"fast": 2}) == {"fast": 2, "slow": 5, "stop": 0.1, "side": "long"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"quick": 2}, "there is no parameter quick; there are fast, side, slow, stop"),
        ({"fast": 7}, "fast lies between 2 and 6, not at 7"),
        ({"fast": 2.5}, "fast is a whole number, not 2.5"),
        ({"fast": True}, "fast is a whole number, not True"),
        ({"stop": float("nan")}, "stop is a number, not nan"),
        ({"stop": "tight"}, "stop is a number, not 'tight'"),
        ({"side": "short"}, "side is one of long, both, not 'short'"),
        ({"fast": 6, "slow": 4}, "this does not hold: fast is below slow"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(given: dict[str, float | str], words: str) -> None:
    with pytest.raises(ParameterError) as refused:
        SPACE.check(given)

    assert str(refused.value) == words


def test_a_grid_holds_every_setting_that_keeps_the_constraints() -> None:
    points = SPACE.grid()

    assert len(points) == (3 * 3 - 3) * 3 * 2
    assert all(SPACE.allows(point) for point in points)


def test_a_grid_that_is_too_large_is_refused() -> None:
    space = ParameterSpace(tuple(Integer(name=name, low=1, high=101, default=1) for name in "abc"))

    with pytest.raises(ParameterError, match="1,030,301 points"):
        space.grid()


def test_narrower_bounds_keep_type_and_constraints() -> None:
    space = SPACE.narrowed({"fast": (4, 100), "stop": (0.15, 0.2)})

    assert space.default == {"fast": 4, "slow": 5, "stop": 0.15, "side": "long"}
    assert not space.allows({"fast": 6, "slow": 6})


@pytest.mark.parametrize("bounds", [{"fast": (7, 9)}, {"fast": (5, 4)}, {"fast": (6, 6), "slow": (4, 5)}])
def test_a_space_without_a_point_is_refused(bounds: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(EmptySpaceError):
        SPACE.narrowed(bounds)


def test_bounds_of_what_has_none_are_refused() -> None:
    with pytest.raises(UnknownParameterError, match="side has no bounds"):
        SPACE.narrowed({"side": (0, 1)})


def test_two_parameters_of_one_name_are_refused() -> None:
    with pytest.raises(ParameterError, match="same name"):
        ParameterSpace((Integer(name="a", low=1, high=2, default=1), Integer(name="a", low=1, high=2, default=1)))


def test_defaults_that_break_a_constraint_are_refused() -> None:
    with pytest.raises(EmptySpaceError, match="default"):
        ParameterSpace(
            (Integer(name="a", low=1, high=2, default=2), Integer(name="b", low=1, high=2, default=1)),
            (Below("a", "b"),),
        )
