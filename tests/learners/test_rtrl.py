"""Real-time recurrent learning against finite differences and against its equations written out."""

import numpy as np
import pytest

from lstmsim.learners.rtrl import RTRL, RTRLSettings
from tests.learners.driving import (
    NETS,
    change,
    descent,
    difference,
    draw,
    every_net,
    examples,
    half_squared_error,
    logistic,
    responses,
    run,
    with_weights,
)


@every_net
def test_outputs_are_those_of_the_equations(topology, n_hidden, bias):
    settings = RTRLSettings(3, 2, n_hidden, topology=topology, bias=bias)
    weights, [(inputs, targets)] = draw(settings.exists), examples(3, 2, [6])
    trace = run(with_weights(RTRL(settings), weights), [(inputs, targets)], learn=False)
    outputs, hidden = responses(topology, weights, inputs)
    np.testing.assert_allclose(trace["output"], outputs, rtol=1e-13)
    np.testing.assert_allclose(trace["hidden"], hidden, rtol=1e-13)
    np.testing.assert_allclose(trace["output_error"], outputs * (1 - outputs) * (targets - outputs), rtol=1e-12)


@pytest.mark.parametrize(
    ("topology", "n_hidden", "bias", "forcing"), [*((*net, False) for net in NETS), ("full", 4, False, True)]
)
def test_epoch_wise_changes_are_the_gradient(topology, n_hidden, bias, forcing):
    settings = RTRLSettings(
        3, 2, n_hidden, topology=topology, bias=bias, learning_rate=0.7, update="sequence", teacher_forcing=forcing
    )
    weights, [(inputs, targets)] = draw(settings.exists), examples(3, 2, [6], every=2)
    learner = with_weights(RTRL(settings), weights)
    run(learner, [(inputs, targets)])

    def error(changed):
        return half_squared_error(responses(topology, changed, inputs, forced=targets if forcing else None)[0], targets)

    slopes = descent(error, weights, settings.exists)
    changes = change(weights, learner.weights(0))
    for name in slopes:
        np.testing.assert_allclose(changes[name], 0.7 * slopes[name], rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("forcing", [False, True])
def test_on_line_changes_follow_williams_and_zipser(forcing):
    settings = RTRLSettings(3, 2, 3, topology="full", bias=True, learning_rate=0.5, teacher_forcing=forcing)
    weights, sequences = draw(settings.exists), examples(3, 2, [5, 7], every=2)
    learner = with_weights(RTRL(settings), weights)
    run(learner, sequences)
    w = np.concatenate([weights["hidden"], weights["output"]])
    for inputs, targets in sequences:
        y, p = np.zeros(5), np.zeros((5, *w.shape))
        for x, d in zip(inputs, targets, strict=True):
            z = np.concatenate([x, y, [1.0]])
            y = logistic(w @ z)
            fed_back = np.einsum("kl,lij->kij", w[:, 3:8], p)
            fed_back[np.arange(5), np.arange(5)] += z
            p = (y * (1 - y))[:, None, None] * fed_back
            if not np.isnan(d).any():
                w = w + 0.5 * np.einsum("k,kij->ij", d - y[3:], p[3:])
                if forcing:
                    y[3:], p[3:] = d, 0.0
    assert difference(learner.weights(0), {"hidden": w[:3], "output": w[3:]}) < 1e-13


def test_one_hidden_unit_takes_the_sparse_form():
    """Experiment 2a: p_i(t) = h'(x_i + w_hh p_i(t-1)), p_hh(t) = h'(h(t-1) + w_hh p_hh(t-1))."""
    n = 5
    settings = RTRLSettings(n, n, 1, topology="direct", learning_rate=1.0)
    weights, sequences = draw(settings.exists), examples(n, n, [4, 4, 4], symbols=True)
    learner = with_weights(RTRL(settings, symbols=True), weights)
    run(learner, sequences)
    w, w_out = weights["hidden"][0, :-1].copy(), weights["output"][:, :-1].copy()
    for symbols, targets in sequences:
        h, p = 0.0, np.zeros(n + 1)
        for symbol, d in zip(symbols, targets, strict=True):
            z = np.append(np.eye(n)[symbol], h)
            h = float(logistic(w @ z))
            p = h * (1 - h) * (z + w[n] * p)
            sources = np.append(np.eye(n)[symbol], h)
            y = logistic(w_out @ sources)
            e = y * (1 - y) * (d - y)
            w, w_out = w + w_out[:, n] @ e * p, w_out + np.outer(e, sources)
    assert settings.n_weights == (n + 1) ** 2
    twin = {"hidden": np.append(w, 0.0)[None], "output": np.append(w_out, np.zeros((n, 1)), axis=1)}
    assert difference(learner.weights(0), twin) < 1e-13


@pytest.mark.parametrize("topology", ["full", "direct"])
def test_symbols_are_one_hot_inputs(topology):
    settings = RTRLSettings(4, 3, 2, topology=topology, bias=True)
    weights, sequences = draw(settings.exists), examples(4, 3, [6, 3], symbols=True)
    one, other = (with_weights(RTRL(settings, symbols=symbols), weights) for symbols in (True, False))
    traces = run(one, sequences), run(other, [(np.eye(4)[symbols], targets) for symbols, targets in sequences])
    assert difference(one.weights(0), other.weights(0)) < 1e-15
    for name, values in traces[0].items():
        np.testing.assert_allclose(values, traces[1][name], atol=1e-15)


@pytest.mark.parametrize("topology", ["full", "direct"])
def test_update_norm_is_that_of_the_change(topology):
    settings = RTRLSettings(3, 2, 2, topology=topology)
    weights, [(inputs, targets)] = draw(settings.exists), examples(3, 2, [1])
    learner = with_weights(RTRL(settings), weights)
    trace = run(learner, [(inputs, targets)])
    squares = sum(float((values**2).sum()) for values in change(weights, learner.weights(0)).values())
    np.testing.assert_allclose(trace["update_norm"], [squares**0.5], rtol=1e-9)


def test_the_papers_weight_counts():
    assert RTRLSettings(7, 7, 3).n_weights == 170
    assert RTRLSettings(7, 7, 12).n_weights == 494
    for topology in ("direct", "late"):
        assert [RTRLSettings(p + 1, p + 1, 1, topology=topology).n_weights for p in (4, 10, 100)] == [36, 144, 10404]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"n_hidden": 0}, "n_hidden is 0"),
        ({"n_inputs": True}, "n_inputs is True"),
        ({"topology": "F"}, "topology is 'F'.*'direct'"),
        ({"bias": 1}, "bias is 1"),
        ({"update": "epoch"}, "update is 'epoch'"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"init_range": np.inf}, "init_range is inf"),
        ({"topology": "layered", "teacher_forcing": True}, "teacher_forcing is True"),
        ({"n_hidden": 10_000}, "too large"),
    ],
)
def test_settings_are_checked(changes, named):
    with pytest.raises(ValueError, match=named):
        RTRLSettings(**{"n_inputs": 3, "n_outputs": 2, "n_hidden": 4, **changes})


def test_too_many_sensitivities_are_refused():
    with pytest.raises(ValueError, match=r"sensitivities.*at most"):
        RTRL(RTRLSettings(10, 10, 400))
