"""Columnar LSTM: exact partials against finite differences of the same equations, with a dense net's recurrence cut."""

import numpy as np
import pytest

from lstmsim.learners.columnar import Columnar, ColumnarSettings
from tests.learners.driving import descent, difference, examples, half_squared_error, logistic, run, with_weights


def made(symbols=False, **changes):
    given = {"n_inputs": 3, "n_outputs": 2, "n_hidden": 3, "learning_rate": 0.3, "init_range": 0.8}
    net = Columnar(ColumnarSettings(**given | changes), symbols=symbols)
    net.start(0, (5, 1))
    net.reset()
    return net


def responses(weights, inputs):
    """Outputs of an LSTM whose recurrent weights are all there, but zero outside the diagonal."""
    n = len(weights["column"])
    gates = weights["column"].reshape(n, 4, -1).transpose(1, 0, 2)
    external, recurrent = gates[:, :, :-1], np.array([np.diag(gate[:, -1]) for gate in gates])
    s, h, found = np.zeros(n), np.zeros(n), []
    for x in inputs:
        y_in, y_f, c, y_out = external @ np.append(x, 1.0) + recurrent @ h
        s = logistic(y_f) * s + logistic(y_in) * np.tanh(c)
        h = logistic(y_out) * np.tanh(s)
        found.append(logistic(weights["output"] @ np.append(h, 1.0)))
    return np.array(found)


def test_cells_are_those_of_the_equations():
    net, [(inputs, targets)] = made(), examples(3, 2, [12])
    trace = run(net, [(inputs, targets)], learn=False)
    np.testing.assert_allclose(trace["output"], responses(net.weights(0), inputs), rtol=1e-12)


def test_partials_are_the_gradient():
    net, [(inputs, targets)] = made(clip=1e9), examples(3, 2, [9], every=2)
    weights, found = net.weights(0), np.zeros(net.settings.exists["column"].shape)
    net.optimiser.now[0] = 0.0
    for x, d in zip(inputs, targets, strict=True):
        run(net, [(x[None], d[None])], ends=False)
        found += 0.0 if np.isnan(d).any() else net.gradient
    slopes = descent(lambda changed: half_squared_error(responses(changed, inputs), targets), weights, net.settings.exists)
    np.testing.assert_allclose(found, slopes["column"], rtol=1e-6, atol=1e-9)
    assert (slopes["column"] != 0).all()


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


def test_forget_gates_start_open():
    weights = made(forget_bias=3.0, init_range=0.1).weights(0)["column"].reshape(3, 4, 5)
    assert (weights[:, 1, 3] > 2.8).all()
    assert np.abs(np.delete(weights.reshape(3, 20), 8, axis=1)).max() <= 0.1
