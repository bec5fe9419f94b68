"""Optimisers of the LSTM: the literal twin's gradient, taken by the optimisers' equations written out."""

import copy
import pickle

import numpy as np
import pytest

import lstmsim
from lstmsim.learners.lstm.choice import nets_of
from lstmsim.learners.lstm.exact import ExactLSTM
from lstmsim.learners.lstm.gated.net import GatedNets
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.simulation.config import Experiment, StoppingRule
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.tasks import task
from tests.learners.driving import difference, draw, examples, run, with_weights
from tests.learners.test_optimiser import OPTIMISERS, Literal
from tests.literal import LiteralLSTM

NETS = {
    "1997": {"n_hidden": 1, "shortcuts": True},
    "forget gates, live peepholes": {"forget_gates": True, "peepholes": "live", "n_hidden": 1},
    "cut peepholes, linear outputs": {"peepholes": "cut", "output": "identity", "bias": "ga"},
}
SIZES = {"n_blocks": 2, "block_size": 2}
every_optimiser = pytest.mark.parametrize("changes", OPTIMISERS.values(), ids=OPTIMISERS)


def literal(a, weights, given, how):
    """Weights after the sequences and the norms of the changes, in plain Python and NumPy."""
    twin, optimiser = LiteralLSTM(a.n_inputs, 2, **SIZES | how, learning_rate=1.0, update="sequence"), Literal(a)
    twin.set_weights(weights)
    norms = []

    def change():
        changes = optimiser.changes(twin._pending)
        for name, values in changes.items():
            twin._weights[name] += values
            twin._pending[name][:] = 0.0
        norms.append(np.sqrt(sum((values**2).sum() for values in changes.values())))

    for inputs, targets in given:
        twin.reset()
        for x, d in zip(np.eye(3)[inputs] if inputs.ndim == 1 else inputs, targets, strict=True):
            learns = not np.isnan(d).any()
            twin.step(x, d if learns else None)
            if a.update == "step" and learns:
                change()
        if a.update == "sequence":
            change()
    return twin.weights, norms


@every_optimiser
@pytest.mark.parametrize("how", NETS.values(), ids=NETS)
@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("update", ["step", "sequence"])
def test_changes_are_those_of_the_literal_twin(changes, how, symbols, update):
    a = LSTMSettings(3, 2, **SIZES | how | {"learning_rate": 0.6, "update": update} | changes)
    weights, given = draw(a.exists), examples(3, 2, [6, 1, 5], symbols=symbols, every=2)
    learner = with_weights(nets_of(a, 1, symbols=symbols), weights)
    assert type(learner) is GatedNets
    trace = run(learner, given)
    expected, norms = literal(a, weights, given, how)
    assert difference(learner.weights(0), expected) < 1e-10
    assert difference(learner.weights(0), weights) > 1e-3
    if update == "step":
        found = trace["update_norm"].ravel()
        np.testing.assert_allclose(found[~np.isnan(trace["target"][:, 0])], norms, rtol=1e-9)


@every_optimiser
@pytest.mark.parametrize("symbols", [False, True])
def test_the_exact_gradient_has_them(changes, symbols):
    """Sequences with one change each: its gradient is what plain descent changes, from the same weights."""
    plain = LSTMSettings(3, 2, **SIZES, learning_rate=1.0, update="sequence")
    a = LSTMSettings(3, 2, **SIZES, **{"learning_rate": 0.6, "update": "sequence"} | changes)
    weights, optimiser = draw(a.exists), Literal(a)
    learner = with_weights(ExactLSTM(a, symbols=symbols), weights)
    for sequence in examples(3, 2, [4, 1, 5], symbols=symbols, every=2):
        run(learner, [sequence])
        one = with_weights(ExactLSTM(plain, symbols=symbols), weights)
        run(one, [sequence])
        g = {name: one.weights(0)[name] - before for name, before in weights.items()}
        weights = {name: weights[name] + change for name, change in optimiser.changes(g).items()}
        assert difference(learner.weights(0), weights) < 1e-10


def experiment(**settings):
    """Make an experiment of few sequences, of different lengths."""
    net = {"n_blocks": 2, "n_hidden": 1, "learning_rate": 0.02} | settings
    rule = StoppingRule(window=10, max_sequences=12, final_test=3)
    return Experiment(task("adding")(T=20), LSTMSettings(**net), rule)


HOWS = {
    "adam": {"optimiser": "adam", "clip": 0.1},
    "momentum at ends": {"optimiser": "momentum", "update": "sequence", "carry": "all"},
    "forget gates": {
        "optimiser": "rmsprop",
        "rate_decay": 0.9,
        "rate_interval": 7,
        "forget_gates": True,
        "peepholes": "cut",
    },
}


