"""Nets on taps against slow twins, finite differences and their limits."""

import numpy as np
import pytest

from lstmsim.learners.taps.net import Taps, TapsSettings
from tests.learners.driving import change, descent, draw, examples, half_squared_error, logistic, run, with_weights

SIZES = {"n_inputs": 2, "n_outputs": 2, "n_hidden": 3, "order": 3, "learning_rate": 0.5}
NETS = {
    "time-delay net": TapsSettings(**SIZES),
    "perceptron": TapsSettings(**SIZES | {"order": 0, "bias": False}),
    "gamma memory": TapsSettings(**SIZES, memory="gamma", mu=0.4),
    "gamma memory, mu learned": TapsSettings(**SIZES, memory="gamma", mu=0.4, train_mu=True),
    "NARX net": TapsSettings(**SIZES | {"order": 1}, feedback=3),
    "all at once": TapsSettings(**SIZES | {"n_hidden": 0}, feedback=2, memory="gamma", train_mu=True, unit="tanh"),
    "latch": TapsSettings(2, 2, n_hidden=0, order=2, feedback=2, latch=1.25, bias=False, unit="tanh", learning_rate=0.5),
}
of_each = pytest.mark.parametrize("settings", NETS.values(), ids=NETS)


def responses(settings, weights, inputs):
    """Outputs (step, output), hidden activations and taps, written out step by step."""
    f = np.tanh if settings.unit == "tanh" else logistic
    mu = weights.get("mu", np.full(settings.n_inputs, settings.mu if settings.memory == "gamma" else 1.0))
    memory = np.zeros((settings.order + 1, settings.n_inputs))
    earlier, outputs, kept = [np.zeros(settings.n_outputs)] * settings.feedback, [], []
    for x in inputs:
        memory = np.concatenate([[x], (1 - mu) * memory[1:] + mu * memory[:-1]])
        z = np.concatenate([memory.ravel(), *earlier, [1.0 * settings.bias]])
        hidden = f(weights["hidden"] @ z) if settings.n_hidden else None
        w = weights["output"] + settings.fixed
        y = f(w @ (z if hidden is None else np.append(hidden, 1.0 * settings.bias)))
        earlier = [y, *earlier][: settings.feedback]
        outputs.append(y)
        kept.append(z[:-1])
    return np.array(outputs), np.array(kept)


def weights_of(settings):
    weights = draw(settings.exists)
    return weights | ({"mu": np.array([0.3, 0.6])} if settings.train_mu else {})


@of_each
def test_activations_are_those_of_a_twin(settings):
    weights, [(inputs, targets), other] = weights_of(settings), examples(2, 2, [9, 5])
    trace = run(with_weights(Taps(settings), weights), [other, (inputs, targets)], learn=False)
    outputs, taps = responses(settings, weights, inputs)
    np.testing.assert_allclose(trace["output"][5:], outputs, rtol=1e-12)
    np.testing.assert_allclose(trace["taps"][5:], taps, rtol=1e-12, atol=1e-15)


@of_each
def test_changes_follow_finite_differences(settings):
    weights, [(inputs, targets)] = weights_of(settings), examples(2, 2, [9], every=3)
    slopes = descent(lambda w: half_squared_error(responses(settings, w, inputs)[0], targets), weights, settings.exists)
    learner = with_weights(Taps(settings), weights)
    run(learner, [(inputs, targets)])
    changes = change(weights, learner.weights(0))
    for name, slope in slopes.items():
        assert np.abs(slope).max() > 1e-4
        np.testing.assert_allclose(changes[name], 0.5 * slope, rtol=1e-6, atol=1e-10)


