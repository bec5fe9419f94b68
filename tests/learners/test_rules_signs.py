"""Rules with random signs: right on average over all signs, the same signs whatever is cut or resumed; learned kernels."""

import itertools

import numpy as np
import pytest

from lstmsim.kernels.random import bits, subkey
from tests.learners.driving import difference, examples, run
from tests.learners.rules_twin import gradients, made, settings

T, H = 3, 2


def signs(key, count):
    """The first two signs of a step."""
    word = int(bits(np.uint64(subkey(np.uint64(key), count)), 0))
    return word & 1, word >> 1 & 1


def keys_of_all_signs():
    """One key for each way in which the signs of the first T steps can fall."""
    found = {}
    for key in itertools.count():
        found.setdefault(tuple(signs(key, t + 1) for t in range(T)), key)
        if len(found) == 2 ** (2 * T):
            return sorted(found.values())


@pytest.mark.parametrize("rule", ["uoro", "kf-rtrl"])
@pytest.mark.parametrize("connections", ["all", "ring"])
def test_the_mean_over_all_signs_is_exact(rule, connections):
    """UORO draws a sign for each of the two units, KF-RTRL two for all."""
    changes = {"n_hidden": H, "leak": 0.4, "connections": connections, "exactness": 1}
    [(inputs, targets)] = examples(3, 2, [T])
    exact = gradients(made(settings("exact", **changes)), inputs, targets)
    found = []
    for key in keys_of_all_signs():
        net = made(settings(rule, **changes))
        net.state.key[0] = key
        found.append(gradients(net, inputs, targets))
    np.testing.assert_allclose(np.mean(found, axis=0), exact, rtol=1e-9, atol=1e-13)
    assert np.std(found, axis=0)[-1].max() > 1e-3, "draws differ"


@pytest.mark.parametrize("rule", ["uoro", "kf-rtrl", "kernl"])
def test_signs_belong_to_the_trial_and_to_the_step(rule):
    sequences = examples(3, 2, [5, 4])
    whole, parts, other = (made(settings(rule, leak=0.4)) for _ in range(3))
    run(whole, sequences)
    run(parts, sequences[:1])
    resumed = made(settings(rule, leak=0.4))
    resumed.set_weights(0, parts.weights(0))
    resumed.set_carried(0, parts.carried(0))
    run(resumed, sequences[1:])
    assert difference(whole.weights(0), resumed.weights(0)) == 0.0
    weights = other.weights(0)
    other.start(0, (5, 2))
    other.set_weights(0, weights)
    run(other, sequences)
    assert difference(whole.weights(0), other.weights(0)) > 1e-6


@pytest.mark.parametrize("decay", [0.9, 0.3], ids=["", "to the bound"])
def test_kernels_follow_their_equations(decay):
    given = settings("kernl", leak=0.4, exactness=1, kernel_rate=0.05, kernel_decay=decay, kernel_noise=1e-3)
    [(inputs, targets)] = examples(3, 2, [8])
    net = made(given)
    w, kept, n = net.weights(0), net.kept, given.n_hidden
    a, copy, kernel, beta = np.zeros(n), np.zeros(n), np.eye(n), np.full(n, decay)
    omega, gamma, b = np.zeros(n), np.zeros(n), np.zeros((n, 9))
    found = gradients(net, inputs, targets)
    for t, (x, d) in enumerate(zip(inputs, targets, strict=True)):
        word = int(bits(np.uint64(subkey(net.state.key[0], t + 1)), 0))
        xi = np.array([1.0 if word >> k & 1 else -1.0 for k in range(n)])
        z = np.concatenate([x, a, [1.0]])
        phi = np.tanh(w["hidden"] @ z)
        a, slope = 0.6 * a + 0.4 * phi, 0.4 * (1.0 - phi**2)
        copy = 0.6 * copy + 0.4 * np.tanh(w["hidden"] @ np.concatenate([x, copy, [1.0]])) + 1e-3 * xi
        r = np.maximum(0.0, 1.0 - beta)
        gamma, omega = r * gamma - omega, r * omega + xi
        wrong = (copy - a) / 1e-3 - kernel @ omega
        change = 0.05 * (wrong @ kernel) * gamma
        kernel, beta = kernel + 0.05 * np.outer(wrong, omega), np.maximum(0.0, beta + change)
        b = np.maximum(0.0, 1.0 - beta)[:, None] * b + slope[:, None] * z
        y = 1.0 / (1.0 + np.exp(-w["output"] @ np.append(a, 1.0)))
        q = w["output"][:, :-1].T @ ((d - y) * y * (1.0 - y))
        np.testing.assert_allclose(found[t], (q @ kernel)[:, None] * b, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(kept.kernel[:, :n], kernel, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(kept.beta[:n], beta, rtol=1e-8)
    assert (beta == 0.0).any() == (decay == 0.3)
    assert np.abs(kernel - np.eye(n)).max() > 0.01
