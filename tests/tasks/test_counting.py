"""a^n b^n and a^n b^n c^n: strings, targets, the n of tests."""

import numpy as np
import pytest

from lstmsim.tasks.counting import Counting
from tests.tasks.reading import check_whole, read


def expected(letters, n):
    """Inputs and targets, read off the string with its start and end."""
    word = "".join(letter * n for letter in "abc"[:letters])
    order = {symbol: k for k, symbol in enumerate("abc"[:letters] + "T")}
    targets = []
    for seen, following in zip("S" + word, word + "T", strict=True):
        may = "ab" if seen == "a" else following
        targets.append([float(symbol in may) for symbol in order])
    return [0, *(1 + order[symbol] for symbol in word)], targets


@pytest.mark.parametrize("letters", [2, 3])
def test_tests_have_every_n_once(letters):
    (task,) = Counting(letters, tested=30).test_sets()
    for n, one in enumerate(read(task, 30), start=1):
        inputs, targets = expected(letters, n)
        assert one.inputs.tolist() == inputs
        np.testing.assert_array_equal(one.learned, targets)


def test_training_has_all_small_n_equally_often():
    check_whole([(one.length - 1) // 2 for one in read(Counting(), 2000)], 1, 10)
