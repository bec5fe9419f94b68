"""`LSTM` against its literal twin, and what it promises: determinism, resets, weights, refusals."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import lstmsim
from tests.literal import PER_BLOCK, PER_CELL, PER_HIDDEN, PER_OUTPUT, LiteralLSTM

Array = NDArray[np.float64]
Weights = dict[str, Array]

TRACE = ("input", *PER_OUTPUT, *PER_CELL, *PER_BLOCK, "update_norm")  # and where there are hidden units PER_HIDDEN
READINGS = {"factor": "error_factor"}  # what the twin calls otherwise


def randomised(net: lstmsim.LSTM, rng: np.random.Generator, scale: float = 0.7) -> Weights:
    """Give all existing weights of a net values in [-scale, scale]; returns them."""
    weights = {name: rng.uniform(-scale, scale, mask.shape) * mask for name, mask in net.settings.exists.items()}
    net.set_weights(weights)
    return weights


def data(net: Any, rng: np.random.Generator, steps: int, targets: float = 0.5) -> tuple[Array, Array]:
    """Draw inputs, and targets at about this fraction of the steps and at the last one."""
    inputs = rng.uniform(-1.0, 1.0, (steps, net.n_inputs))
    wanted = rng.uniform(0.0, 1.0, (steps, net.n_outputs))
    wanted[:-1][rng.uniform(size=steps - 1) >= targets] = np.nan
    return inputs, wanted


def pair(seed: int, sizes: tuple[int, ...], **how: Any) -> tuple[lstmsim.LSTM, LiteralLSTM]:
    """Make a net and its twin with the same random weights."""
    net = lstmsim.LSTM(*sizes, **{READINGS.get(name, name): value for name, value in how.items()})
    twin = LiteralLSTM(*sizes, **how)
    twin.set_weights(randomised(net, np.random.default_rng(seed)))
    return net, twin


def assert_close(found: Any, expected: Any, what: str = "") -> None:
    """Compare to 1e-12 of the largest number expected, or of 1."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), err_msg=what)
    scale = max(1.0, float(np.nanmax(np.abs(expected), initial=0.0)))
    assert np.nanmax(np.abs(found - expected), initial=0.0) <= 1e-12 * scale, what


def assert_twins(net: lstmsim.LSTM, twin: LiteralLSTM, seed: int, steps: int = 8, sequences: int = 3) -> None:
    """Run both over the same sequences; traces and weights must be the same."""
    rng = np.random.default_rng(seed)
    start = net.weights
    for _ in range(sequences):
        inputs, targets = data(net, rng, steps)
        found, expected = net.run(inputs, targets), twin.run(inputs, targets)
        assert set(found.data_vars) == set(expected) == {*TRACE, *(PER_HIDDEN if net.n_hidden else ())}
        for name in expected:
            assert_close(found[name].values, expected[name], name)
    found_weights, expected_weights = net.weights, twin.weights
    for name, values in expected_weights.items():
        assert_close(found_weights[name], values, name)
    changes = [np.abs(found_weights[name] - start[name]).max() for name in ("cell", "output", "input_gate")]
    assert min(changes) > 1e-7, "the test needs nets that learn"


