"""The wide kernel against the literal twin and against the lanes, in all modes; and what it promises besides."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lstmsim
from lstmsim.kernels.recording import new_record
from lstmsim.kernels.scores import new_scores
from lstmsim.kernels.sequences import END, JUDGE, LEARN, new_sequences
from lstmsim.learners.lstm.choice import nets_of, takes_wide
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.lstm.wide.net import WideNets
from lstmsim.learners.lstm.wide.structs import RING
from lstmsim.paper import rows
from lstmsim.trace.dataset import values
from tests.literal import LiteralLSTM

Array = NDArray[Any]

SIZES = (  # blocks, cells of a block, hidden units: rows that are full, partly full, shared by few blocks
    (8, 1, 0), (9, 1, 3), (3, 1, 9), (16, 2, 0), (5, 2, 8), (1, 1, 0), (1, 9, 2), (2, 3, 0), (2, 8, 1), (3, 5, 0), (4, 4, 5),
)  # fmt: skip


def architecture(rng: np.random.Generator, sizes: tuple[int, int, int]) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Draw the rest of a net's settings: sizes, and keywords of the twin."""
    blocks, size, hidden = sizes

    def draw(*among: Any) -> Any:
        return among[rng.integers(len(among))]

    how = {
        "n_hidden": hidden, "topology": draw("F", "F", "B"), "shortcuts": draw(False, True),
        "bias": draw("all", "b1", "ga", "none"), "output_gates": draw(True, True, False), "cell_input": draw("g", "f"),
        "cell_output": draw("h", "identity"), "output": draw("logistic", "identity"),
        "error_derivative": draw(True, False), "factor": draw(1.0, 2.0), "update": draw("step", "step", "sequence"),
        "g_range": draw((4.0, 2.0), (2.0, 1.0)), "h_range": draw((2.0, 1.0), (4.0, 2.0)), "learning_rate": 0.02,
    }  # fmt: skip
    return (int(rng.integers(1, 10)), int(rng.integers(1, 12)), blocks, size), how


def lstm(n_inputs: int, n_outputs: int, n_blocks: int = 1, block_size: int = 1, **how: Any) -> LSTMSettings:
    """Settings with the sizes in the order of `lstmsim.LSTM`."""
    return LSTMSettings(n_inputs, n_outputs, n_blocks=n_blocks, block_size=block_size, **how)


def settings(how: dict[str, Any]) -> dict[str, Any]:
    """Name what the twin calls otherwise as `LSTMSettings` does."""
    return {"error_factor" if name == "factor" else name: value for name, value in how.items()}


def weights(a: LSTMSettings, rng: np.random.Generator, scale: float = 0.5) -> dict[str, Array]:
    return {name: rng.uniform(-scale, scale, mask.shape) * mask for name, mask in a.exists.items()}


def holders(a: LSTMSettings, seed: int = 0) -> tuple[WideNets, LaneNets]:
    """Make the net on both kernels, with the same weights."""
    given = weights(a, np.random.default_rng(seed))
    nets = WideNets(a), LaneNets(a, 1)
    for net in nets:
        net.set_weights(0, given)
    return nets


def data(a: LSTMSettings, rng: np.random.Generator, steps: int, targets: float) -> tuple[Array, Array]:
    """Draw inputs, and targets at about this fraction of the steps."""
    wanted = rng.uniform(0.0, 1.0, (steps, a.n_outputs))
    wanted[rng.uniform(size=steps) >= targets] = np.nan
    return rng.uniform(-1.0, 1.0, (steps, a.n_inputs)), wanted


def run(net: LaneNets, inputs: Array, targets: Array, ends: Any = (), *, learn: bool = True, track: bool = True) -> Array:
    """Drive a net over steps of which `ends` are the last of a sequence; returns the recorded rows and the scores's."""
    shape, steps = net.nets.shape, len(inputs)
    sequences = new_sequences(1, steps, shape.inputs, np.zeros((steps, shape.output_stride)), 0)
    sequences.inputs[:, :, 0], sequences.targets[:, : shape.outputs] = inputs, targets
    sequences.event[:, 0] = np.where(np.isnan(targets[:, 0]), 0, LEARN | JUDGE)
    sequences.event[list(ends), 0] |= END
    sequences.learn[:, 0] = sequences.judge[:, 0] = np.arange(steps)
    record, scores = new_record(1, steps, net.layout.width, 0, first=len(inputs)), new_scores(1, window=2, tolerance=0.2)
    record.on[0] = True
    clock = net.advance(sequences, scores, record, 0, steps, learn=learn, track=track)
    assert clock == record.used[0] == record.tick[0] == steps
    return np.concatenate([record.rows[0].reshape(-1), scores.ring.reshape(-1), [scores.index[0], scores.steps[0]]])


