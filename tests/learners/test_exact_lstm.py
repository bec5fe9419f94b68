"""The untruncated gradient of the LSTM against finite differences, and against the truncated rule where both agree."""

import numpy as np
import pytest

from lstmsim.learners.lstm.exact import ExactLSTM
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.lstm.settings import LSTMSettings
from tests.learners.driving import change, descent, difference, draw, examples, half_squared_error, run, with_weights

ARCHITECTURES = {
    "F all": {"n_blocks": 2, "block_size": 2, "n_hidden": 2},
    "F ga": {"n_blocks": 3, "bias": "ga", "shortcuts": True},
    "F b1, no output gates": {"n_blocks": 2, "bias": "b1", "output_gates": False, "n_hidden": 1},
    "F none, identity": {"n_blocks": 1, "block_size": 2, "bias": "none", "cell_output": "identity", "cell_input": "f"},
    "F cells": {"n_blocks": 2, "block_size": 2, "n_hidden": 2, "recurrence": "cells"},
    "F cells, no output gates": {"n_blocks": 3, "output_gates": False, "recurrence": "cells"},
    "F no recurrence": {"n_blocks": 2, "recurrence": "none"},
    "F linear output": {"n_blocks": 1, "block_size": 3, "output": "identity", "output_bias": False},
}
TOPOLOGY_B = {
    "2a": {"n_blocks": 2, "bias": "none", "output_gates": False, "cell_input": "f", "cell_output": "identity"},
    "B all": {"n_blocks": 2, "block_size": 2, "n_hidden": 2},
}


def build(symbols=False, **settings):
    """Make an architecture of three inputs and two outputs."""
    return LSTMSettings(3, 2, learning_rate=0.6, **settings), examples(3, 2, [6, 4], symbols=symbols, every=2)


@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("settings", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
def test_changes_are_the_gradient_of_the_summed_error(settings, symbols):
    architecture, [sequence, _] = build(symbols, **settings, update="sequence")
    weights, exists = draw(architecture.exists), architecture.exists
    forward = LaneNets(architecture, 1, symbols=symbols)

    def error(changed):
        return half_squared_error(run(with_weights(forward, changed), [sequence], learn=False)["output"], sequence[1])

    learner = with_weights(ExactLSTM(architecture, symbols=symbols), weights)
    run(learner, [sequence])
    slopes, changes = descent(error, weights, exists), change(weights, learner.weights(0))
    for name in slopes:
        np.testing.assert_allclose(changes[name], 0.6 * slopes[name], rtol=1e-6, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("settings", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
def test_without_recurrent_weights_the_truncated_rule_is_exact(settings, symbols):
    architecture, [sequence, _] = build(symbols, **settings, update="sequence")
    weights = draw(architecture.exists)
    for name in set(weights) - {"output"}:
        weights[name][:, architecture.n_inputs : -1] = 0.0
    learners = [with_weights(kind(architecture, 1, symbols=symbols), weights) for kind in (ExactLSTM, LaneNets)]
    traces = [run(learner, [sequence]) for learner in learners]
    assert difference(*(learner.weights(0) for learner in learners)) < 1e-12
    assert difference(learners[0].weights(0), weights) > 1e-3
    for name in traces[0]:
        np.testing.assert_allclose(traces[0][name], traces[1][name], atol=1e-12, err_msg=name)


@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("settings", TOPOLOGY_B.values(), ids=TOPOLOGY_B.keys())
def test_in_topology_b_both_rules_are_the_same(settings, symbols):
    architecture, sequences = build(symbols, topology="B", **settings)
    weights = draw(architecture.exists)
    learners = [with_weights(kind(architecture, 1, symbols=symbols), weights) for kind in (ExactLSTM, LaneNets)]
    traces = [run(learner, sequences) for learner in learners]
    assert difference(*(learner.weights(0) for learner in learners)) < 1e-12
    for name in traces[0]:
        np.testing.assert_allclose(traces[0][name], traces[1][name], atol=1e-12, err_msg=name)


def test_the_truncation_makes_a_difference_elsewhere():
    architecture, [sequence, _] = build(n_blocks=2, block_size=2, update="sequence")
    weights = draw(architecture.exists)
    learners = [with_weights(kind(architecture, 1), weights) for kind in (ExactLSTM, LaneNets)]
    traces = [run(learner, [sequence]) for learner in learners]
    assert difference(*(learner.weights(0) for learner in learners)) > 1e-3
    for name in set(traces[0]) - {"update_norm"}:
        np.testing.assert_array_equal(traces[0][name], traces[1][name], err_msg=name)


@pytest.mark.parametrize("symbols", [False, True])
def test_on_line_changes_act_at_once(symbols):
    """A first target changes the weights as an epoch of the steps up to it would."""
    architecture, [(inputs, targets), _] = build(symbols, n_blocks=2, shortcuts=True)
    epoch, _ = build(symbols, n_blocks=2, shortcuts=True, update="sequence")
    targets[:-1] = np.nan
    weights = draw(architecture.exists)
    learners = [with_weights(ExactLSTM(each, symbols=symbols), weights) for each in (architecture, epoch)]
    norms = [run(learner, [(inputs, targets)])["update_norm"] for learner in learners]
    assert difference(*(learner.weights(0) for learner in learners)) == 0.0
    squares = sum(float((values**2).sum()) for values in change(weights, learners[0].weights(0)).values())
    np.testing.assert_allclose([norm[-1] for norm in norms], squares**0.5, rtol=1e-9)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="sequential is True"):
        ExactLSTM(LSTMSettings(3, 2, n_blocks=1, sequential=True))
    with pytest.raises(ValueError, match=r"sensitivities.*fewer units"):
        ExactLSTM(LSTMSettings(3, 2, n_blocks=200, topology="F"))