def same_bits(one: Weights, other: Weights) -> bool:
    """Compare weights bit for bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def everything(net: lstmsim.LSTM) -> list[bytes]:
    """Return all that a net carries, as bytes."""
    return [array.tobytes() for array in net._hand.arrays()]


# Against the literal twin.

MODES: dict[str, dict[str, Any]] = {
    "as in the paper": {},
    "topology B": {"topology": "B"},
    "topology B, hidden": {"topology": "B", "n_hidden": 2},
    "2a": {
        "topology": "B",
        "bias": "none",
        "output_gates": False,
        "cell_input": "f",
        "cell_output": "identity",
        "learning_rate": 0.05,
    },
    "no output gates": {"output_gates": False, "n_hidden": 1},
    "no bias": {"bias": "none"},
    "gate biases": {"bias": "ga", "n_hidden": 2},
    "hidden biases": {"bias": "b1", "n_hidden": 2},
    "hidden units": {"n_hidden": 3},
    "shortcuts": {"shortcuts": True},
    "shortcuts, no bias": {"shortcuts": True, "bias": "none", "n_hidden": 1},
    "cell input f": {"cell_input": "f"},
    "cell output identity": {"cell_output": "identity", "learning_rate": 0.05},
    "identity outputs": {"output": "identity", "learning_rate": 0.05},
    "identity outputs, shortcuts": {"output": "identity", "shortcuts": True, "n_hidden": 1, "learning_rate": 0.05},
    "update at sequence ends": {"update": "sequence"},
    "update at sequence ends, hidden": {"update": "sequence", "n_hidden": 2, "shortcuts": True},
    "no error derivative": {"error_derivative": False},
    "error factor": {"factor": 2.0},
    "error factor, no derivative": {"factor": 0.3, "error_derivative": False, "output": "identity"},
    "ranges": {"g_range": (2.0, 1.0), "h_range": (4.0, 2.0)},
    "biases of cells alone": {"bias": "none", "cell_bias": True, "n_hidden": 1},
    "biases of hidden units alone": {"bias": "none", "hidden_bias": True, "n_hidden": 2},
    "biases of all but hidden units": {"hidden_bias": False, "n_hidden": 2},
    "biases of gates alone": {"cell_bias": False, "output_bias": False, "n_hidden": 1},
    "biases of all but gates": {"gate_bias": False},
    "biases of all but cells": {"cell_bias": False},
    "cells' bias partials of the last step": {"cell_bias_partial": "last"},
    "input gates' bias partials of the last step": {"gate_bias_partial": "last"},
    "gates' partials of the last step": {"gate_source_partial": "last", "n_hidden": 2},
    "cells' partials of the last step": {"cell_source_partial": "last", "n_hidden": 2},
    "no recurrent or bias partial accumulates": {
        "cell_bias_partial": "last",
        "gate_bias_partial": "last",
        "gate_source_partial": "last",
        "cell_source_partial": "last",
    },
    "lopsided ranges": {"g_range": (3.0, 1.2), "h_range": (-1.5, 0.4), "learning_rate": 0.1},
}
SIZES = ((3, 2, 2, 2), (1, 1, 1, 1), (2, 9, 1, 3), (4, 3, 3, 1), (9, 1, 2, 3))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("how", MODES.values(), ids=MODES.keys())
def test_same_as_the_literal_twin(how, sizes):
    net, twin = pair(sum(sizes), sizes, **({"learning_rate": 0.3} | how))
    assert net.n_weights == twin.n_weights
    assert_twins(net, twin, seed=1)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.tuples(st.integers(1, 10), st.integers(1, 10), st.integers(1, 5), st.integers(1, 5)),
    how=st.fixed_dictionaries(
        {
            "n_hidden": st.integers(0, 5),
            "topology": st.sampled_from("FB"),
            "shortcuts": st.booleans(),
            "bias": st.sampled_from(("all", "b1", "ga", "none")),
            "output_gates": st.booleans(),
            "cell_input": st.sampled_from("gf"),
            "cell_output": st.sampled_from(("h", "identity")),
            "output": st.sampled_from(("logistic", "identity")),
            "update": st.sampled_from(("step", "sequence")),
            "error_derivative": st.booleans(),
            "factor": st.sampled_from((1.0, 0.5)),
            "g_range": st.sampled_from(((4.0, 2.0), (2.0, 1.0))),
            "h_range": st.sampled_from(((2.0, 1.0), (4.0, 2.0))),
            "learning_rate": st.sampled_from((0.005, 0.02)),
        }
    ),
)
def test_any_mode_of_any_shape_is_the_literal_twin(seed, sizes, how):
    net, twin = pair(seed, sizes, **how)
    assert_twins(net, twin, seed, steps=6, sequences=2)


@pytest.mark.parametrize("steps", [(), (0,), (3,), (7,), (0, 7), (2, 3, 4), tuple(range(8))], ids=str)
def test_targets_at_any_steps(steps):
    net, twin = pair(5, (3, 2, 2, 2), n_hidden=1, learning_rate=0.5)
    inputs, wanted = data(net, np.random.default_rng(6), 8)
    targets = np.full(wanted.shape, np.nan)
    targets[list(steps)] = np.random.default_rng(7).uniform(size=(len(steps), 2))
    before = net.weights
    found, expected = net.run(inputs, targets), twin.run(inputs, targets)
    for name in TRACE:
        assert_close(found[name].values, expected[name], name)
    assert same_bits(before, net.weights) == (not steps)
    assert np.flatnonzero(found["update_norm"].values).tolist() == list(steps)
    for name, values in twin.weights.items():
        assert_close(net.weights[name], values, name)


def test_without_targets_or_learning_the_weights_stay():
    net, twin = pair(8, (3, 2, 2, 2), learning_rate=0.5)
    inputs, targets = data(net, np.random.default_rng(9), 8)
    before = net.weights
    net.run(inputs)
    twin.run(inputs)
    found, expected = net.run(inputs, targets, learn=False), twin.run(inputs, targets, learn=False)
    assert same_bits(before, net.weights)
    assert (found["update_norm"] == 0.0).all()
    assert np.abs(found["output_error"]).max() > 0.0
    for name in TRACE:
        assert_close(found[name].values, expected[name], name)


def test_output_bias_is_a_reading_of_its_own():
    """A bias of the outputs in a net whose other units have none, as if it were one more input that is always 1."""
    net = lstmsim.LSTM(2, 2, 1, 2, bias="none", shortcuts=True, output_bias=True, learning_rate=0.3)
    twin = LiteralLSTM(3, 2, 1, 2, bias="none", shortcuts=True, learning_rate=0.3)
    weights = randomised(net, np.random.default_rng(10))
    assert net.n_weights == lstmsim.LSTM(2, 2, 1, 2, bias="none", shortcuts=True).n_weights + 2
    wide = {name: np.insert(values, 2, 0.0, axis=1) for name, values in weights.items()}
    wide["output"][:, 2], wide["output"][:, -1] = weights["output"][:, -1], 0.0
    twin.set_weights(wide)
    inputs, targets = data(net, np.random.default_rng(11), 6)
    targets[:-1] = np.nan  # one update: the twin's other units learn weights from the constant input
    found = net.run(inputs, targets)
    expected = twin.run(np.insert(inputs, 2, 1.0, axis=1), targets)
    assert_close(found["output"].values, expected["output"])
    assert_close(net.weights["output"][:, -1], twin.weights["output"][:, 2])
    assert_close(net.weights["cell"], np.delete(twin.weights["cell"], 2, axis=1))


def test_output_bias_can_be_left_out():
    net = lstmsim.LSTM(2, 2, 1, bias="all", output_bias=False)
    assert net.n_weights == lstmsim.LSTM(2, 2, 1, bias="b1").n_weights
    assert (net.weights["output"][:, -1] == 0.0).all()


def test_recurrent_init_range():
    net = lstmsim.LSTM(3, 2, 2, 2, n_hidden=2, init_range=0.5, recurrent_init_range=0.001, bias="all")
    for name in ("cell", "input_gate", "output_gate", "hidden"):
        weights = net.weights[name]
        assert 0.0 < np.abs(weights[:, 3:-1]).max() <= 0.001
        assert 0.1 < np.abs(weights[:, :3]).max() <= 0.5
    assert 0.1 < np.abs(net.weights["output"]).max() <= 0.5


def test_outgoing_init_range():
    settings = {"topology": "B", "n_hidden": 2, "init_range": 0.5}
    plain = lstmsim.LSTM(3, 2, 2, 2, **settings).weights
    changed = lstmsim.LSTM(3, 2, 2, 2, outgoing_init_range=0.0, **settings).weights
    assert (changed["output"][:, 3:7] == 0.0).all()
    changed["output"][:, 3:7] = plain["output"][:, 3:7]
    assert all(np.array_equal(changed[name], plain[name]) for name in plain)


def test_input_gate_start_shifts_the_weights_from_the_inputs():
    plain = lstmsim.LSTM(3, 2, 2, 2, init_range=0.5).weights
    changed = lstmsim.LSTM(3, 2, 2, 2, init_range=0.5, input_gate_start=-2).weights
    assert np.array_equal(changed["input_gate"][:, :3], plain["input_gate"][:, :3] - 2.0)
    changed["input_gate"][:, :3] = plain["input_gate"][:, :3]
    assert all(np.array_equal(changed[name], plain[name]) for name in plain)


# The constant error carrousel.


def test_the_state_is_kept_exactly():
    """With net input 0 the squashed cell input is exactly 0: the state of a lag of 1000 steps keeps every bit."""
    net = lstmsim.LSTM(2, 1, 2, 2, topology="B", bias="ga")
    randomised(net, np.random.default_rng(0))
    inputs = np.zeros((1001, 2))
    inputs[0] = 0.9, -0.4
    state = net.run(inputs)["cell_state"].values
    assert (np.abs(state[0]) > 1e-3).all()
    assert (state == state[0]).all()


@pytest.mark.parametrize("t", [0, 5, 40])
def test_derivative_of_the_state_by_an_earlier_one_is_1(t):
    """Two inputs that differ at step t only: the difference of the states passes unchanged to all later steps."""
    net = lstmsim.LSTM(3, 1, 2, 2, topology="B")
    randomised(net, np.random.default_rng(1))
    inputs, _ = data(net, np.random.default_rng(2), 200)
    other = inputs.copy()
    other[t] += 0.5
    difference = (net.run(other)["cell_state"] - net.run(inputs)["cell_state"]).values
    assert (difference[:t] == 0.0).all()
    assert (np.abs(difference[t]) > 1e-3).all()
    np.testing.assert_allclose(difference[t:], np.tile(difference[t], (200 - t, 1)), rtol=0.0, atol=1e-12)


# Determinism.

KINDS = (
    {},
    {"n_hidden": 2, "shortcuts": True},
    {"topology": "B", "output_gates": False},
    {"output": "identity", "learning_rate": 0.05},
    {"gate_source_partial": "last", "cell_bias_partial": "last"},
    {"forget_gates": True, "peepholes": "cut"},
)


@pytest.mark.parametrize("how", KINDS, ids=str)
@pytest.mark.parametrize("cut", [0, 1, 4, 7, 8])
def test_two_halves_are_one_run(how, cut):
    whole = lstmsim.LSTM(3, 2, 2, 2, seed=3, **({"learning_rate": 0.7} | how))
    halves = copy.deepcopy(whole)
    inputs, targets = data(whole, np.random.default_rng(4), 8)
    trace = whole.run(inputs, targets)
    parts = [halves.run(inputs[:cut], targets[:cut]), halves.run(inputs[cut:], targets[cut:], reset=False)]
    for name in TRACE:
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), trace[name], err_msg=name)
    assert same_bits(whole.weights, halves.weights)


@pytest.mark.parametrize("how", KINDS, ids=str)
def test_steps_are_a_run(how):
    whole = lstmsim.LSTM(3, 2, 2, 2, seed=3, **({"learning_rate": 0.7} | how))
    stepped = copy.deepcopy(whole)
    rng = np.random.default_rng(5)
    for _ in range(3):
        inputs, targets = data(whole, rng, 7)
        trace = whole.run(inputs, targets)
        stepped.reset()
        for x, target, y in zip(inputs, targets, trace["output"].values, strict=True):
            np.testing.assert_array_equal(stepped.step(x, None if np.isnan(target).any() else target), y)
    assert same_bits(whole.weights, stepped.weights)


def test_seed_decides_the_weights():
    one, same, other = (lstmsim.LSTM(3, 2, 2, seed=seed) for seed in (1, 1, 2))
    assert same_bits(one.weights, same.weights)
    assert not same_bits(one.weights, other.weights)
    assert same_bits(lstmsim.LSTM(3, 2, 2, seed=(4, 5)).weights, lstmsim.LSTM(3, 2, 2, seed=[4, 5]).weights)


def test_no_global_random_state():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    lstmsim.LSTM(2, 1, 1).run(np.ones((3, 2)), np.ones((3, 1)))
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "deepcopy", "pickle"]
)
def test_a_copy_goes_on_alone(copied):
    net = lstmsim.LSTM(3, 2, 2, 2, learning_rate=0.7)
    inputs, targets = data(net, np.random.default_rng(6), 9)
    net.run(inputs[:5], targets[:5])
    twin = copied(net)
    before = everything(twin)
    net.run(inputs[5:], targets[5:], reset=False)
    assert everything(twin) == before
    twin.run(inputs[5:], targets[5:], reset=False)
    assert everything(twin) == everything(net)
