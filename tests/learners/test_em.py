"""The net of states against enumeration of all its paths, and the likelihood that never falls."""

import itertools

import numpy as np
import pytest

from lstmsim.learners.em import EM, EMSettings
from tests.learners.driving import descent, draw, examples, run, with_weights

SIZES = [(3, 1, 2), (3, 2, 1), (2, 2, 3)]  # states, outputs, inputs
every_size = pytest.mark.parametrize(("n", "outputs", "inputs"), SIZES)


def transitions(weights, x):
    """phi (from, to) at one step."""
    e = np.exp(weights["transition"] @ np.append(x, 1.0))
    return e / e.sum(axis=1, keepdims=True)


def paths(weights, inputs, target, n):
    """All paths through the states: probability of each, and likelihood of the target at its end."""
    phi = [transitions(weights, x) for x in inputs]
    e = np.array([target[0], 1.0 - target[0]] if len(target) == 1 else target)
    e = np.append(e, np.zeros(n - len(e)))
    for path in itertools.product(range(n), repeat=len(inputs)):
        went = list(zip((n - 1, *path), path, strict=False))
        yield went, np.prod([phi[t][step] for t, step in enumerate(went)]), e[path[-1]]


def log_likelihood(weights, sequences, n):
    """Of all targets, each by itself."""
    return sum(
        np.log(sum(p * e for _, p, e in paths(weights, inputs[: t + 1], targets[t], n)))
        for inputs, targets in sequences
        for t in np.flatnonzero(~np.isnan(targets[:, 0]))
    )


@every_size
@pytest.mark.parametrize("symbols", [False, True])
def test_posteriors_are_those_of_all_paths(n, outputs, inputs, symbols):
    settings = EMSettings(inputs, outputs, n_states=n, batch=9)
    weights, [(x, targets)] = draw(settings.exists), examples(inputs, outputs, [5], symbols=symbols, every=3)
    learner = with_weights(EM(settings, symbols=symbols), weights)
    trace = run(learner, [(x, targets)])
    dense = np.eye(inputs)[x] if symbols else x
    G, D, a = (np.zeros(shape) for shape in ((n, n, inputs + 1), (n, inputs + 1), (5, n)))
    for t in np.flatnonzero(~np.isnan(targets[:, 0])):
        found = list(paths(weights, dense[: t + 1], targets[t], n))
        likelihood = sum(p * e for _, p, e in found)
        assert trace["log_likelihood"][t] == pytest.approx(np.log(likelihood), rel=1e-12)
        for went, p, e in found:
            for step, (j, i) in enumerate(went):
                z = np.append(dense[step], 1.0)
                share = p * e / likelihood
                G[j, i] += share * z
                G[j] -= share * np.outer(transitions(weights, dense[step])[j], z)
                D[j] += share * np.abs(z) * np.abs(z).sum()
    for t in range(5):
        for went, p, _ in paths(weights, dense[: t + 1], targets[-1], n):
            a[t, went[-1][1]] += p
    np.testing.assert_allclose(trace["state_probability"], a, rtol=1e-12)
    expected = a[:, :outputs] if outputs > 1 else 0.5 + 0.5 * (a[:, :1] - a[:, 1:2])
    np.testing.assert_allclose(trace["output"], expected, rtol=1e-12)
    np.testing.assert_allclose(np.moveaxis(learner.state.G[..., :n], 0, -1), G, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(learner.state.D.T, D, rtol=1e-12)


@every_size
def test_sums_are_the_slope_of_the_likelihood(n, outputs, inputs):
    settings = EMSettings(inputs, outputs, n_states=n, batch=9)
    weights, sequences = draw(settings.exists), examples(inputs, outputs, [4, 3], every=2)
    learner = with_weights(EM(settings), weights)
    run(learner, sequences)
    slopes = descent(lambda w: -log_likelihood(w, sequences, n), weights, settings.exists)["transition"]
    np.testing.assert_allclose(np.moveaxis(learner.state.G[..., :n], 0, -1), slopes, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.5, 1.0, 2.0])
def test_the_likelihood_never_falls(seed, share):
    settings = EMSettings(2, 2, n_states=3, batch=3, learning_rate=share)
    sequences = examples(2, 2, [5, 3, 4], every=3)
    learner = with_weights(EM(settings), draw(settings.exists, 2.0, seed))
    found = []
    for _ in range(40):
        found.append(log_likelihood(learner.weights(0), sequences, 3))
        run(learner, sequences)
    assert min(np.diff(found)) > -1e-12
    assert found[-1] > found[0] + 0.1


def test_a_change_is_twice_the_slope_by_the_curvature():
    settings = EMSettings(2, 2, n_states=3, batch=2, learning_rate=0.7)
    weights, sequences = draw(settings.exists), examples(2, 2, [5, 3])
    waiting = with_weights(EM(EMSettings(2, 2, n_states=3, batch=3)), weights)
    run(waiting, sequences)
    learner = with_weights(EM(settings), weights)
    norm = run(learner, sequences)["update_norm"]
    change = 1.4 * waiting.state.G[..., :3] / waiting.state.D[..., None]
    np.testing.assert_allclose(
        learner.weights(0)["transition"] - weights["transition"], np.moveaxis(change, 0, -1), rtol=1e-9
    )
    np.testing.assert_allclose(norm, [0.0] * 7 + [np.linalg.norm(change)])
    assert not learner.carried(0).any()


def test_initial_weights_stay():
    settings = EMSettings(1, 1, n_states=4, stay=5.0, init_range=0.25)
    bias = settings.initial_weights((0, 0))["transition"][..., -1]
    assert np.abs(bias - 5.0 * np.eye(4)).max() <= 0.25


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"n_states": 1}, "n_states is 1"),
        ({"n_outputs": 8}, "n_states is 7; allowed: at least the number of outputs, 8"),
        ({"learning_rate": 2.5}, "learning_rate is 2.5"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_settings_are_checked(changes, named):
    with pytest.raises(ValueError, match=named):
        EMSettings(**{"n_inputs": 1, "n_outputs": 1} | changes)
