"""What `LSTM` has and keeps: weights, connections, resets, labels of its traces."""

import numpy as np
import pytest
import xarray as xr

import lstmsim
from lstmsim.trace.schema import step_variables
from tests.literal import LiteralLSTM
from tests.test_net import KINDS, MODES, READINGS, TRACE, data, randomised, same_bits

PAPER = (
    # row, (inputs, outputs, blocks, block size), settings, weights
    ("1-1", (7, 7, 4, 1), {"bias": "ga"}, 264),
    ("1-2", (7, 7, 3, 2), {"bias": "ga"}, 276),
    ("2a", (101, 101, 1, 1), {"topology": "B", "bias": "none", "output_gates": False}, 10504),
    ("2c-1", (54, 2, 2, 1), {"bias": "none"}, 364),
    ("2c-2", (104, 2, 2, 1), {"bias": "none"}, 664),
    ("2c-3", (204, 2, 2, 1), {"bias": "none"}, 1264),
    ("2c-4", (504, 2, 2, 1), {"bias": "none"}, 3064),
    ("2c-5", (1004, 2, 2, 1), {"bias": "none"}, 6064),
    ("3a-1", (1, 1, 3, 1), {"bias": "b1"}, 102),
    ("4-1", (2, 1, 2, 2), {"bias": "all"}, 93),
    ("6a", (8, 4, 2, 2), {"bias": "all"}, 156),
    ("6b", (8, 8, 3, 2), {"bias": "all"}, 308),
)


def test_reset_keeps_the_weights_only():
    net = lstmsim.LSTM(3, 2, 2, 2, n_hidden=1, learning_rate=0.7)
    inputs, targets = data(net, np.random.default_rng(7), 5)
    net.run(inputs, targets)
    weights = net.weights
    net.reset()
    assert same_bits(weights, net.weights)
    fresh = lstmsim.LSTM(3, 2, 2, 2, n_hidden=1, learning_rate=0.7)
    fresh.set_weights(weights)
    first, second = net.run(inputs, targets, reset=False), fresh.run(inputs, targets, reset=False)
    xr.testing.assert_identical(first, second)
    assert same_bits(net.weights, fresh.weights)


def test_a_net_that_diverged_can_be_used_again():
    how = {"output": "identity", "learning_rate": 1e6, "n_hidden": 1, "shortcuts": True}
    net, fresh = lstmsim.LSTM(3, 2, 2, 2, **how), lstmsim.LSTM(3, 2, 2, 2, **how)
    weights = net.weights
    inputs, targets = data(net, np.random.default_rng(7), 60, targets=1.0)
    with pytest.raises(lstmsim.DivergedError):
        net.run(inputs, targets)
    net.set_weights(weights)
    xr.testing.assert_identical(net.run(inputs[:3], targets[:3]), fresh.run(inputs[:3], targets[:3]))
    assert same_bits(net.weights, fresh.weights)


@pytest.mark.parametrize("count", [1, 2])
def test_run_without_reset_goes_on_from_the_state(count):
    net = lstmsim.LSTM(2, 1, 1)
    state = net.run(np.ones((count, 2)))["cell_state"].values[-1, 0]
    assert net.run(np.ones((1, 2)), reset=False)["cell_state"].values[0, 0] != pytest.approx(state, rel=1e-6)
    fresh = net.run(np.ones((1, 2)))["cell_state"].values[0, 0]
    assert net.run(np.ones((1, 2)))["cell_state"].values[0, 0] == fresh


@pytest.mark.parametrize("how", [*KINDS, {"bias": "none"}, {"update": "sequence"}], ids=str)
def test_weights_round_trip(how):
    net = lstmsim.LSTM(3, 2, 2, 2, **how)
    weights = randomised(net, np.random.default_rng(8))
    assert same_bits(net.weights, weights)
    other = lstmsim.LSTM(3, 2, 2, 2, seed=9, **how)
    other.set_weights(net.weights)
    again = lstmsim.LSTM.from_weights(net.settings, weights)
    inputs, targets = data(net, np.random.default_rng(9), 5)
    xr.testing.assert_identical(net.run(inputs, targets), other.run(inputs, targets))
    again.run(inputs, targets)
    assert same_bits(net.weights, other.weights)
    assert same_bits(net.weights, again.weights)