def assert_close(found: Array, expected: Array, what: Any = "", accuracy: float = 1e-12) -> None:
    """Compare to 1e-12 of the largest number expected, or of 1."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), err_msg=str(what))
    scale = max(1.0, float(np.nanmax(np.abs(expected), initial=0.0)))
    assert np.nanmax(np.abs(found - expected), initial=0.0) <= accuracy * scale, what


def assert_same_weights(found: LaneNets, expected: LaneNets, what: Any = "", accuracy: float = 1e-12) -> None:
    for name, value in expected.weights(0).items():
        assert_close(found.weights(0)[name], value, (name, what), accuracy)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_is_the_literal_twin(sizes, seed):
    rng = np.random.default_rng([seed, *sizes])
    shape, how = architecture(rng, sizes)
    a = lstm(*shape, **settings(how))
    net, twin = WideNets(a), LiteralLSTM(*shape, **how)
    given = weights(a, rng)
    net.set_weights(0, given)
    twin.set_weights(given)
    for fraction in (1.0, 0.3):
        inputs, targets = data(a, rng, 8, fraction)
        steps = run(net, inputs, targets)[: 8 * net.layout.width].reshape(8, -1)
        net.apply_changes(0)
        net.reset(0)
        expected = twin.run(inputs, targets)
        for name, found in values(net.layout, steps).items():
            assert_close(found, expected[name], (name, how))
    for name, value in twin.weights.items():
        assert_close(net.weights(0)[name], value, (name, how))


@pytest.mark.parametrize("targets", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_is_the_lanes_over_sequences(sizes, targets):
    """Records, judgements, resets at ends, and the readings that the twin does not have."""
    rng = np.random.default_rng([int(10 * targets), *sizes])
    shape, how = architecture(rng, sizes)
    readings = {"recurrence": ("all", "cells", "none")[rng.integers(3)], "output_bias": (None, True, False)[rng.integers(3)]}
    a = lstm(*shape, **settings(how), **readings)
    wide, lanes = holders(a)
    inputs, wanted = data(a, rng, 40, targets)
    for learn in (True, False):
        assert_close(run(wide, inputs, wanted, (5, 6, 25), learn=learn), run(lanes, inputs, wanted, (5, 6, 25), learn=learn))
    assert_same_weights(wide, lanes, (how, readings))


@pytest.mark.parametrize("sizes", [(9, 1, 0), (3, 2, 2), (2, 8, 0)], ids=str)
def test_absent_blocks(sizes):
    rng = np.random.default_rng(3)
    a = LSTMSettings(3, 2, n_blocks=sizes[0], block_size=sizes[1], n_hidden=sizes[2], sequential=True, learning_rate=0.3)
    nets = holders(a)
    for net in nets:
        net.start(0, [1])
        assert net.growth_window(0)
        net.join(0)
    inputs, targets = data(a, rng, 20, 0.5)
    for _ in range(2):
        found, expected = (run(net, inputs, targets, (9,)) for net in nets)
        assert_close(found, expected)
        for net in nets:
            net.join(0)
    assert_same_weights(*nets)


def test_without_tracking_the_partials_stay():
    a = LSTMSettings(3, 2, n_blocks=9, learning_rate=0.3)
    nets = holders(a)
    inputs, targets = data(a, np.random.default_rng(4), 30, 0.3)
    nothing = np.full_like(targets, np.nan)
    rows_of = []
    for net in nets:
        run(net, inputs[:4], nothing[:4])
        run(net, inputs[4:14], nothing[4:14], learn=False, track=False)
        rows_of.append(run(net, inputs[14:], targets[14:]))
    assert_close(*rows_of)
    assert_same_weights(*nets)


@pytest.mark.parametrize("sizes", [(9, 1, 3), (3, 2, 0), (2, 9, 1)], ids=str)
@pytest.mark.parametrize("update", ["step", "sequence"])
@pytest.mark.parametrize("targets", [0.0, 0.3, 0.8, 1.0])
def test_parts_of_a_run_are_the_run(sizes, update, targets):
    """To the bit, wherever it is cut: no bit depends on how long terms and changes wait."""
    a = LSTMSettings(
        3, 2, n_blocks=sizes[0], block_size=sizes[1], n_hidden=sizes[2], bias="ga", update=update, learning_rate=0.3
    )
    rng = np.random.default_rng(5)
    steps = 3 * RING
    inputs, wanted = data(a, rng, steps, targets)
    whole, _ = holders(a)
    width = whole.layout.width
    expected = run(whole, inputs, wanted)[: steps * width].reshape(steps, width)[:, 3:]
    for cuts in ([steps // 2], list(range(1, steps)), sorted(rng.choice(np.arange(1, steps), 6, replace=False))):
        parts, _ = holders(a)
        found = [
            run(parts, x, d)[: len(x) * width].reshape(-1, width)[:, 3:]
            for x, d in zip(np.split(inputs, cuts), np.split(wanted, cuts), strict=True)
        ]
        np.testing.assert_array_equal(np.concatenate(found), expected)
        assert_same_weights(parts, whole, accuracy=0.0)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_weights_come_back_as_given(sizes):
    a = LSTMSettings(3, 9, n_blocks=sizes[0], block_size=sizes[1], n_hidden=sizes[2], bias="ga", shortcuts=True)
    wide, lanes = holders(a)
    for name, value in lanes.weights(0).items():
        np.testing.assert_array_equal(wide.weights(0)[name], value)


@pytest.mark.parametrize("sizes", [(11, 1, 0), (3, 3, 0), (1, 7, 0), (5, 2, 3)], ids=str)
def test_lanes_without_a_unit_never_matter(sizes):
    """Their weights are 0 and stay 0, while the gates of a block are the same in all its lanes."""
    a = LSTMSettings(
        3,
        2,
        n_blocks=sizes[0],
        block_size=sizes[1],
        n_hidden=sizes[2],
        cell_input="f",
        cell_output="identity",
        learning_rate=0.5,
    )
    net, _ = holders(a)
    inputs, targets = data(a, np.random.default_rng(6), 30, 0.7)
    run(net, inputs, targets)
    used = np.zeros(8 * net.nets.tiles.rows, bool)
    for name in ("cell", "input_gate", "output_gate", *(["hidden"] if a.n_hidden else [])):
        lanes = net._unit_lanes(name)
        assert not used[lanes].any()
        used[lanes] = True
        first = net.nets.weights.w[lanes[:, 0] // 8, :, lanes[:, 0] % 8]
        for copy in lanes.T:
            np.testing.assert_array_equal(net.nets.weights.w[copy // 8, :, copy % 8], first)
    assert not net.nets.weights.w.transpose(0, 2, 1).reshape(len(used), -1)[~used].any()


def test_a_big_net_on_both_kernels():
    a = LSTMSettings(8, 2, n_blocks=104, learning_rate=0.05, init_range=0.05)
    assert 100_000 < a.n_weights < 101_000
    inputs, targets = data(a, np.random.default_rng(7), 12, 0.6)
    found, expected = holders(a)
    assert_close(run(found, inputs, targets), run(expected, inputs, targets))
    assert_same_weights(found, expected)


def test_a_big_net_in_the_users_hands():
    """It learns its one sequence; the arrays take little more than weights and partials; building it, a few times that."""
    tracemalloc.start()
    net = lstmsim.LSTM(8, 2, 104, init_range=0.05, learning_rate=0.1)
    size, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(net._lanes[0][0], WideNets)
    arrays = {id(x): x.nbytes for part in (net._lanes[0][0].nets.weights, net._lanes[0][0].nets.state) for x in part}
    assert sum(arrays.values()) < 1.1 * 8 * (net.n_weights + net._lanes[0][0].nets.state.p.size)
    assert size < 2.0 * sum(arrays.values())
    assert peak < 4.0 * sum(arrays.values())
    rng = np.random.default_rng(8)
    inputs, targets = rng.uniform(-1, 1, (20, 8)), np.full((20, 2), np.nan)
    targets[-1] = 0.2, 0.9
    errors = [float(np.abs(net.run(inputs, targets).output_error[-1]).max()) for _ in range(60)]
    assert errors[-1] < 0.1 * errors[0]
    y = net.step(inputs[0], targets[-1])
    assert y.shape == (2,)
    assert np.isfinite(y).all()


def test_steps_by_hand_are_the_run():
    net, other = (lstmsim.LSTM(8, 2, 70, seed=4, init_range=0.05, learning_rate=0.1) for _ in range(2))
    assert isinstance(net._lanes[0][0], WideNets)
    rng = np.random.default_rng(9)
    inputs, targets = rng.uniform(-1, 1, (15, 8)), rng.uniform(0, 1, (15, 2))
    trace = net.run(inputs, targets)
    np.testing.assert_array_equal([other.step(x, d) for x, d in zip(inputs, targets, strict=True)], trace.output)
    for name, value in net.weights.items():
        np.testing.assert_array_equal(other.weights[name], value)


def test_the_choice_follows_from_the_settings_alone():
    for sizes, how in (((8, 2, 70), {}), ((40, 4, 6), {"n_hidden": 180})):
        assert takes_wide(lstm(*sizes, **how))
        assert isinstance(nets_of(lstm(*sizes, **how), 8), WideNets)
    for refused in (
        {"gate_bias": False},
        {"carry": "states"},
        {"cell_bias_partial": "last"},
        {"n_hidden": 1, "hidden_bias": False},
    ):
        assert not takes_wide(lstm(8, 2, 70, **refused)), refused
    for sizes in ((2, 1, 2, 2), (2000, 800, 1), (2, 1, 4)):
        assert not takes_wide(lstm(*sizes))
    assert not isinstance(nets_of(lstm(8, 2, 70), 8, symbols=True), WideNets)


def test_the_papers_nets_stay_on_lanes():
    """There eight trials advance together, which is faster for nets of this size."""
    for entry in rows().values():
        a = entry.config.settings
        if isinstance(a, LSTMSettings):
            assert not takes_wide(a), entry.id
