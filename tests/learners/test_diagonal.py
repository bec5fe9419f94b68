"""Diagonal complex units: exact traces against finite differences and against the same equations in complex numbers."""

import numpy as np
import pytest

from lstmsim.learners.diagonal import Diagonal, DiagonalSettings
from tests.learners.driving import descent, difference, examples, half_squared_error, run, with_weights


def made(seed=(5, 1), symbols=False, **changes):
    given = {"n_inputs": 3, "n_outputs": 2, "n_hidden": 3, "learning_rate": 0.1, "output": "identity", "init_range": 0.8}
    net = Diagonal(DiagonalSettings(**given | changes), symbols=symbols)
    net.start(0, seed)
    net.reset()
    return net


def responses(weights, inputs):
    """Outputs (step, output), in complex numbers."""
    nu, theta = weights["complex"][:, 0], weights["complex"][:, 1]
    real, imaginary = np.split(weights["complex"][:, 2:], 2, axis=1)
    turn, b = np.exp(-np.exp(nu) + 1j * theta), real + 1j * imaginary
    u, found = np.zeros(len(nu), complex), []
    for x in inputs:
        u = turn * u + np.sqrt(1.0 - np.abs(turn) ** 2) * (b @ np.append(x, 1.0))
        found.append(weights["output"] @ np.concatenate([u.real, u.imag, [1.0]]))
    return np.array(found)


def test_units_are_those_of_the_equations():
    net, [(inputs, targets)] = made(), examples(3, 2, [12])
    trace = run(net, [(inputs, targets)], learn=False)
    np.testing.assert_allclose(trace["output"], responses(net.weights(0), inputs), rtol=1e-12, atol=1e-14)


def test_traces_are_the_gradient():
    """Through nu and theta as they are: the factor exp(nu) of the inner derivative is part of it."""
    net, [(inputs, targets)] = made(clip=1e9), examples(3, 2, [9], every=2)
    weights, found = net.weights(0), np.zeros(net.settings.exists["complex"].shape)
    net.optimiser.now[0] = 0.0
    for x, d in zip(inputs, targets, strict=True):
        run(net, [(x[None], d[None])], ends=False)
        found += 0.0 if np.isnan(d).any() else net.gradient
    slopes = descent(lambda changed: half_squared_error(responses(changed, inputs), targets), weights, net.settings.exists)
    np.testing.assert_allclose(found, slopes["complex"], rtol=1e-6, atol=1e-9)
    assert np.abs(slopes["complex"]).min() > 1e-4


@pytest.mark.parametrize("n_hidden", [1, 8, 11])
def test_plain_changes_are_those_of_the_optimiser(n_hidden):
    one, other = made(n_hidden=n_hidden), made(n_hidden=n_hidden, clip=1e9)
    weights, sequences = one.weights(0), examples(3, 2, [5, 1, 4])
    for net in (one, other):
        run(with_weights(net, weights), sequences)
    assert difference(one.weights(0), other.weights(0)) < 1e-14
    assert difference(one.weights(0), weights) > 1e-3


def test_symbols_are_one_hot_inputs():
    one, other = made(n_inputs=4, symbols=True), made(n_inputs=4)
    sequences = examples(4, 2, [6, 3], symbols=True)
    run(one, sequences)
    run(other, [(np.eye(4)[symbols], targets) for symbols, targets in sequences])
    assert difference(one.weights(0), other.weights(0)) == 0.0


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"smallest is 0\.9; allowed: less than the largest, 0\.8"):
        DiagonalSettings(3, 2, smallest=0.9, largest=0.8)
    with pytest.raises(ValueError, match="phase is 7"):
        DiagonalSettings(3, 2, phase=7.0)
