"""The literal twin's traces, order of sources, missing units and the paper's weight counts; requests that are wrong."""

import numpy as np
import pytest

from tests.literal import LiteralLSTM
from tests.test_literal import N_INPUTS, N_OUTPUTS, N_STEPS, build, sequence


def test_trace_shapes() -> None:
    """The trace has the variables of `lstmsim.LSTM.run`, and its states obey (9)."""
    net = build(n_blocks=3)
    trace = net.run(*sequence())
    widths = {name: values.shape[1:] for name, values in trace.items()}
    assert {values.shape[0] for values in trace.values()} == {N_STEPS}
    assert widths == (
        {"input": (N_INPUTS,), "update_norm": ()}
        | dict.fromkeys(("target", "output", "output_error"), (N_OUTPUTS,))
        | dict.fromkeys(("cell_net", "cell_state", "cell_output", "state_error", "cell_error"), (6,))
        | dict.fromkeys(("input_gate", "output_gate", "input_gate_error", "output_gate_error"), (3,))
        | dict.fromkeys(("hidden", "hidden_error"), (net.n_hidden,))
    )
    state_steps = np.diff(trace["cell_state"], axis=0)
    squashed = 4.0 / (1.0 + np.exp(-trace["cell_net"])) - 2.0
    np.testing.assert_allclose(state_steps, (np.repeat(trace["input_gate"], 2, axis=1) * squashed)[1:], atol=1e-14)


def test_source_order() -> None:
    """One weight at a time: a cell's net input is the source itself, all but inputs and bias from the step before."""
    net = build(topology="F")
    inputs, _ = sequence()
    start = net.weights
    cells, blocks = net.n_cells, net.n_blocks
    for source in range(start["cell"].shape[1]):
        start["cell"][3] = 0.0
        start["cell"][3, source] = 1.0
        net.set_weights(start)
        trace = net.run(inputs)
        before = [trace[name][1] for name in ("cell_output", "input_gate", "output_gate")]
        sources = np.concatenate([inputs[2], *before, np.full(net.n_hidden, np.nan), [1.0]])
        if not np.isnan(sources[source]):
            assert trace["cell_net"][2, 3] == sources[source]
    assert len(sources) == N_INPUTS + cells + 2 * blocks + net.n_hidden + 1 == start["cell"].shape[1]
    outputs = net.weights["output"]
    for source in range(cells):
        outputs[:] = 0.0
        outputs[0, source] = 1.0
        net.set_weights(start | {"output": outputs})
        trace = net.run(inputs)
        expected = 1.0 / (1.0 + np.exp(-trace["cell_output"][:, source]))
        np.testing.assert_allclose(trace["output"][:, 0], expected, rtol=1e-14)


def test_two_halves_equal_one_run() -> None:
    """A run may be cut anywhere, bit for bit; reset forgets everything but the weights."""
    inputs, targets = sequence((1, 3, 5))
    whole, halves = build(), build()
    trace = whole.run(inputs, targets)
    first = halves.run(inputs[:3], targets[:3])
    second = halves.run(inputs[3:], targets[3:], reset=False)
    for name, values in trace.items():
        np.testing.assert_array_equal(values, np.concatenate([first[name], second[name]]))
    for name, values in whole.weights.items():
        np.testing.assert_array_equal(values, halves.weights[name])
    repeated = whole.run(inputs, learn=False)
    np.testing.assert_array_equal(repeated["output"], whole.run(inputs, learn=False)["output"])


def test_no_output_gate_leaves_it_open_and_unconnected() -> None:
    """Without output gates y_out is 1 and none of their weights exists."""
    net = build(output_gates=False)
    trace = net.run(*sequence())
    assert np.all(trace["output_gate"] == 1.0)
    assert np.all(trace["output_gate_error"] == 0.0)
    np.testing.assert_allclose(trace["cell_output"], np.tanh(trace["cell_state"] / 2.0), atol=1e-15)
    first = N_INPUTS + net.n_cells + net.n_blocks
    for name in ("input_gate", "cell", "hidden"):
        assert np.all(net.weights[name][:, first : first + net.n_blocks] == 0.0)
    assert np.all(net.weights["output_gate"] == 0.0)


TABLE = [
    (4, 1, 7, 7, "ga", 264),
    (3, 2, 7, 7, "ga", 276),
    (2, 1, 54, 2, "none", 364),
    (2, 1, 104, 2, "none", 664),
    (2, 1, 204, 2, "none", 1264),
    (2, 1, 504, 2, "none", 3064),
    (2, 1, 1004, 2, "none", 6064),
    (3, 1, 1, 1, "b1", 102),
    (2, 2, 2, 1, "all", 93),
    (2, 2, 8, 4, "all", 156),
    (3, 2, 8, 8, "all", 308),
]


@pytest.mark.parametrize(("blocks", "size", "n_in", "n_out", "bias", "count"), TABLE)
def test_weight_counts_of_topology_f(blocks: int, size: int, n_in: int, n_out: int, bias: str, count: int) -> None:
    """The counts of the paper's table of architectures, by formula and by connection."""
    n_units = blocks * (2 + size)
    biases = {"none": 0, "ga": 2 * blocks, "b1": n_units, "all": n_units + n_out}[bias]
    assert count == n_units * (n_in + n_units) + n_out * blocks * size + biases
    assert LiteralLSTM(n_in, n_out, blocks, size, bias=bias).n_weights == count


@pytest.mark.parametrize("p", [4, 10, 100])
def test_weight_counts_of_topology_b(p: int) -> None:
    """One cell and its input gate between N inputs and N outputs."""
    n = p + 1
    net = LiteralLSTM(n, n, 1, topology="B", bias="none", output_gates=False)
    assert net.n_weights == 2 * n + n * (n + 1)
    assert p != 100 or net.n_weights == 10504


def test_direct_weights_and_output_biases_are_counted() -> None:
    """Direct weights add I K to the counts."""
    assert LiteralLSTM(7, 7, 3, 2, bias="ga", shortcuts=True).n_weights == 276 + 49
    assert LiteralLSTM(7, 7, 3, 2, bias="all", shortcuts=True).n_weights == 276 + 49 + 7 + 6


def test_wrong_requests_change_nothing() -> None:
    """A refused call leaves weights and activations as they were."""
    net = build(bias="none")
    start, state = net.weights, list(net.cell_state)
    absent = net.weights
    absent["cell"][0, -1] = 0.5
    unfinished = net.weights
    unfinished["cell"][0, 0] = np.nan
    short = net.weights | {"cell": np.zeros((1, 1))}
    for weights in (absent, unfinished, short, {}):
        with pytest.raises(ValueError, match="weights"):
            net.set_weights(weights)
    with pytest.raises(ValueError, match="inputs"):
        net.step([0.0])
    with pytest.raises(ValueError, match="targets"):
        net.run(np.zeros((2, N_INPUTS)), [[np.nan, np.nan], [1.0, np.nan]])
    with pytest.raises(ValueError, match="topology"):
        LiteralLSTM(1, 1, 1, topology="C")
    assert net.cell_state == state
    for name, values in net.weights.items():
        np.testing.assert_array_equal(values, start[name])
