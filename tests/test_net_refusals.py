"""What `LSTM` refuses: every illegal argument is named, and nothing changes when a call raises."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lstmsim
from tests.test_net import TRACE, data, everything

HUGE = 10**400  # a whole number beyond the range of float64

REFUSED = (
    ({"n_inputs": 0}, "n_inputs is 0; allowed: a whole number of at least 1"),
    ({"n_inputs": -3}, "n_inputs is -3; allowed"),
    ({"n_outputs": 1.5}, "n_outputs is 1.5; allowed"),
    ({"n_blocks": "2"}, "n_blocks is '2'; allowed"),
    ({"block_size": True}, "block_size is True; allowed"),
    ({"n_hidden": -1}, "n_hidden is -1; allowed: a whole number of at least 0"),
    ({"n_hidden": None}, "n_hidden is None; allowed"),
    ({"topology": "G"}, "topology is 'G'; allowed: 'F', 'B'"),
    ({"bias": True}, "bias is True; allowed: 'all', 'b1', 'ga', 'none'"),
    ({"cell_input": "h"}, "cell_input is 'h'; allowed: 'g', 'f'"),
    ({"cell_output": "g"}, "cell_output is 'g'; allowed: 'h', 'identity'"),
    ({"output": "softmax"}, "output is 'softmax'; allowed: 'logistic', 'identity'"),
    ({"update": "batch"}, "update is 'batch'; allowed: 'step', 'sequence'"),
    ({"shortcuts": 1}, "shortcuts is 1; allowed: True, False"),
    ({"output_gates": None}, "output_gates is None; allowed: True, False"),
    ({"error_derivative": "no"}, "error_derivative is 'no'; allowed"),
    ({"output_bias": 0}, "output_bias is 0; allowed"),
    ({"input_gate_bias": [-1.0, -2.0, -3.0]}, "input_gate_bias is (-1.0, -2.0, -3.0); allowed: None, a finite number, or 2"),
    ({"output_gate_bias": []}, "output_gate_bias is (); allowed"),
    ({"output_gate_bias": float("nan")}, "output_gate_bias is nan; allowed"),
    ({"output_gate_bias": [[-1.0, -2.0]]}, "output_gate_bias is [[-1.0, -2.0]]; allowed"),
    ({"input_gate_bias": "low"}, "input_gate_bias is 'low'; allowed"),
    ({"input_gate_bias": HUGE}, "input_gate_bias is 1000"),
    ({"init_range": -0.1}, "init_range is -0.1; allowed: a finite number of at least 0"),
    ({"init_range": float("inf")}, "init_range is inf; allowed"),
    ({"recurrent_init_range": -1}, "recurrent_init_range is -1; allowed"),
    ({"outgoing_init_range": -0.1}, "outgoing_init_range is -0.1; allowed: None or a finite number of at least 0"),
    ({"input_gate_start": float("nan")}, "input_gate_start is nan; allowed: a finite number"),
    ({"input_gate_start": "closed"}, "input_gate_start is 'closed'; allowed"),
    ({"input_gate_start": HUGE}, "input_gate_start is 1000"),
    ({"learning_rate": 0.0}, "learning_rate is 0.0; allowed: a finite number above 0"),
    ({"learning_rate": -0.5}, "learning_rate is -0.5; allowed"),
    ({"learning_rate": float("nan")}, "learning_rate is nan; allowed"),
    ({"learning_rate": float("inf")}, "learning_rate is inf; allowed"),
    ({"learning_rate": "0.1"}, "learning_rate is '0.1'; allowed"),
    ({"learning_rate": HUGE}, "learning_rate is 1000"),
    ({"error_factor": 0}, "error_factor is 0; allowed"),
    ({"g_range": (0.0, 1.0)}, "g_range is (0.0, 1.0); allowed: two finite numbers"),
    ({"g_range": 3.0}, "g_range is 3.0; allowed"),
    ({"g_range": ("a", "b")}, "g_range is ('a', 'b'); allowed"),
    ({"h_range": (1.0,)}, "h_range is (1.0,); allowed"),
    ({"h_range": (1.0, float("inf"))}, "h_range is (1.0, inf); allowed"),
    ({"seed": -1}, "seed is -1; allowed"),
    ({"seed": 1.5}, "seed is 1.5; allowed"),
    ({"seed": None}, "seed is None; allowed"),
    ({"n_layers": 2}, "unknown argument 'n_layers'; allowed: n_inputs"),
)  # fmt: skip


@pytest.mark.parametrize(("how", "message"), REFUSED, ids=[f"{how}"[:60] for how, _ in REFUSED])
def test_refused_arguments_are_named(how, message):
    sizes = {"n_inputs": 3, "n_outputs": 2, "n_blocks": 2}
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        lstmsim.LSTM(**(sizes | how))


@pytest.mark.parametrize("size", [10**6, 10**9, 10**30])
@pytest.mark.parametrize("name", ["n_inputs", "n_outputs", "n_blocks", "block_size", "n_hidden"])
def test_absurd_sizes_are_refused_at_once(name, size):
    sizes = {"n_inputs": 100, "n_outputs": 100, "n_blocks": 20, "input_gate_bias": -1.0} | {name: size}
    with pytest.raises(ValueError, match=rf"{name}( is |=){size}.*allowed: "):
        lstmsim.LSTM(**sizes)


BAD_CALLS = (
    ("run", ([1.0, 2.0, 3.0],), "inputs has shape (3,); allowed: (step, 3)"),
    ("run", (np.zeros((4, 2)),), "inputs has shape (4, 2); allowed: (step, 3)"),
    ("run", (np.zeros((1, 4, 3)),), "inputs has shape (1, 4, 3); allowed: (step, 3)"),
    ("run", (np.full((4, 3), np.nan),), "inputs holds nan at (0, 0); allowed: finite numbers"),
    ("run", ([[0.0] * 3, [0.0, np.inf, 0.0]],), "inputs holds inf at (1, 1); allowed: finite numbers"),
    ("run", ("word",), "inputs is 'word'; allowed: an array of numbers of shape (step, 3)"),
    ("run", ([[1.0], [2.0, 3.0]],), "inputs is [[1.0], [2.0, 3.0]]; allowed"),
    ("run", ([[HUGE, 0.0, 0.0]],), "inputs is [[1000"),
    ("run", (np.zeros((4, 3)), np.zeros((3, 2))), "targets has shape (3, 2); allowed: (4, 2)"),
    ("run", (np.zeros((4, 3)), np.zeros((4, 3))), "targets has shape (4, 3); allowed: (4, 2)"),
    ("run", (np.zeros((2, 3)), [[0.0, 1.0], [np.nan, 1.0]]), "targets holds nan at (1, 0); allowed: finite numbers, or"),
    ("run", (np.zeros((2, 3)), [[np.inf, np.inf], [0.0, 1.0]]), "targets holds inf at (0, 0); allowed"),
    ("run", (np.zeros((2, 3)), None, "yes"), "learn is 'yes'; allowed: True, False"),
    ("run", (np.zeros((2, 3)), None, True, 1), "reset is 1; allowed: True, False"),
    ("step", ([1.0, 2.0],), "x has shape (2,); allowed: (3,)"),
    ("step", (1.0,), "x has shape (); allowed: (3,)"),
    ("step", (None,), "x "),
    ("step", ([1.0, np.nan, 0.0],), "x holds nan at (1,); allowed"),
    ("step", (np.ones(3), [1.0]), "target has shape (1,); allowed: (2,)"),
    ("step", (np.ones(3), [np.nan, np.nan]), "target holds nan at (0,); allowed: finite numbers"),
    ("set_weights", (None,), "weights is 'NoneType'; allowed: a dict with the keys"),
    ("set_weights", ({},), "weights is []; allowed: a dict with the keys"),
)  # fmt: skip


@pytest.mark.parametrize(("method", "arguments", "message"), BAD_CALLS, ids=[row[2][:50] for row in BAD_CALLS])
def test_nothing_changes_when_a_call_raises(method, arguments, message):
    net = lstmsim.LSTM(3, 2, 2, 2, learning_rate=0.5)
    net.run(*data(net, np.random.default_rng(0), 3))
    before = everything(net)
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        getattr(net, method)(*arguments)
    assert everything(net) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": np.zeros((4, 3))}, "weights['cell'] shape is (4, 3); allowed: (4, 12)"),
        ({"cell": np.zeros(12)}, "weights['cell'] shape is (12,); allowed: (4, 12)"),
        ({"cell": np.full((4, 12), np.nan)}, "weights['cell'] holds NaN or infinity; allowed: finite numbers"),
        ({"output": np.full((2, 5), np.inf)}, "weights['output'] holds NaN or infinity; allowed: finite numbers"),
        ({"output_gate": np.ones((2, 12))}, "weights['output_gate'] is not 0 where no connection exists; allowed: 0"),
        ({"cell": "word"}, "weights['cell'] is 'word'; allowed: numbers of shape (4, 12)"),
        ({"cell": [[1.0], [1.0, 2.0]]}, "weights['cell'] is [[1.0], [1.0, 2.0]]; allowed: numbers of shape (4, 12)"),
        ({"cells": np.zeros((4, 12))}, "weights is ['cell', 'cells', 'input_gate', 'output', 'output_gate']; allowed"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_wrong_weights_change_nothing(change, message):
    net = lstmsim.LSTM(3, 2, 2, 2, output_gates=False)
    good = {name: values * 2.0 for name, values in net.weights.items()}
    before = everything(net)
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        net.set_weights(good | change)
    assert everything(net) == before


# Properties.

SHAPES = st.fixed_dictionaries(
    {
        "n_inputs": st.integers(1, 20),
        "n_outputs": st.integers(1, 20),
        "n_blocks": st.integers(1, 8),
        "block_size": st.integers(1, 6),
        "n_hidden": st.integers(0, 9),
        "topology": st.sampled_from("FB"),
        "shortcuts": st.booleans(),
        "bias": st.sampled_from(("all", "b1", "ga", "none")),
        "output_gates": st.booleans(),
        "output_bias": st.sampled_from((None, True, False)),
        "cell_input": st.sampled_from("gf"),
        "input_gate_bias": st.none() | st.floats(-1e300, 1e300),
        "init_range": st.floats(0.0, 1e6),
        "learning_rate": st.floats(1e-300, 1e6),
        "seed": st.integers(0, 2**64) | st.lists(st.integers(0, 2**32), min_size=1, max_size=3),
    }
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(how=SHAPES, data_seed=st.integers(0, 1000), steps=st.integers(1, 12))
def test_any_legal_shape_runs_and_stays_finite(how, data_seed, steps):
    net = lstmsim.LSTM(**how)
    rng = np.random.default_rng(data_seed)
    for _ in range(2):
        trace = net.run(*data(net, rng, steps))
    for name in TRACE:
        assert name == "target" or np.isfinite(trace[name]).all(), name
    assert ((trace["output"] >= 0.0) & (trace["output"] <= 1.0)).all()
    assert all(np.isfinite(values).all() for values in net.weights.values())
    assert trace.sizes["step"] == steps


NO_NUMBER = st.sampled_from((None, "1", b"1", [], {}, (1.0,), 1j, float("nan"), float("inf"), -float("inf"), object()))
NO_WORD = st.sampled_from((None, 0, 1.0, True, "", "g ", "All", ("g",), {}))
NO_FLAG = st.sampled_from((None, 0, 1, "True", 1.0, []))
ILLEGAL = {
    **dict.fromkeys(
        ("n_inputs", "n_outputs", "n_blocks", "block_size"),
        NO_NUMBER | st.integers(max_value=0) | st.floats() | st.booleans(),
    ),
    "n_hidden": NO_NUMBER | st.integers(max_value=-1) | st.floats() | st.booleans(),
    **dict.fromkeys(("topology", "bias", "cell_input", "cell_output", "output", "update"), NO_WORD),
    **dict.fromkeys(("shortcuts", "output_gates", "error_derivative"), NO_FLAG),
    **dict.fromkeys(("learning_rate", "error_factor"), NO_NUMBER | st.floats(max_value=0.0) | st.booleans()),
    "init_range": NO_NUMBER | st.floats(max_value=-1e-300) | st.booleans(),
    **dict.fromkeys(
        ("input_gate_bias", "output_gate_bias"),
        st.lists(st.floats(-5.0, 0.0), max_size=6).filter(lambda biases: len(biases) not in (1, 2))
        | st.sampled_from((float("nan"), -float("inf"), "low", [0.0, float("nan")], [[-1.0]], {}, object())),
    ),
    **dict.fromkeys(
        ("g_range", "h_range"),
        st.sampled_from((1.0, (1.0,), (0.0, 1.0), (1.0, float("nan")), (1.0, None), ("4", "2"), "42", {}, object())),
    ),
}  # fmt: skip


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.data())
def test_any_illegal_argument_is_named(drawn):
    name = drawn.draw(st.sampled_from(sorted(ILLEGAL)))
    value = drawn.draw(ILLEGAL[name])
    how = {"n_inputs": 3, "n_outputs": 2, "n_blocks": 2} | {name: value}
    with pytest.raises(ValueError, match=rf"^{name} is ") as caught:
        lstmsim.LSTM(**how)
    shown = tuple(value) if isinstance(value, list) else value  # sequences of the right kind are tuples by then
    assert repr(value) in str(caught.value) or repr(shown) in str(caught.value)
    assert "allowed: " in str(caught.value)
