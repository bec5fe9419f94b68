"""Changes divided by second derivatives: their limit, finite differences on a chain, and a twin."""

import numpy as np
import pytest

from lstmsim.learners.bptt import BPTT, BPTTSettings
from tests.learners.driving import change, draw, every_net, examples, logistic, run, with_weights

KINDS = pytest.mark.parametrize("kind", ["sum", "step"])


def changes(settings, weights, sequences, *, symbols=False):
    """What a net adds to its weights."""
    learner = with_weights(BPTT(settings, symbols=symbols), weights)
    run(learner, sequences)
    return change(weights, learner.weights(0))


@every_net
@KINDS
@pytest.mark.parametrize("symbols", [False, True])
def test_large_mu_is_plain_descent(kind, topology, n_hidden, bias, symbols):
    net = {"n_inputs": 3, "n_outputs": 2, "n_hidden": n_hidden, "topology": topology, "bias": bias, "interval": 4}
    plain = BPTTSettings(**net, learning_rate=0.5)
    bent = BPTTSettings(**net, learning_rate=0.5e9, curvature=kind, mu=1e9)
    weights, sequences = draw(plain.exists), examples(3, 2, [6, 1, 9], symbols=symbols, every=2)
    expected, found = (changes(settings, weights, sequences, symbols=symbols) for settings in (plain, bent))
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-9)
        assert np.abs(expected[name]).max() > 1e-3


def chain(weights, inputs, target):
    """Output of a net of one hidden unit, for weights of each step's own, and what it has of the error."""
    y = 0.0
    for x, row in zip(inputs, weights["hidden"], strict=True):
        y = logistic(row @ np.concatenate([x, [y, 1.0]]))
    y = logistic(weights["output"] @ [y, 1.0])
    return y, 0.5 * (target - y) ** 2


@KINDS
def test_derivatives_are_those_of_a_chain(kind):
    """Of one unit after another the diagonal is exact: h(t) = (dy/dw(t))**2, for a weight of each step's own."""
    mu = 1e-3
    settings = BPTTSettings(2, 1, 1, topology="layered", bias=True, learning_rate=0.5, curvature=kind, mu=mu)
    weights, [(inputs, targets)] = draw(settings.exists, 2.0), examples(2, 1, [5], every=9)
    own = {"hidden": np.repeat(weights["hidden"], 5, axis=0), "output": weights["output"][0]}
    g, h = ({name: np.zeros(group.shape) for name, group in own.items()} for _ in range(2))
    for name, group in own.items():
        for at in np.ndindex(group.shape):
            ends = []
            for sign in (1.0, -1.0):
                moved = {key: value.copy() for key, value in own.items()}
                moved[name][at] += sign * 1e-5
                ends.append(chain(moved, inputs, targets[-1, 0]))
            g[name][at], h[name][at] = (ends[1][1] - ends[0][1]) / 2e-5, ((ends[1][0] - ends[0][0]) / 2e-5) ** 2
    found = changes(settings, weights, [(inputs, targets)])
    expected = g["hidden"].sum(0) / (mu + h["hidden"].sum(0)) if kind == "sum" else (g["hidden"] / (mu + h["hidden"])).sum(0)
    assert h["hidden"].max() > mu > h["hidden"].min()
    np.testing.assert_allclose(found["hidden"][0], 0.5 * expected, rtol=1e-5)
    np.testing.assert_allclose(found["output"][0], 0.5 * g["output"] / (mu + h["output"]), rtol=1e-5)


@KINDS
def test_changes_of_a_full_net_follow_a_twin(kind):
    settings = BPTTSettings(3, 2, 3, topology="full", bias=True, learning_rate=0.5, curvature=kind, mu=0.01)
    weights, [(inputs, targets)] = draw(settings.exists), examples(3, 2, [7], every=3)
    w, back = np.concatenate([weights["output"], weights["hidden"]]), np.r_[6, 7, 3:6]
    y, stored = np.zeros(5), []
    for x, d in zip(inputs, targets, strict=True):
        z = np.concatenate([x, y[2:], y[:2], [1.0]])
        y = logistic(w @ z)
        taught = not np.isnan(d[0])
        e = np.append(d - y[:2], np.zeros(3)) if taught else np.zeros(5)
        stored.append((z, y, e, np.r_[1, 1, 0, 0, 0] * taught))
    carried, bent, g, h = np.zeros(5), np.zeros(5), [], []
    for z, y, e, curve in reversed(stored):
        slope = y * (1 - y)
        delta, s = slope * (e + carried), slope**2 * (curve + bent)
        carried, bent = w[:, back].T @ delta, (w[:, back] ** 2).T @ s
        g.append(np.outer(delta, z))
        h.append(np.outer(s, z**2))
    g, h = np.array(g), np.array(h)
    expected = 0.5 * (g.sum(0) / (0.01 + h.sum(0)) if kind == "sum" else (g / (0.01 + h)).sum(0))
    found = changes(settings, weights, [(inputs, targets)])
    np.testing.assert_allclose(np.concatenate([found["output"], found["hidden"]]), expected, rtol=1e-10, atol=1e-14)


@KINDS
def test_outputs_of_a_layer_follow_the_rule_over_several_targets(kind):
    settings = BPTTSettings(2, 2, 3, topology="layered", bias=True, learning_rate=0.5, curvature=kind, mu=0.01)
    weights, [(inputs, targets)] = draw(settings.exists), examples(2, 2, [6], every=2)
    learner = with_weights(BPTT(settings), weights)
    trace = run(learner, [(inputs, targets)])
    taught = ~np.isnan(targets[:, 0])
    y, z = trace["output"][taught], np.append(trace["hidden"][taught], np.ones((taught.sum(), 1)), axis=1)
    slope = y * (1 - y)
    g = (slope * (targets[taught] - y))[:, :, None] * z[:, None, :]
    h = (slope**2)[:, :, None] * z[:, None, :] ** 2
    expected = 0.5 * (g.sum(0) / (0.01 + h.sum(0)) if kind == "sum" else (g / (0.01 + h)).sum(0))
    np.testing.assert_allclose(change(weights, learner.weights(0))["output"], expected, rtol=1e-10)


@every_net
@KINDS
def test_targets_of_one_sequence_leave_nothing_to_the_next(kind, topology, n_hidden, bias):
    """A step without a target injects no second derivative, whatever an earlier sequence had there."""
    settings = BPTTSettings(3, 2, n_hidden, topology=topology, bias=bias, curvature=kind, mu=0.01)
    weights, (before, sequence) = draw(settings.exists), [examples(3, 2, [9], every=every)[0] for every in (1, 4)]
    learner = with_weights(BPTT(settings), weights)
    run(learner, [before])
    learner.set_weights(0, weights)
    run(learner, [sequence])
    found, expected = change(weights, learner.weights(0)), changes(settings, weights, [sequence])
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
        assert expected[name].any()


@pytest.mark.parametrize("given", [{"mu": 0.0}, {"curvature": "exact"}])
def test_settings_are_checked(given):
    with pytest.raises(ValueError, match=f"{next(iter(given))} is"):
        BPTTSettings(3, 2, 4, **given)
