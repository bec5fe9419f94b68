"""Several nets at once: the same bits as each alone, on lanes and wide, whatever one of them does."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import lstmsim
from lstmsim.learners.lstm.choice import MOST_LANES, takes_wide
from lstmsim.paper import row
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy

KINDS: dict[str, dict[str, Any]] = {
    "F": {"n_hidden": 2, "shortcuts": True},
    "B": {"topology": "B", "output_gates": False, "update": "sequence"},
    "wide": {"n_blocks": 70, "block_size": 1, "init_range": 0.05},
}
every_kind = pytest.mark.parametrize("how", KINDS.values(), ids=KINDS.keys())


def build(how: dict[str, Any], **more: Any) -> lstmsim.LSTM:
    sizes = {"n_blocks": 2, "block_size": 2, "learning_rate": 0.7}
    net = lstmsim.LSTM(3, 2, **(sizes | how | more))
    assert takes_wide(net.settings) == (net.n_blocks == 70)
    return net


def alone(how: dict[str, Any], trials: int) -> list[lstmsim.LSTM]:
    return [build(how, seed=(5, k)) for k in range(trials)]


def data(trials: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.uniform(-1.0, 1.0, (trials, steps, 3)), rng.uniform(0.0, 1.0, (trials, steps, 2))


def assert_as_alone(nets: lstmsim.LSTM, each: list[lstmsim.LSTM]) -> None:
    for k, net in enumerate(each):
        for found, wanted in ((nets.weights, net.weights), (nets.state, net.state)):
            assert found.keys() == wanted.keys()
            for name, values in wanted.items():
                np.testing.assert_array_equal(found[name][k], values, err_msg=f"{name} of trial {k}")


@every_kind
@pytest.mark.parametrize("shared", [False, True])
def test_each_net_is_the_net_alone(how, shared):
    nets, each = build(how, seed=5, trials=3), alone(how, 3)
    assert_as_alone(nets, each)
    x, d = data(3, 9)
    d[1, 4] = d[2, :3] = np.nan
    if shared:
        x, d = x[0], d[1]
    own = [(x, d)] * 3 if shared else list(zip(x, d, strict=True))
    trace = nets.run(x, d)
    assert trace.output.dims == ("trial", "step", "output_unit")
    assert trace.trial.values.tolist() == [0, 1, 2]
    nets.record()
    for k, net in enumerate(each):
        for name, values in net.run(*own[k]).items():
            np.testing.assert_array_equal(trace[name][k], values, err_msg=str(name))
        net.record()
    x, d = data(3, 9)
    for t in range(9):
        if t % 3 == 0:
            y = nets.predict(x[:, t])
            nets.learn(d[:, t] if t else d[0, 0])
        else:
            y = nets.step(x[:, t] if t % 2 else x[0, t], d[:, t] if t % 3 == 1 else None)
        for k, net in enumerate(each):
            target = None if t % 3 == 2 else d[k if t else 0, t]
            np.testing.assert_array_equal(net.step(x[k if t % 2 or t % 3 == 0 else 0, t], target), y[k])
    recorded = nets.recorded()
    for k, net in enumerate(each):
        for name, values in net.recorded().items():
            np.testing.assert_array_equal(recorded[name][k], values, err_msg=str(name))
    assert_as_alone(nets, each)
    nets.reset()
    for net in each:
        net.reset()
    assert_as_alone(nets, each)


@pytest.mark.parametrize("trials", [1, MOST_LANES + 3])
def test_any_number_of_nets(trials):
    nets, each = build({}, seed=5, trials=trials), alone({}, trials)
    x, d = data(trials, 4)
    nets.run(x, d)
    for k, net in enumerate(each):
        net.run(x[k], d[k])
    assert_as_alone(nets, each)


def test_a_net_begins_as_the_trial_of_a_run():
    config = row("4-1").config.with_settings({"max_sequences": 1, "final_test": 0})
    results = list(Simulation(config, 7, 8, Policy.parse("none")).run(iter(range(2))))
    a = config.settings
    nets = lstmsim.LSTM(
        a.n_inputs, a.n_outputs, a.n_blocks, a.block_size, seed=7, trials=2,
        input_gate_bias=a.input_gate_bias, init_range=a.init_range,
    )  # fmt: skip
    for result in results:
        for name, values in result.initial.items():
            np.testing.assert_array_equal(nets.weights[name][result.trial], values)


@every_kind
def test_weights_state_files_and_copies(how, tmp_path):
    nets, other = build(how, seed=5, trials=3), build(how, seed=8, trials=3)
    x, d = data(3, 5)
    nets.run(x, d)
    nets.predict(x[:, 0])
    nets.save(tmp_path / "nets")
    twins = [lstmsim.LSTM.load(tmp_path / "nets"), copy.deepcopy(nets), pickle.loads(pickle.dumps(nets))]
    for each in (nets, *twins):
        assert each.trials == 3
        each.learn(d[:, 0])
        each.learning_rate = 0.3
    trace = nets.run(x, d, reset=False)
    for twin in twins:
        np.testing.assert_array_equal(twin.run(x, d, reset=False).output, trace.output)
    other.set_weights(nets.weights)
    other.set_state(nets.state)
    for name, values in nets.state.items():
        if name in ("cell_state", "cell_output"):
            np.testing.assert_array_equal(other.state[name], values)
    other.reset()
    nets.reset()
    other.learning_rate = 0.3
    np.testing.assert_array_equal(other.run(x, d).output, nets.run(x, d).output)


DIVERGE = {"output": "identity", "shortcuts": True, "n_blocks": 2, "learning_rate": 0.5}


@pytest.mark.parametrize("how", ["run", "step", "predict and learn"])
@pytest.mark.parametrize("more", [{}, {"n_blocks": 90, "block_size": 1, "init_range": 0.05}], ids=["lanes", "wide"])
def test_a_net_that_diverges_is_named_and_leaves_the_others(how, more):
    """Trial 1 sees inputs that grow; trial 3 does later."""
    x = np.tile(np.linspace(0.0, 0.5, 80)[:, None], (4, 1, 1))
    x[1] *= 1e5
    x[3, 40:] *= 1e5
    d, settings = np.zeros((4, 80, 1)), DIVERGE | more
    nets = lstmsim.LSTM(1, 1, trials=4, **settings)
    each = [lstmsim.LSTM(1, 1, seed=(0, k), **settings) for k in range(4)]
    steps = {}
    for k, net in enumerate(each):
        try:
            net.run(x[k], d[k])
        except lstmsim.DivergedError as error:
            steps[k] = error.step if error.trial is None else None
    assert set(steps) == {1, 3}
    assert steps[1] < 40 <= steps[3]
    if how == "run":
        with pytest.raises(lstmsim.DivergedError, match=f"net of trial 1 diverged at step {steps[1]};") as caught:
            nets.run(x, d)
        assert (caught.value.trial, caught.value.step, caught.value.steps) == (1, steps[1], steps)
        assert pickle.loads(pickle.dumps(caught.value)).trial == 1
        assert_as_alone(nets, each)
        return
    nets.record()
    told = []
    last = steps[1] + 1
    for t in range(last):
        try:
            if how == "step":
                nets.step(x[:, t], d[:, t])
            else:
                nets.predict(x[:, t])
                nets.learn(d[:, t])
        except lstmsim.DivergedError as error:
            told.append((error.trial, error.step, error.steps))
    assert told == [(1, steps[1], {1: steps[1]})]
    for k in (0, 2, 3):
        each[k] = lstmsim.LSTM(1, 1, seed=(0, k), **settings)
        each[k].run(x[k, :last], d[k, :last])
    assert_as_alone(nets, each)
    output = nets.recorded().output.values
    assert output.shape == (4, last, 1)
    assert np.argwhere(np.isnan(output))[:, :2].tolist() == [[1, steps[1]]]
    with pytest.raises(ValueError, match="learn has no prediction"):
        nets.learn(d[:, 0])


def test_what_several_nets_refuse():
    nets = build({}, trials=2)
    before = [array.tobytes() for array in nets._hand.arrays()]
    x, d = data(2, 3)
    for call, message in (
        (lambda: build({}, trials=0), "trials is 0; allowed: None or a whole number from 1 to 10,000"),
        (lambda: build({}, trials=True), "trials is True"),
        (lambda: nets.step(x), r"x has shape \(2, 3, 3\); allowed: \(2, 3\)"),
        (lambda: nets.step(np.zeros((3, 3))), r"x has shape \(3, 3\); allowed: \(2, 3\)"),
        (lambda: nets.run(x[:1], d), r"inputs has shape \(1, 3, 3\); allowed: \(2, step, 3\)"),
        (lambda: nets.run(x, d[:, :2]), r"targets has shape \(2, 2, 2\); allowed"),
        (lambda: nets.set_weights(build({}).weights), r"weights\['input_gate'\] has shape"),
        (lambda: nets.set_state(build({}).state), r"state\['"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(AttributeError, match="trials is fixed when the net is made"):
        nets.trials = 3
    assert [array.tobytes() for array in nets._hand.arrays()] == before