@pytest.mark.parametrize("how", HOWS.values(), ids=HOWS)
def test_lanes_and_recording_change_no_bit(how):
    config, found = experiment(**how), []
    for lanes, policy in ((1, "all"), (8, "none"), (16, "every:3,last:2")):
        simulation = Simulation(config, 0, lanes, Policy.parse(policy))
        found.append({result.trial: result for result in simulation.run(iter(range(10)))})
    for results in found[1:]:
        for trial in (0, 3, 9) if results is found[1] else range(10):
            for name, values in results[trial].final.items():
                np.testing.assert_array_equal(values, found[0][trial].final[name])
            np.testing.assert_array_equal(results[trial].test, found[0][trial].test)


@pytest.mark.parametrize("how", HOWS.values(), ids=HOWS)
def test_copies_and_files_go_on_with_the_same_bits(how, tmp_path):
    how = how | {"carry": "none"}
    del how["carry"]
    net = lstmsim.LSTM(3, 2, 2, 2, learning_rate=0.05, **how)
    rng = np.random.default_rng(1)
    x, d = rng.uniform(-1, 1, (20, 3)), rng.uniform(size=(20, 2))
    for n in range(9):
        net.step(x[n], d[n])
    net.predict(x[9])
    net.save(tmp_path / "net")
    others = [lstmsim.LSTM.load(tmp_path / "net"), copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    for one in (net, *others):
        one.learn(d[9])
        one.run(x[10:], d[10:], reset=False)
    for other in others:
        for name, values in net.weights.items():
            np.testing.assert_array_equal(other.weights[name], values)


def test_several_nets_are_the_net_alone():
    how = {"optimiser": "adam", "clip": 0.5, "learning_rate": 0.05}
    rng = np.random.default_rng(1)
    x, d = rng.uniform(-1, 1, (8, 3)), rng.uniform(size=(8, 2))
    nets, alone = lstmsim.LSTM(3, 2, 2, trials=3, seed=4, **how), lstmsim.LSTM(3, 2, 2, seed=[4, 2], **how)
    for net in (nets, alone):
        net.step(x[0], d[0])
        net.run(x[1:], d[1:], reset=False)
    for name, values in alone.weights.items():
        np.testing.assert_array_equal(nets.weights[name][2], values)


def test_memory_is_forgotten_with_the_weights_and_the_rate_can_be_set():
    net = lstmsim.LSTM(3, 2, 2, optimiser="adam", rate_decay=0.5, rate_interval=2, learning_rate=0.05)
    x, d = np.ones((6, 3)), np.full((6, 2), 0.9)
    first, begun = net.run(x, d), net.weights
    net.set_weights(lstmsim.LSTM(3, 2, 2).weights)
    np.testing.assert_array_equal(net.run(x, d).update_norm, first.update_norm)
    net.learning_rate = 1e-9
    assert net.learning_rate == 1e-9
    assert float(net.run(x, d).update_norm.max()) < 1e-7
    assert difference(net.weights, begun) < 1e-6
    net.set_weights(begun)
    assert float(net.run(x, d).update_norm.max()) < 1e-7


def test_without_a_target_an_optimiser_changes_nothing():
    for update in ("step", "sequence"):
        net = lstmsim.LSTM(3, 2, 2, optimiser="momentum", update=update)
        x = np.ones((4, 3))
        net.run(x, np.full((4, 2), 0.9))
        before = net.weights
        net.run(x)
        net.run(x, np.full((4, 2), 0.9), learn=False)
        net.step(x[0])
        assert difference(net.weights, before) == 0.0


def test_what_does_not_go_together_is_refused():
    for name, value, allowed in (("learning_rate_decay", 0.1, "0.0"), ("learning_rate_factor", 0.5, "1.0")):
        with pytest.raises(ValueError, match=f"{name} is {value}; allowed: {allowed} with an optimiser, whose rate_decay"):
            LSTMSettings(rate_decay=0.9, **{name: value})
    with pytest.raises(
        ValueError, match="cell_bias_partial is 'last'; allowed: 'sum' with forget gates, peepholes or an op"
    ):
        LSTMSettings(clip=1.0, cell_bias_partial="last")
    with pytest.raises(ValueError, match="optimiser is 'adagrad'; allowed: 'sgd', 'momentum', 'rmsprop', 'adam'"):
        lstmsim.LSTM(3, 2, optimiser="adagrad")
