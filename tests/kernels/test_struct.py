"""Structs as kernels take them."""

import numpy as np
import pytest

from lstmsim.kernels.compile import kernel
from lstmsim.kernels.struct import Struct


def pair(first, second):
    """A struct class of one name, with two arrays of given names."""
    return type("Pair", (Struct,), {"__annotations__": {first: object, second: object}})


@kernel
def first_of(pair):
    """The number in the first array."""
    return pair.left[0]


def test_structs_of_one_name_are_told_apart_by_their_fields():
    one, other = (np.array([1.0]), np.array([2.0]))
    numbers = pair("number", "next")(one, other)
    sides = pair("left", "right")(one, other)
    turned = pair("right", "left")(one, other)
    assert len({numbers.type, sides.type, turned.type}) == 3
    assert first_of(sides) == 1.0
    assert first_of(turned) == 2.0


def test_a_number_that_no_word_holds_is_refused():
    """Beside it the addresses of arrays would become floats."""
    with pytest.raises(OverflowError):
        pair("left", "count")(np.array([1.0]), 2**63)


def test_a_field_does_not_take_the_place_of_what_every_struct_has():
    with pytest.raises(TypeError, match="Mine has fields \\['address', 'memory'\\]"):

        class Mine(Struct):
            address: int
            memory: int
            block: int
