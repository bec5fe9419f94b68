"""Elman's procedure against back-propagation through one step."""

import numpy as np
import pytest

from lstmsim.learners.bptt import BPTT, BPTTSettings
from lstmsim.learners.elman import Elman, ElmanSettings
from tests.learners.driving import change, difference, draw, examples, run, with_weights

SIZES = {"n_inputs": 4, "n_outputs": 3, "n_hidden": 5, "learning_rate": 0.6}


@pytest.mark.parametrize("topology", ["layered", "direct"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("symbols", [False, True])
def test_elmans_procedure_is_bptt_1(topology, bias, symbols):
    one = ElmanSettings(**SIZES, topology=topology, bias=bias)
    other = BPTTSettings(**SIZES, topology=topology, bias=bias, horizon=1, interval=1)
    weights, sequences = draw(one.exists), examples(4, 3, [6, 1, 9], symbols=symbols, every=2)
    learners = with_weights(Elman(one, symbols=symbols), weights), with_weights(BPTT(other, symbols=symbols), weights)
    traces = [run(learner, sequences) for learner in learners]
    assert difference(*(learner.weights(0) for learner in learners)) < 1e-14
    for name in traces[0]:
        np.testing.assert_allclose(traces[0][name], traces[1][name], rtol=1e-10, atol=1e-14)


def test_momentum_repeats_a_share_of_the_last_change():
    settings = ElmanSettings(**SIZES, momentum=0.9)
    plain = BPTTSettings(**SIZES, topology="layered", horizon=1, interval=1)
    weights, sequences = draw(settings.exists), examples(4, 3, [1] * 4)
    learner = with_weights(Elman(settings), weights)
    run(learner, sequences)
    last = {name: np.zeros(values.shape) for name, values in weights.items()}
    for sequence in sequences:
        twin = with_weights(BPTT(plain), weights)
        run(twin, [sequence])
        slope = change(weights, twin.weights(0))
        last = {name: slope[name] + 0.9 * last[name] for name in weights}
        weights = {name: weights[name] + last[name] for name in weights}
    assert difference(learner.weights(0), weights) < 1e-14


def test_what_outlives_a_sequence_can_be_taken_over():
    settings = ElmanSettings(**SIZES, momentum=0.5)
    sequences = examples(4, 3, [5, 4, 6])
    whole = with_weights(Elman(settings), draw(settings.exists))
    run(whole, sequences[:2])
    taken = with_weights(Elman(settings), whole.weights(0))
    taken.set_carried(0, whole.carried(0))
    fresh = with_weights(Elman(settings), whole.weights(0))
    for learner in (whole, taken, fresh):
        run(learner, sequences[2:])
    assert difference(whole.weights(0), taken.weights(0)) == 0.0
    assert difference(whole.weights(0), fresh.weights(0)) > 0.0


def test_the_papers_weight_count():
    assert ElmanSettings(7, 7, 15).n_weights == 435


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"momentum": -0.1}, "momentum is -0.1"),
        ({"topology": "full"}, "topology is 'full'"),
    ],
)
def test_settings_are_checked(changes, named):
    with pytest.raises(ValueError, match=named):
        ElmanSettings(**SIZES, **changes)
