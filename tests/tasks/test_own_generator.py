"""Tasks of a function that writes one sequence, compiled and in plain Python, written well and in every wrong way."""

import random
import re
from dataclasses import FrozenInstanceError
from typing import Annotated, Literal

import numba
import numpy as np
import pytest

from lstmsim.checks import Field, Whole
from lstmsim.kernels.random import below, normal, uniform
from lstmsim.tasks import check, generator
from lstmsim.tasks.contract import read, same

WAYS = {
    "": "",
    "inputs too long": "writes outside its sequences: index 6 is out of bounds for axis 0 with size 6",
    "input too large": "writes outside its sequences: index 10000000 is out of bounds for axis 0 with size 6",
    "unit too large": "writes outside its sequences: index 2 is out of bounds for axis 1 with size 2",
    "symbol of a task without": "writes outside its sequences: index 0 is out of bounds for axis 0 with size 0",
    "length 0": "sequence 3: the length is 0; allowed: from 2 to max_length=6",
    "length below 0": "sequence 3: the length is -9; allowed: from 2 to max_length=6",
    "length too large": "sequence 3: the length is 7; allowed: from 2 to max_length=6",
    "length too small": "sequence 3: the length is 1; allowed: from 2 to max_length=6",
    "no target": "sequence 3: no step has a target; allowed: at least one seq.learn(t, k, value)",
    "some outputs": "sequence 3: some outputs alone have a target at step 1; allowed: all 2 or none",
    "late target": "sequence 3: a target is set at step 4, after the end; allowed: steps before the length",
    "target step too large": "sequence 3: a target is set at step 6; allowed: from 0 to 5, as max_length=6",
    "target step below 0": "sequence 3: a target is set at step -1; allowed: from 0 to 5",
    "output too large": "sequence 3: a target is set for output 2 at step 1; allowed: from 0 to 1",
    "target NaN": "sequence 3: the target of output 1 at step 1 is not finite; allowed: finite numbers",
    "input NaN": "sequence 3: input[1, 1] is not finite; allowed: finite numbers",
    "input infinite": "sequence 3: input[0, 1] is not finite; allowed: finite numbers",
    "judged NaN": "sequence 3: the target of output 0 at step 1 is not finite",
}
NUMBERS = {way: number for number, way in enumerate(WAYS)}


def wrong(seq, key, way=0, noise=0.5, twice=False):
    """Write sequences of 4 steps, half of them in a wrong way."""
    bad = way if below(key, 0, 2) == 1 else 0
    for t in range(4):
        seq.input[t, 0] = uniform(key, t + 1) + noise * normal(key, t + 10)
    seq.learn(3, 0, 1.0)
    seq.learn(3, 1, 2.0)
    length = 4
    if bad == 1:
        for t in range(9):
            seq.input[t, 0] = 1.0
    if bad == 2:
        seq.input[10_000_000, 0] = 1.0
    if bad == 3:
        seq.input[0, 2] = 1.0
    if bad == 4:
        seq.symbol[0] = 1
    if bad == 5:
        length = 0
    if bad == 6:
        length = -9
    if bad == 7:
        length = 7
    if bad == 8:
        length = 1
    if bad == 9:
        seq.learned[:] = np.nan
    if bad == 10:
        seq.learn(1, 0, 1.0)
    if bad == 11:
        seq.learn(4, 0, 1.0)
        seq.learn(4, 1, 1.0)
    if bad == 12:
        seq.learn(6, 0, 1.0)
    if bad == 13:
        seq.learn(-1, 0, 1.0)
    if bad == 14:
        seq.learn(1, 2, 1.0)
    if bad == 15:
        seq.learn(1, 1, np.nan)
    if bad == 16:
        seq.input[1, 1] = np.nan
    if bad == 17:
        seq.input[0, 1] = np.inf
    if bad == 18:
        seq.judge(1, 0, np.inf)
    return length


SIZES = {"n_inputs": 2, "n_outputs": 2, "max_length": 6, "min_length": 2, "tolerance": 0.3}
COMPILED, PLAIN = (generator(compiled=compiled, **SIZES)(wrong) for compiled in (True, False))


@generator(symbols=4, n_outputs=1, max_length=lambda delay: delay + 1, tolerance=0.3)
def match(seq, key, delay: Annotated[Whole, Field(ge=1)] = 3):
    """Was the symbol shown first the same as the one shown now?"""
    for t in range(1, delay):
        seq.symbol[t] = 2 + below(key, t + 2, 2)
    seq.symbol[0], seq.symbol[delay] = below(key, 0, 2), below(key, 1, 2)
    seq.learn(delay, 0, seq.symbol[0] == seq.symbol[delay])
    return delay + 1


