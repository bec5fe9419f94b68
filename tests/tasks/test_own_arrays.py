"""Tasks of recordings: every form they may have, and every way in which they may not fit."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lstmsim.tasks import ArrayTask, check
from lstmsim.tasks.contract import read

RANDOM = np.random.default_rng(5)
INPUTS = RANDOM.normal(size=(6, 9, 2))
TARGETS = np.full((6, 9, 1), np.nan)
TARGETS[:, -1], TARGETS[::2, 3] = RANDOM.normal(size=(6, 1)), 0.5
LENGTHS = 3, 9, 4, 1
LISTED = [RANDOM.normal(size=(n, 2)) for n in LENGTHS]
DAYS = pd.date_range("2020-01-01", periods=20)
FRAME = pd.DataFrame(RANDOM.normal(size=(20, 3)), DAYS, ["a", "b", "c"])


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    "task",
    [
        ArrayTask(INPUTS, TARGETS, tolerance=0.3),
        ArrayTask(INPUTS, TARGETS, in_order=True),
        ArrayTask(LISTED, [np.arange(n) for n in LENGTHS]),
        ArrayTask(FRAME[["a", "b"]], FRAME["c"]),
        ArrayTask(INPUTS),
    ],
    ids=["array", "in order", "list", "pandas", "next step"],
)
def test_they_keep_the_contract(task):
    check(task)


def test_sequences_are_those_of_the_arrays():
    task = ArrayTask(INPUTS, TARGETS)
    assert (task.n_inputs, task.n_outputs, task.max_length, task.min_length) == (2, 1, 9, 9)
    seen = set()
    for sequence in read(task, 100):
        number = next(n for n in range(6) if np.array_equal(sequence.inputs, INPUTS[n]))
        seen.add(number)
        assert np.array_equal(sequence.learned, TARGETS[number], equal_nan=True)
        assert np.array_equal(sequence.judged, TARGETS[number], equal_nan=True)
    assert seen == set(range(6))


def test_in_order():
    for number, sequence in enumerate(read(ArrayTask(INPUTS, TARGETS, in_order=True), 13)):
        assert np.array_equal(sequence.inputs, INPUTS[number % 6])


def test_unequal_lengths():
    task = ArrayTask(LISTED, [np.full((n, 1), n) for n in LENGTHS], in_order=True)
    assert (task.max_length, task.min_length) == (9, 1)
    for given, sequence in zip(LISTED, read(task, 4), strict=True):
        assert np.array_equal(given, sequence.inputs)
        assert (sequence.learned == len(given)).all()


def test_without_targets_the_next_step_is_learned():
    for number, sequence in enumerate(read(ArrayTask(INPUTS, in_order=True), 6)):
        assert np.array_equal(sequence.inputs, INPUTS[number, :-1])
        assert np.array_equal(sequence.learned, INPUTS[number, 1:])


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (list(INPUTS), list(TARGETS)),
        (INPUTS.tolist(), TARGETS.tolist()),
        (xr.DataArray(np.moveaxis(INPUTS, 0, 2), dims=("step", "input", "sequence")), TARGETS),
        (INPUTS, xr.DataArray(TARGETS[:, :, 0], dims=("sequence", "step"))),
        ([xr.DataArray(piece, dims=("step", "input")) for piece in INPUTS], [pd.Series(piece[:, 0]) for piece in TARGETS]),
        (INPUTS, [piece[:, 0] for piece in TARGETS]),
    ],
)
def test_forms_of_the_same_data_are_the_same_task(inputs, targets):
    assert ArrayTask(inputs, targets) == ArrayTask(INPUTS, TARGETS)
    assert hash(ArrayTask(inputs, targets)) == hash(ArrayTask(INPUTS, TARGETS))


def test_other_data_are_another_task():
    task = ArrayTask(INPUTS, TARGETS)
    assert task != ArrayTask(INPUTS + 1, TARGETS)
    assert task != ArrayTask(INPUTS, TARGETS, tolerance=0.1)
    assert dataclasses.replace(task, tolerance=0.1) == ArrayTask(INPUTS, TARGETS, tolerance=0.1)


def test_later_changes_of_the_arrays_change_nothing():
    inputs = INPUTS.copy()
    task = ArrayTask(inputs, TARGETS)
    inputs[:] = np.nan
    assert task == ArrayTask(INPUTS, TARGETS)
    assert len(read(task, 3)) == 3


def test_test_sets():
    (own,) = ArrayTask(INPUTS, TARGETS, test=(INPUTS[:2, :5] + 1, TARGETS[:2, 4:]), tolerance=0.2).test_sets()
    assert own == ArrayTask(INPUTS[:2, :5] + 1, TARGETS[:2, 4:], tolerance=0.2, in_order=True)
    (same,) = ArrayTask(INPUTS, TARGETS).test_sets()
    assert same == ArrayTask(INPUTS, TARGETS, in_order=True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((INPUTS[0], TARGETS[0]), "the shape of inputs is (9, 2); allowed: an array (sequence, step, input), a list"),
        ((INPUTS, TARGETS[0]), "the shape of targets is (9, 1); allowed: an array (sequence, step, output), a list"),
        (([], []), "the number of sequences of inputs is 0; allowed: at least 1"),
        ((INPUTS[:0], TARGETS[:0]), "the number of sequences of inputs is 0; allowed: at least 1"),
        ((INPUTS[:, :0], TARGETS[:, :0]), "the shape of sequence 0 of inputs is (0, 2); allowed: (step, input)"),
        ((INPUTS, TARGETS[:5]), "sequences of targets is 5; allowed: 6, as inputs has"),
        ((INPUTS, TARGETS[:, 1:]), "steps of sequence 0 of targets is 8; allowed: 9, as inputs has"),
        ((LISTED, [np.zeros(n) for n in (3, 9, 5, 1)]), "steps of sequence 2 of targets is 5; allowed: 4, as inputs has"),
        (([*LISTED, np.zeros((3, 1))], TARGETS), "units of sequence 4 of inputs is 1; allowed: 2, as in sequence 0"),
        (
            (changed(INPUTS, (2, 4, 1), np.nan), TARGETS),
            "inputs is not finite at step 4 of sequence 2, and 1 steps in all; ",
        ),
        (
            (changed(INPUTS, (2, 4, 1), np.inf), TARGETS),
            "allowed: finite numbers: leave these steps out, fill them in, or add",
        ),
        ((changed(INPUTS, (2, 4, 1), np.nan),), "inputs is not finite at step 4 of sequence 2"),
        ((INPUTS, changed(TARGETS, 4, np.nan)), "targets has no target in sequence 4; allowed: at least one in each"),
        ((INPUTS, changed(TARGETS, (4, 1), np.inf)), "targets is 'infinite somewhere'; allowed: finite numbers, or NaN"),
        ((INPUTS, np.dstack([TARGETS, INPUTS])), "targets is NaN in some outputs of step 0 of sequence 0; allowed: in all"),
        ((INPUTS[:, :1],), "the length of a sequence of inputs is 1; allowed: at least 2 where the next step is the target"),
        ((3, 4), "inputs is 'int'; allowed: an array (sequence, step, input), a list"),
        (("abc", TARGETS), "inputs is 'str'; allowed: an array"),
        ((["a", "b"], TARGETS), "sequence 0 of inputs is 'str'; allowed: numbers (step, input)"),
        ((FRAME, FRAME["a"].shift(1, freq="D")), "the label of step 0 of sequence 0 of targets is 2020-01-02"),
        ((FRAME, FRAME["a"].to_xarray().rename(index="step").isel(step=slice(None, None, -1))), "is 2020-01-20"),
        (
            (xr.DataArray(INPUTS, dims=("a", "b", "c")), TARGETS),
            "the dimensions of inputs is ('a', 'b', 'c'); allowed: step",
        ),
    ],
)
def test_what_does_not_fit_is_named(arguments, told):
    with pytest.raises(ValueError, match=re.escape(told)) as error:
        ArrayTask(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"test": 3}, "test is 'int'; allowed: two: (inputs, targets)"),
        ({"test": (INPUTS[:, :, :1], TARGETS)}, "units of test[0] is 1; allowed: 2, as in training"),
        ({"test": (INPUTS, INPUTS)}, "units of test[1] is 2; allowed: 1, as in training"),
        ({"test": (INPUTS, TARGETS[:3])}, "sequences of test[1] is 3; allowed: 6, as test[0] has"),
        ({"tolerance": -0.1}, "tolerance is -0.1; allowed: None or a finite number of at least 0"),
        ({"in_order": 1}, "in_order is 1; allowed: True, False"),
        ({"tolerence": 1}, "unknown setting 'tolerence'; did you mean 'tolerance'?"),
    ],
)
def test_options_are_checked(options, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        ArrayTask(INPUTS, TARGETS, **options)
