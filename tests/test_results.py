"""Fractions solved with their intervals, sequences needed, and settings as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmsim.report.results import Reached, value_text, wilson
from lstmsim.simulation.config import parse_assignment


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe (1998), table I, method 3; and the ends.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_fraction(case):
    low, high = wilson(*case)
    assert 0.0 <= low <= case[0] / case[1] <= high <= 1.0


@pytest.mark.parametrize("case", [(1, 0), (-1, 3), (4, 3), (0, 0)])
def test_wilson_refuses(case):
    with pytest.raises(ValueError, match="successes is"):
        wilson(*case)


def test_reached_without_and_with_trials():
    attrs = [{"sequences_to_success": n} for n in (-1, 30, 10)]
    reached = Reached.of(attrs, "success")
    assert (reached.n, reached.trials, reached.mean, reached.range, reached.ratio(40)) == (2, 3, 20.0, (10, 30), 0.5)
    none = Reached.of([], "success")
    assert (none.n, none.mean, none.range, none.ratio(40)) == (0, None, None, None)


@pytest.mark.parametrize(
    "value", [None, True, False, 3, -0.25, 1e-7, "F", "none", "true", "two words", [1, 2.5], ["a", "b"], "3"]
)
def test_values_come_back_from_their_text(value):
    key, back = parse_assignment(f"key={value_text(value)}")
    assert (key, back) == ("key", value)
    assert type(back) is type(value)