@generator(n_inputs=1, n_outputs=2, max_length=9, compiled=False)
def walk(seq, key):
    """Yield steps."""
    rng = np.random.default_rng(key)
    for t in range(rng.integers(1, 10)):
        yield rng.normal(), [t, 2.0] if t % 2 == 0 else None


@generator(n_inputs=1, n_outputs=1, max_length=20)
def noisy(seq, key):
    """Learn what is judged without its noise, at every step."""
    length = 1 + below(key, 0, 20)
    for t in range(length):
        seq.input[t, 0] = uniform(key, 2 * t + 1)
        seq.learn(t, 0, seq.input[t, 0] + 0.1 * normal(key, 2 * t + 2))
        if t % 3 == 0:
            seq.judge(t, 0, seq.input[t, 0])
    return length


@pytest.mark.parametrize("task", [match(), match(delay=7), noisy(), walk()], ids=str)
def test_they_keep_the_contract(task):
    check(task)


def test_what_is_written_is_what_is_read():
    task = match(delay=5)
    assert (task.n_inputs, task.n_outputs, task.max_length, task.name) == (4, 1, 6, "match")
    for sequence in read(task, 50):
        symbol = sequence.inputs
        assert set(symbol[[0, 5]]) <= {0, 1}
        assert set(symbol[1:5]) <= {2, 3}
        assert np.isnan(sequence.learned[:5]).all()
        assert sequence.learned[5, 0] == sequence.judged[5, 0] == (symbol[0] == symbol[5])


def test_targets_at_every_step_and_judged_by_something_else():
    for sequence in read(noisy(), 200):
        steps = np.arange(sequence.length)
        clean = steps % 3 == 0
        assert np.isfinite(sequence.learned).all()
        assert (sequence.judged[clean] == sequence.inputs[clean]).all()
        assert (sequence.judged[~clean] == sequence.learned[~clean]).all()
        assert (sequence.learned != sequence.inputs).all()


def test_compiled_and_plain_write_the_same():
    assert same(read(COMPILED(noise=0.25), 30), read(PLAIN(noise=0.25), 30))


@pytest.mark.parametrize("task", [COMPILED, PLAIN], ids=["compiled", "plain"])
@pytest.mark.parametrize("way", list(WAYS)[1:])
def test_what_is_wrong_is_refused(task, way):
    told = re.sub(r"^sequence 3", r"sequence \\d+", re.escape(WAYS[way]).replace(r"\ ", " "))
    with pytest.raises(ValueError, match=f"^task 'wrong',? {told}"):
        read(task(way=NUMBERS[way]), 20)


@pytest.mark.parametrize(("value", "told"), [(500_000_000, "is 500000000"), (-2, "is -2"), (-1, "is not written")])
def test_symbols_are_checked(value, told):
    with pytest.raises(ValueError, match=re.escape(f"symbol[1] {told}; allowed: from 0 to 2")):
        read(named(value=value), 1)


@generator(symbols=3, n_outputs=1, max_length=4)
def named(seq, key, value=0):
    """Write two symbols."""
    seq.symbol[0], seq.symbol[1] = 2, value
    seq.learn(1, 0, 1)
    return 2


def nothing(seq, key):
    seq.learn(0, 0, 1.0)


def fraction(seq, key):
    return 2.5


def misspelt(seq, key):
    seq.inputs[0, 0] = 1.0
    return 1


def half(seq, key):
    seq.learn(0.5, 0, 1.0)
    return 1


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (nothing, "nothing returns nothing; allowed: the length, a whole number of steps"),
        (fraction, "fraction returns float64; allowed: the length, a whole number of steps"),
        (misspelt, "task 'misspelt' cannot be compiled: Unknown attribute 'inputs' of type seq"),
        (half, "task 'half' cannot be compiled: seq.learn: t is float64; allowed: a whole number"),
    ],
)
def test_what_does_not_compile_is_told_in_one_line(function, told):
    task = generator(n_inputs=1, n_outputs=1, max_length=3)(function)()
    with pytest.raises(ValueError, match=re.escape(told)) as error:
        task.sequence(0, 0, 0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("function", "told"), [(nothing, "is None; allowed: a whole number"), (fraction, "is 2.5")])
def test_plain_functions_return_lengths(function, told):
    with pytest.raises(ValueError, match=told):
        generator(n_inputs=1, n_outputs=1, max_length=3, compiled=False)(function)().sequence(0, 0, 0)


def test_what_a_function_raises_is_its_own():
    @generator(n_inputs=1, n_outputs=1, max_length=3, compiled=False)
    def failing(seq, key):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        failing().sequence(0, 0, 0)


@numba.njit
def helper(seq):
    seq.input[0, 0] = np.random.normal()  # noqa: NPY002


def numpys(seq, key):
    seq.input[0, 0] = np.random.random()  # noqa: NPY002
    return 1


