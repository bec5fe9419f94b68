"""Mozer's gaps: the two strings."""

import pytest

from lstmsim.tasks.gap import Gap
from tests.tasks.reading import check_fraction, read

NAMES = "XYABCDEFGHIJK"


@pytest.mark.parametrize(
    ("gap", "expected"), [(0, "XXABCDEFGHIJK"), (2, "XABXCDEFGHIJK"), (10, "XABCDEFGHIJXK"), (11, "XABCDEFGHIJKX")]
)
def test_the_two_strings(gap, expected):
    made = read(Gap(gap), 400)
    strings = [NAMES[one.inputs[0]] + "".join(NAMES[row.argmax()] for row in one.learned) for one in made]
    assert set(strings) == {expected, expected.replace("X", "Y")}
    assert all("".join(NAMES[s] for s in one.inputs) == string[:-1] for one, string in zip(made, strings, strict=True))
    check_fraction(sum(string[0] == "X" for string in strings), 400, 0.5)
