"""Back-propagation through time against real-time recurrent learning and finite differences."""

import numpy as np
import pytest

from lstmsim.learners.bptt import BPTT, BPTTSettings
from lstmsim.learners.rtrl import RTRL, RTRLSettings
from tests.learners.driving import (
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
@pytest.mark.parametrize("symbols", [False, True])
def test_full_passes_equal_epoch_wise_rtrl(topology, n_hidden, bias, symbols):
    net = {"n_inputs": 3, "n_outputs": 2, "n_hidden": n_hidden, "topology": topology, "bias": bias, "learning_rate": 0.9}
    one, other = BPTTSettings(**net), RTRLSettings(**net, update="sequence")
    weights, sequences = draw(one.exists), examples(3, 2, [6, 1, 9, 4], symbols=symbols, every=2)
    through_time = with_weights(BPTT(one, symbols=symbols), weights)
    real_time = with_weights(RTRL(other, symbols=symbols), weights)
    traces = run(through_time, sequences), run(real_time, sequences)
    assert difference(through_time.weights(0), real_time.weights(0)) < 1e-14
    assert difference(through_time.weights(0), weights) > 0.01
    for name in ("output", "hidden", "output_error", "hidden_error"):
        np.testing.assert_allclose(traces[0][name], traces[1][name], atol=1e-14)


@every_net
def test_a_single_target_has_the_same_gradient_at_once(topology, n_hidden, bias):
    net = {"n_inputs": 3, "n_outputs": 2, "n_hidden": n_hidden, "topology": topology, "bias": bias}
    one, other = BPTTSettings(**net, interval=1), RTRLSettings(**net)
    weights, sequences = draw(one.exists), examples(3, 2, [6, 5], every=9)
    through_time, real_time = with_weights(BPTT(one), weights), with_weights(RTRL(other), weights)
    norms = [run(learner, sequences)["update_norm"] for learner in (through_time, real_time)]
    assert difference(through_time.weights(0), real_time.weights(0)) < 1e-14
    np.testing.assert_allclose(*norms, rtol=1e-9)


@pytest.mark.parametrize("topology", ["full", "direct"])
@pytest.mark.parametrize(("horizon", "interval"), [(4, 3), (3, 3), (5, 1), (1, 1), (None, 4), (8, 1)])
def test_a_truncated_pass_is_the_gradient_from_a_given_start(topology, horizon, interval):
    """With targets after the last but one pass only, the steps before the horizon count as constants."""
    settings = BPTTSettings(3, 2, 3, topology=topology, bias=True, learning_rate=0.5, horizon=horizon, interval=interval)
    weights, [(inputs, targets)] = draw(settings.exists), examples(3, 2, [7])
    first = 6 - 6 % interval
    targets[:first] = np.nan
    low = max(7 - (horizon or 7), 0)
    outputs, hidden = responses(topology, weights, inputs)
    start = (hidden[low - 1], outputs[low - 1]) if low else None

    def error(changed):
        return half_squared_error(responses(topology, changed, inputs[low:], start)[0], targets[low:])

    learner = with_weights(BPTT(settings), weights)
    run(learner, [(inputs, targets)])
    slopes, changes = descent(error, weights, settings.exists), change(weights, learner.weights(0))
    for name in slopes:
        np.testing.assert_allclose(changes[name], 0.5 * slopes[name], rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(("horizon", "interval"), [(None, None), (4, 3), (3, 3), (5, 1), (1, 1), (None, 2)])
def test_passes_follow_williams_and_peng(horizon, interval):
    """BPTT(h; h') of a fully recurrent net, written out with the stored steps."""
    settings = BPTTSettings(3, 2, 3, topology="full", bias=True, learning_rate=0.5, horizon=horizon, interval=interval)
    weights, sequences = draw(settings.exists), examples(3, 2, [8, 1, 5])
    learner = with_weights(BPTT(settings), weights)
    run(learner, sequences)
    w = np.concatenate([weights["output"], weights["hidden"]])
    back = np.r_[6, 7, 3:6]  # columns of the units, outputs first, among the sources
    for inputs, targets in sequences:
        y, stored, since = np.zeros(5), [], 0
        for t, (x, d) in enumerate(zip(inputs, targets, strict=True)):
            z = np.concatenate([x, y[2:], y[:2], [1.0]])
            y = logistic(w @ z)
            stored.append((z, y, np.append(d - y[:2], np.zeros(3))))
            if t < len(inputs) - 1 and (interval is None or (t + 1) % interval):
                continue
            carried, total = np.zeros(5), np.zeros(w.shape)
            for tau in range(t, (max(t - horizon, -1) if horizon else -1), -1):
                z_tau, y_tau, e_tau = stored[tau]
                delta = y_tau * (1 - y_tau) * ((e_tau if tau >= since else 0.0) + carried)
                total += np.outer(delta, z_tau)
                carried = w[:, back].T @ delta
            w, since = w + 0.5 * total, t + 1
    assert difference(learner.weights(0), {"output": w[:2], "hidden": w[2:]}) < 1e-13


def test_a_sequence_left_open_can_be_cut_anywhere():
    settings = BPTTSettings(3, 2, 3, topology="layered", interval=3)
    weights, sequences = draw(settings.exists), examples(3, 2, [5000, 9])
    learners = [with_weights(BPTT(settings), weights) for _ in range(2)]
    for learner, cut in zip(learners, (0, 4998), strict=True):
        run(learner, sequences, cut=cut)
    assert difference(*(learner.weights(0) for learner in learners)) == 0.0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"interval": 0}, "interval is 0"),
        ({"horizon": 3}, "interval is None"),
        ({"horizon": 3, "interval": 4}, "horizon is 3.*at least the interval, 4"),
        ({"horizon": 2.5, "interval": 1}, "horizon is 2.5"),
    ],
)
def test_settings_are_checked(changes, named):
    with pytest.raises(ValueError, match=named):
        BPTTSettings(3, 2, 4, **changes)
