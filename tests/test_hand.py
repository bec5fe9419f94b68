"""A net in hand: predict and learn, state, assignments, save and load, divergence, recorded steps."""

import copy
import dataclasses
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
import xarray as xr

import lstmsim
from lstmsim.learners.lstm.choice import takes_wide
from lstmsim.learners.lstm.hand import KEPT
from lstmsim.paper import row
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy

KINDS: dict[str, dict[str, Any]] = {
    "F": {},
    "hidden units, shortcuts": {"n_hidden": 2, "shortcuts": True},
    "B": {"topology": "B", "output_gates": False},
    "no recurrence": {"recurrence": "none"},
    "at sequence ends": {"update": "sequence"},
    "forget gates, peepholes": {"forget_gates": True, "peepholes": "live", "n_hidden": 1},
    "wide": {"n_blocks": 70, "block_size": 1, "init_range": 0.05, "learning_rate": 0.1},
}
every_kind = pytest.mark.parametrize("how", KINDS.values(), ids=KINDS.keys())


def build(how: dict[str, Any]) -> lstmsim.LSTM:
    """Make a net of three inputs and two outputs; the wide one is big enough for the wide kernel."""
    net = lstmsim.LSTM(3, 2, **({"n_blocks": 2, "block_size": 2, "learning_rate": 0.7, "seed": 3} | how))
    assert takes_wide(net.settings) == (net.n_blocks == 70)
    return net


def data(steps: int, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1.0, 1.0, (steps, 3)), rng.uniform(0.0, 1.0, (steps, 2))


def everything(net: lstmsim.LSTM) -> list[bytes]:
    return [array.tobytes() for array in net._hand.arrays()]


def assert_same(one: lstmsim.LSTM, other: lstmsim.LSTM) -> None:
    """Compare weights, states, and what they do next."""
    for part, found in (("weights", one.weights), ("state", one.state)):
        for name, values in getattr(other, part).items():
            np.testing.assert_array_equal(found[name], values, err_msg=f"{part} {name}")
    inputs, targets = data(5, seed=9)
    xr.testing.assert_identical(one.run(inputs, targets, reset=False), other.run(inputs, targets, reset=False))


@every_kind
def test_predict_then_learn_is_a_step_with_a_target(how):
    apart, at_once, whole = build(how), build(how), build(how)
    inputs, targets = data(25)
    learned = np.arange(25) % 3 != 1
    apart.record()
    for x, d, learns in zip(inputs, targets, learned, strict=True):
        y = apart.predict(x)
        if learns:
            assert apart.learn(d) is None
        np.testing.assert_array_equal(at_once.step(x, d if learns else None), y)
    if how != KINDS["at sequence ends"]:  # where one run is one sequence
        trace = whole.run(inputs, np.where(learned[:, None], targets, np.nan))
        xr.testing.assert_identical(apart.recorded(), trace)
    assert_same(apart, at_once)


@every_kind
def test_state_round_trip(how):
    net, other = build(how), build(how)
    inputs, _ = data(6)
    net.run(inputs)
    state = net.state
    assert {name: len(values) for name, values in state.items()} == {
        "cell_state": net.n_cells, "cell_output": net.n_cells, "input_gate": net.n_blocks, "output_gate": net.n_blocks,
        "hidden": net.n_hidden, "output": 2, **({"forget_gate": net.n_blocks} if net.forget_gates else {}),
    }  # fmt: skip
    state["cell_state"] += 0.25  # copies: nothing in the net has changed
    trace = net.run(inputs[:2], reset=False)
    assert not np.array_equal(trace.cell_state[0], state["cell_state"])
    state["cell_state"] -= 0.25
    other.set_state(state)
    for name in ("cell_state", "cell_output", "output"):
        np.testing.assert_array_equal(other.state[name], state[name])
    np.testing.assert_array_equal(other.run(inputs[:2], reset=False).output, trace.output)
    other.reset()
    assert not any(values.any() for name, values in other.state.items() if name != "output_gate")