def numpys_generator(seq, key):
    rng = np.random.default_rng(3)
    seq.input[0, 0] = rng.normal()
    return 1


def pythons(seq, key):
    seq.input[0, 0] = random.random()
    return 1


def hidden(seq, key):
    helper(seq)
    return 1


@pytest.mark.parametrize("function", [numpys, numpys_generator, pythons, hidden])
def test_random_numbers_that_cannot_be_repeated_are_refused_in_one_line(function):
    told = r"uses (np\.random|the module random); allowed: below, uniform and normal of lstmsim\.kernels\.random, draw n of"
    with pytest.raises(ValueError, match=told) as error:
        generator(n_inputs=1, n_outputs=1, max_length=3)(function)
    assert "\n" not in str(error.value)


def test_parameters_are_settings():
    assert match(delay=np.int64(4)) == match(delay=4)
    assert hash(match(delay=4)) == hash(match(delay=4)) != hash(match())
    with pytest.raises(ValueError, match="delay is 0; allowed: a whole number of at least 1"):
        match(delay=0)
    with pytest.raises(ValueError, match=r"delay is 2.5; allowed"):
        match(delay=2.5)
    with pytest.raises(ValueError, match="unknown setting 'dealy'; did you mean 'delay'"):
        match(dealy=3)
    with pytest.raises(FrozenInstanceError):
        match().delay = 3
    with pytest.raises(ValueError, match=r"noise is 'a'; allowed: a finite number"):
        COMPILED(noise="a")
    with pytest.raises(ValueError, match="twice is 1; allowed: True, False"):
        COMPILED(twice=1)


@generator(n_inputs=1, n_outputs=1, max_length=3, compiled=False)
def hinted(seq, key, one: Literal[1, 2] = 1, some: int | None = None, few: Annotated[int, Field(le=3)] = 3):
    """One output to learn at the last of three steps."""
    seq.learn(2, 0, 1.0)
    return 3


@pytest.mark.parametrize("name", ["one", "some", "few"])
@pytest.mark.parametrize("value", [True, np.True_, 1.0, "2"])
def test_parameters_are_what_their_types_say(name, value):
    assert getattr(hinted(**{name: np.int64(2)}), name) == 2
    with pytest.raises(ValueError, match=f"{name} is .*; allowed: "):
        hinted(**{name: value})


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"n_outputs": 1, "max_length": 3}, "symbols is None; allowed: either n_inputs or symbols"),
        ({"n_inputs": 1, "symbols": 1, "n_outputs": 1, "max_length": 3}, "symbols is 1; allowed: either"),
        ({"n_inputs": 0, "n_outputs": 1, "max_length": 3}, "n_inputs is 0; allowed: a whole number from 1"),
        ({"symbols": 1.5, "n_outputs": 1, "max_length": 3}, "symbols is 1.5; allowed: a whole number from 1"),
        ({"n_inputs": 1, "n_outputs": True, "max_length": 3}, "n_outputs is True; allowed: a whole number from 1"),
        ({"n_inputs": 1, "n_outputs": 1, "max_length": 0}, "max_length is 0; allowed: a whole number from 1"),
        (
            {"n_inputs": 1, "n_outputs": 1, "max_length": 3, "tolerance": 0},
            "tolerance is 0; allowed: a finite number above 0",
        ),
        ({"n_inputs": 1, "n_outputs": 1, "max_length": 3, "ranking": 1}, "ranking is 1; allowed: True, False"),
        ({"n_inputs": 1, "n_outputs": 1, "max_length": 3, "compiled": 1}, "compiled is 1; allowed: True, False"),
    ],
)
def test_sizes_are_checked(sizes, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        generator(**sizes)


def test_sizes_of_parameters_are_checked():
    with pytest.raises(ValueError, match="max_length is -2; allowed: a whole number from 1"):
        generator(n_inputs=1, n_outputs=1, max_length=lambda way: way - 2)(wrong)()
    with pytest.raises(ValueError, match="min_length is 9; allowed: at most max_length=3"):
        generator(n_inputs=1, n_outputs=1, max_length=3, min_length=9)(wrong)()


def test_functions_are_checked():
    make = generator(n_inputs=1, n_outputs=1, max_length=3)
    with pytest.raises(ValueError, match="allowed: def <lambda>"):
        make(lambda seq: 1)
    with pytest.raises(ValueError, match="width of <lambda> has no type; allowed: a default value or an annotation"):
        make(lambda seq, key, width: 1)
    with pytest.raises(ValueError, match="a parameter is 'max_length'; allowed: a name that a task does not have itself"):
        make(lambda seq, key, max_length=3: 1)
    with pytest.raises(ValueError, match="yields; allowed: a function that returns the length, or compiled=False"):
        make(yielding)


def yielding(seq, key):
    yield 1.0, None