def test_weights_are_copies():
    net = lstmsim.LSTM(3, 2, 2)
    weights = net.weights
    for values in weights.values():
        assert values.dtype == np.float64
        values[:] = 9.0
    assert all(np.abs(values).max() <= 0.1 for values in net.weights.values())
    given = {name: values * 0.0 for name, values in net.weights.items()}
    net.set_weights(given)
    given["cell"][:] = 9.0
    assert not net.weights["cell"].any()


@pytest.mark.parametrize(("sizes", "how", "count"), [row[1:] for row in PAPER], ids=[row[0] for row in PAPER])
def test_weight_counts_of_the_paper(sizes, how, count):
    assert lstmsim.LSTM(*sizes, **how).n_weights == count


@pytest.mark.parametrize("how", MODES.values(), ids=MODES.keys())
def test_connections_that_do_not_exist_are_0_and_stay_0(how):
    how = {READINGS.get(name, name): value for name, value in how.items()}
    net, twin = lstmsim.LSTM(3, 2, 2, 2, init_range=0.5, **how), LiteralLSTM(3, 2, 2, 2, n_hidden=how.get("n_hidden", 0))
    shapes = {name: values.shape for name, values in twin.weights.items()}
    exists = net.settings.exists
    inputs, targets = data(net, np.random.default_rng(10), 5)
    for _ in range(2):
        assert all((values[~exists[name]] == 0.0).all() for name, values in net.weights.items())
        assert sum(np.count_nonzero(values) for values in net.weights.values()) == net.n_weights
        net.run(inputs, targets)
    if not net.settings.sees_inputs:
        assert {name: values.shape for name, values in net.weights.items()} == shapes


def test_initial_weights():
    net = lstmsim.LSTM(3, 2, 2, 2, init_range=0.3, input_gate_bias=-2, output_gate_bias=[-1, -3], seed=1)
    drawn = np.concatenate([values.ravel() for values in net.weights.values()])
    drawn = drawn[~np.isin(drawn, (0.0, -1.0, -2.0, -3.0))]
    assert 0.25 < np.abs(drawn).max() <= 0.3
    assert abs(drawn.mean()) < 0.05
    assert net.weights["input_gate"][:, -1].tolist() == [-2.0, -2.0]
    assert net.weights["output_gate"][:, -1].tolist() == [-1.0, -3.0]
    assert not lstmsim.LSTM(3, 2, 2, bias="none", input_gate_bias=-2).weights["input_gate"][:, -1].any()


def test_trace_is_labelled():
    net = lstmsim.LSTM(3, 2, 2, 2)
    trace = net.run(np.ones((4, 3)), np.full((4, 2), 0.5))
    assert set(trace.variables) == {*TRACE, "step", "input_unit", "output_unit", "block", "cell", "cell_block"}
    assert dict(trace.sizes) == {"step": 4, "input_unit": 3, "output_unit": 2, "cell": 4, "block": 2}
    for name in TRACE:
        variable = step_variables()[name]
        assert trace[name].dims == variable.dims
        assert trace[name].dtype == np.float64
        assert trace[name].attrs == {"long_name": variable.long_name, "units": "1", "symbol": variable.symbol}
    assert trace["cell_block"].values.tolist() == [0, 0, 1, 1]
    assert trace["step"].values.tolist() == [0, 1, 2, 3]


def test_trace_without_steps():
    net = lstmsim.LSTM(3, 2, 2, 2)
    before = net.weights
    trace = net.run(np.zeros((0, 3)), np.zeros((0, 2)))
    assert trace.sizes["step"] == 0
    assert same_bits(before, net.weights)


def test_repr_and_settings():
    net = lstmsim.LSTM(3, 2, 2, 2, topology="B")
    assert repr(net) == f"<LSTM 3-2x2-2, topology B, {net.n_weights} weights>"
    assert (net.n_inputs, net.block_size, net.learning_rate, net.bias) == (3, 2, 0.1, "all")
    with pytest.raises(AttributeError, match="no attribute 'n_cats'"):
        _ = net.n_cats