def test_a_gamma_memory_of_1_is_a_line_of_delays_and_of_0_none():
    delay = TapsSettings(**SIZES)
    weights, sequences = draw(delay.exists), examples(2, 2, [9, 5])
    learners = [
        with_weights(Taps(settings), weights)
        for settings in (delay, TapsSettings(**SIZES, memory="gamma", mu=1.0), TapsSettings(**SIZES, memory="gamma", mu=0.0))
    ]
    traces = [run(learner, sequences) for learner in learners]
    np.testing.assert_array_equal(traces[0]["output"], traces[1]["output"])
    for d in range(4):
        np.testing.assert_array_equal(traces[0]["taps"][d:9, 2 * d : 2 * d + 2], sequences[0][0][: 9 - d])
    assert (traces[2]["taps"][:, 2:] == 0).all()


@pytest.mark.parametrize("mu", [0.2, 0.7])
def test_an_impulse_passes_whole_through_every_tap(mu):
    """sum_t g_d(t) = 1 for every d, and the mean of t is d / mu."""
    inputs = np.zeros((600, 2))
    inputs[0, 0] = 1.0
    settings = TapsSettings(**SIZES, memory="gamma", mu=mu)
    taps = run(with_weights(Taps(settings), draw(settings.exists)), [(inputs, np.full((600, 2), np.nan))])["taps"]
    first = taps[:, 0:8:2]
    np.testing.assert_allclose(first.sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.arange(600) @ first, np.arange(4) / mu, rtol=1e-9)
    assert (taps[:, 1:8:2] == 0).all()


def test_a_time_delay_net_sees_nothing_that_is_older():
    settings = TapsSettings(**SIZES)
    weights, [(inputs, targets)] = draw(settings.exists), examples(2, 2, [9])
    other = inputs.copy()
    other[:4] = 0.3
    traces = [run(with_weights(Taps(settings), weights), [(x, targets)], learn=False) for x in (inputs, other)]
    np.testing.assert_array_equal(traces[0]["output"][7:], traces[1]["output"][7:])
    assert (traces[0]["output"][4:7] != traces[1]["output"][4:7]).all()


def test_numbers_of_weights():
    parity = [TapsSettings(1, 1, hidden, order=0, feedback=lags).n_weights for hidden, lags in ((5, 1), (4, 2), (3, 3))]
    assert parity == [21, 21, 19]
    for hidden, order in ((4, 0), (3, 7)):
        wanted = hidden * (3 * (order + 1) + 1) + 2 * (hidden + 1)
        assert TapsSettings(3, 2, hidden, order=order).n_weights == wanted


def test_the_slowest_decay_at_the_fixed_point_of_the_latch_net():
    """y = tanh(1.25 y) holds at .710; a small change decays by .619 to .878 a step, the slower the more lags."""
    for lags, decay in ((1, 0.619), (2, 0.732), (3, 0.794), (4, 0.832), (6, 0.878)):
        settings = TapsSettings(1, 1, n_hidden=0, order=0, feedback=lags, latch=1.25, bias=False, unit="tanh")
        inputs = np.zeros((200, 1))
        inputs[:lags] = 0.7
        outputs = run(with_weights(Taps(settings), draw(settings.exists)), [(inputs, np.full((200, 1), np.nan))])["output"]
        assert outputs[-1] == pytest.approx(0.7104, abs=1e-4)
        companion = np.eye(lags, k=-1)
        companion[0] = 1.25 / lags * (1 - outputs[-1, 0] ** 2)
        assert np.abs(np.linalg.eigvals(companion)).max() == pytest.approx(decay, abs=6e-4)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"order": -1}, "order is -1"),
        ({"mu": 1.5}, "mu is 1.5"),
        ({"train_mu": True}, "train_mu is True.*gamma memory"),
        ({"latch": 1.25, "feedback": 2}, "latch is 1.25.*no feedback"),
        ({"memory": "leaky"}, "memory is 'leaky'"),
        ({"order": 10_000, "n_hidden": 10_000}, "too large a net"),
    ],
)
def test_settings_are_checked(changes, named):
    with pytest.raises(ValueError, match=named):
        TapsSettings(**SIZES | changes)