@every_kind
@pytest.mark.parametrize("predicted", [False, True])
def test_saved_in_mid_stream(how, predicted, tmp_path):
    net = build(how)
    inputs, targets = data(KEPT + 20)
    for x, d in zip(inputs, targets, strict=True):
        net.step(x, d)
    if predicted:
        net.predict(inputs[0])
    net.save(tmp_path / "net")
    twins = [lstmsim.LSTM.load(tmp_path / "net"), copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    assert twins[0].settings == net.settings
    if predicted:
        for each in (net, *twins):
            each.learn(targets[0])
    before = everything(twins[0])
    net.step(inputs[1], targets[1])
    assert everything(twins[0]) == before
    for twin in twins:
        twin.step(inputs[1], targets[1])
        assert everything(twin) == everything(net)


@pytest.mark.parametrize("content", [b"", b"no net", b"PK\x03\x04 half a zip"])
def test_what_is_no_saved_net_is_refused(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=r"path is .*file'"):
        lstmsim.LSTM.load(tmp_path / "file")
    with pytest.raises(FileNotFoundError, match="path is "):
        lstmsim.LSTM.load(tmp_path / "nothing")


def test_the_learning_rate_can_be_set():
    inputs, targets = data(20)
    slow, fast = build({"learning_rate": 0.1}), build({"learning_rate": 0.7})
    slow.learning_rate = np.float64(0.7)
    assert slow.learning_rate == slow.settings.learning_rate == 0.7
    for x, d in zip(inputs, targets, strict=True):
        slow.step(x, d)
        fast.step(x, d)
    assert everything(slow) == everything(fast)
    with pytest.raises(ValueError, match=r"learning_rate is 0\.0; allowed"):
        slow.learning_rate = 0.0
    assert slow.learning_rate == 0.7


@pytest.mark.parametrize(
    "name", [*lstmsim.LSTM(1, 1).settings.__dataclass_fields__, "weights", "state", "settings", "other"]
)
def test_other_assignments_are_refused(name):
    net = lstmsim.LSTM(1, 1)
    if name != "learning_rate":
        with pytest.raises(AttributeError, match=name):
            setattr(net, name, 1)


def test_learn_needs_a_prediction():
    net = build({})
    for prepare in (lambda: None, lambda: net.step(np.ones(3), np.ones(2)), net.reset):
        prepare()
        with pytest.raises(ValueError, match="learn has no prediction"):
            net.learn(np.ones(2))
    net.predict(np.ones(3))
    net.learn(np.ones(2))
    with pytest.raises(ValueError, match="learn has no prediction"):
        net.learn(np.ones(2))


@pytest.mark.parametrize("change", [{"cell_state": np.zeros(3)}, {"hidden": [np.nan]}, {"cells": 1}])
def test_a_wrong_state_changes_nothing(change):
    net = build({"n_hidden": 1})
    net.step(np.ones(3))
    before = everything(net)
    with pytest.raises(ValueError, match="state"):
        net.set_state(net.state | change)
    with pytest.raises(ValueError, match="state is 3"):
        net.set_state(3)
    assert everything(net) == before


DIVERGE = {"output": "identity", "shortcuts": True, "learning_rate": 0.5}


@pytest.mark.parametrize("how", [{}, {"n_blocks": 90, "init_range": 0.05}], ids=["lanes", "wide"])
def test_a_net_that_diverges_says_where_and_stays_as_it_was_before(how):
    z = np.linspace(0.0, 3000.0, 400)[:, None]
    nets = [lstmsim.LSTM(1, 1, **({"n_blocks": 2} | DIVERGE | how)) for _ in range(4)]
    with pytest.raises(lstmsim.DivergedError) as caught:
        nets[0].run(z[:-1], z[1:])
    step = caught.value.step
    assert isinstance(caught.value, ArithmeticError)
    assert pickle.loads(pickle.dumps(caught.value)).step == step
    assert 0 < step < 399
    nets[1].run(z[:step], z[1 : step + 1])
    for net, at_once in ((nets[2], True), (nets[3], False)):
        with pytest.raises(lstmsim.DivergedError, match=f"at step {step};"):
            walk(net, z, at_once)
    for net in nets:
        assert all(np.isfinite(values).all() for values in (*net.weights.values(), *net.state.values()))
    for net in (nets[0], nets[2], nets[3]):
        for name, values in nets[1].weights.items():
            np.testing.assert_array_equal(net.weights[name], values)
        for name, values in nets[1].state.items():
            np.testing.assert_array_equal(net.state[name], values)


def test_numpy_scalars_are_numbers_and_arrays_of_words_are_not():
    net = lstmsim.LSTM(
        np.int64(2), np.array(1), np.int32(2), g_range=np.array([4.0, 2.0]), input_gate_bias=np.array([-1, -2])
    )
    assert (net.g_range, net.input_gate_bias, net.n_outputs) == ((4.0, 2.0), (-1.0, -2.0), 1)
    with pytest.raises(ValueError, match="topology is array"):
        lstmsim.LSTM(2, 1, topology=np.array(["F"]))


def test_a_big_net_in_hand_repeats_a_trial():
    """To the bit, as smaller ones do: the settings alone choose the kernel."""
    for blocks in (2, 72):
        changes = {"T": 20, "n_blocks": blocks, "block_size": 1, "input_gate_bias": -3, "max_sequences": 4, "final_test": 0}
        config = row("4-1").config.with_settings(changes)
        config = dataclasses.replace(config, stop=dataclasses.replace(config.stop, error=0.0))
        assert takes_wide(config.settings) == (blocks == 72)
        [result] = Simulation(config, 0, 8, Policy.parse("none")).run(iter([0]))
        net = lstmsim.LSTM.from_weights(config.settings, config.settings.initial_weights((0, 0)))
        for index in range(4):
            net.run(*config.task.for_trial(0).sequence(0, 0, index))
        for name, values in net.weights.items():
            np.testing.assert_array_equal(result.final[name], values, err_msg=name)


def walk(net, z, at_once):
    """Learn to predict a series' next values."""
    for x, d in itertools.pairwise(z):
        if at_once:
            net.step(x, d)
        else:
            net.predict(x)
            net.learn(d)


def test_large_numbers_are_finite():
    """They were warned of: their squares are not."""
    np.testing.assert_array_equal(lstmsim.LSTM(2, 1).predict([1e300, -1e300]).shape, (1,))


def test_a_recording_begins_where_it_is_asked_for():
    """A step made before is not recorded when the net learns from it afterwards."""
    net = build({})
    net.predict(np.ones(3))
    net.record()
    net.learn(np.ones(2))
    assert net.recorded().sizes["step"] == 0


def test_numbers_are_real_and_none_is_masked():
    """Complex numbers lost their imaginary parts, texts were read, and what a mask hides was taken."""
    net = lstmsim.LSTM(2, 1)
    for wrong in (np.ones(2) * 1j, ["1", "2"], np.ma.masked_array([1.0, 2.0], [True, False]), np.zeros(2, "M8[s]")):
        with pytest.raises(ValueError, match=r"x (is|holds) .*; allowed: "):
            net.step(wrong)
        with pytest.raises(ValueError, match=r"inputs (is|has shape) .*; allowed"):
            net.run(wrong)


def test_an_array_that_is_filled_anew_at_every_step():
    """The way back from a step that diverges does not go over what the caller's array holds by now."""
    net, x, d = lstmsim.LSTM(1, 1, output="identity"), np.zeros(1), np.zeros(1)
    for value in (0.25, -0.5, 0.75):
        x[:], d[:] = value, value / 2
        net.step(x, d)
    before = everything(net)
    d[:] = 1.7e308
    with pytest.raises(lstmsim.DivergedError):
        net.step(x, d)
    assert everything(net) == before


def test_signals_are_data_and_units_are_coordinates():
    """Arithmetic, means and selections of a trace: they were those of an index called output."""
    inputs, targets = data(6)
    one, other = build({}).run(inputs, targets), build({"seed": 5}).run(inputs, targets)
    assert {"input", "target", "output"} <= set(one.data_vars)
    assert float(abs(one - other)["output"].max()) == abs(one["output"].values - other["output"].values).max() > 0
    np.testing.assert_array_equal(one.mean("step")["output"], one["output"].values.mean(axis=0))
    np.testing.assert_array_equal(one.sel(output_unit=1)["output"], one["output"].values[:, 1])
