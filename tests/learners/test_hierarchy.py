"""The multilevel predictor hierarchy: against a literal twin, frozen levels, growth, and the 20-step stream."""

import numpy as np
import pytest

from lstmsim import simulate
from lstmsim.learners.hierarchy import Hierarchy, HierarchySettings
from lstmsim.paper import row
from lstmsim.simulation.one_by_one import simulation_for
from lstmsim.simulation.policy import Policy
from tests.learners.driving import difference, draw, run, with_weights
from tests.learners.test_chunker import Literal, sequences_for

SETTINGS = (
    HierarchySettings(5, 6, n_hidden=2, failure=0.5, time_scale=3.0, learning_rate=0.7),
    HierarchySettings(5, 1, levels=4, n_hidden=1, failure=0.4, time_scale=5.0, shortcuts=False),
    HierarchySettings(4, 4, levels=2, n_hidden=3, failure=0.45),
)
every_net = pytest.mark.parametrize(
    ("settings", "size"),
    list(zip(SETTINGS, (2.0, 5.0, 2.0), strict=True)),
    ids=["three levels", "four, no shortcuts", "two levels"],
)


def literal(settings, weights, sequences, active):
    """Learn the sequences step by step with levels up to `active`; weights, levels that read, and outputs."""
    names = [f"level_{n}" for n in range(1, settings.levels + 1)]
    nets = [Literal(weights[f"{name}_hidden"], weights[f"{name}_output"]) for name in names]
    reads, outputs = [], []
    for inputs, targets in sequences:
        for net in nets:
            net.forget()
        pending, last = [True] * len(nets), [0] * len(nets)
        for t, (symbol, target) in enumerate(zip(inputs, targets, strict=True)):
            waiting = [s for s in range(active + 1) if pending[s]]
            for s in waiting:
                nets[s].read(np.append(np.eye(settings.n_inputs)[symbol], (t - last[s]) / settings.time_scale))
                last[s] = t
            reads.append(len(waiting))
            unsure = [(np.minimum(net.y, 1 - net.y) >= settings.failure) for net in nets[:active]]
            answering = np.array([next((s for s in range(active) if not unsure[s][k]), active) for k in range(len(target))])
            outputs.append([nets[s].y[k] for k, s in enumerate(answering)])
            pending = [True] + [False] * len(nets)
            for s in range(active + 1):
                if pending[s]:
                    pending[s + 1] = np.abs(target - nets[s].y).max() >= settings.failure
                    if s == active:
                        nets[s].learn(target, settings.learning_rate, settings.exists[f"{names[s]}_output"])
    pairs = list(zip(names, nets, strict=True))
    found = {f"{name}_hidden": net.hidden for name, net in pairs} | {f"{name}_output": net.output for name, net in pairs}
    return found, np.array(reads), np.array(outputs)


@every_net
def test_learns_like_the_literal_twin_and_leaves_frozen_levels_alone(settings, size):
    """At every stage of growth, with weights so large that levels are sure of some outputs, rightly or not."""
    weights, sequences = draw(settings.exists, size), sequences_for(settings, (9, 1, 14, 30))
    sequences = [(inputs, targets.round()) for inputs, targets in sequences]
    for active in range(settings.levels):
        learner = with_weights(Hierarchy(settings, symbols=True), weights)
        for _ in range(active):
            learner.join(0)
        expected, reads, outputs = literal(settings, weights, sequences, active)
        recorded = run(learner, sequences)
        np.testing.assert_array_equal(recorded["levels_reading"], reads)
        np.testing.assert_allclose(recorded["output"], outputs, atol=1e-12)
        assert difference(expected, learner.weights(0)) < 1e-12
        changed = [not np.array_equal(weights[name], learner.weights(0)[name]) for name in weights]
        assert changed == [name.startswith(f"level_{active + 1}_") for name in weights]
        assert set(reads) <= set(range(1, active + 2))
        assert active == 0 or len(set(reads)) > 1


def test_a_level_reads_what_no_level_below_predicted_with_the_steps_since():
    """Level 1 knows that 0 follows 0 and nothing else: level 2 reads what else comes, and how far apart."""
    settings = HierarchySettings(2, 2, levels=2, n_hidden=1, failure=0.25, time_scale=10.0)
    weights = {name: np.zeros(mask.shape) for name, mask in settings.exists.items()}
    weights["level_1_output"][:, :2] = [[9.0, 0.0], [-9.0, 0.0]]
    weights["level_2_hidden"][0, 2] = 1.0
    learner = with_weights(Hierarchy(settings, symbols=True), weights)
    learner.join(0)
    inputs = np.array([0, 0, 0, 1, 0, 0, 0, 0, 1])
    targets = np.eye(2)[np.append(inputs[1:], 0)]
    recorded = run(learner, [(inputs, targets)], learn=False)
    read = np.array([0, 3, 4, 8])
    np.testing.assert_array_equal(np.flatnonzero(recorded["levels_reading"] == 2), read)
    stamps = np.diff(read, prepend=0) / 10.0
    np.testing.assert_allclose(recorded["level_hidden"][read, 1], 1.0 / (1.0 + np.exp(-stamps)), rtol=1e-12)
    np.testing.assert_array_equal(recorded["level_hidden"][4:8, 1], recorded["level_hidden"][4, 1])


def test_the_20_step_stream_is_learned_in_most_runs_within_5000_strings():
    """Schmidhuber (1992). A sequence is ten strings; level 1 learns the strings, level 2 the class."""
    found = simulate("stream-levels", trials=6, record="none", progress=False)["stream-levels"]
    assert (found.status == "solved").all()
    assert (10 * found.sequences <= 5000).sum() > 3
    assert (found.joined >= 1).all()


def test_one_level_does_not_learn_it():
    found = simulate("stream-levels", trials=2, record="none", progress=False, join_ratio=1e9, max_sequences=1000)
    assert (found["stream-levels"].status == "gave_up").all()
    assert (found["stream-levels"].joined == 0).all()


def test_growth_is_replayed():
    """The last sequences, repeated from before a level began, are those of the trial."""
    config = row("stream-levels").config
    everything, last = (
        next(simulation_for(config, 0, 1, Policy.parse(policy)).run(iter([0]))) for policy in ("all", "last:200")
    )
    assert everything.joined == last.joined
    assert max(everything.joined) > everything.sequences - 200
    steps = [np.concatenate(result.rows) for result in (everything, last)]
    np.testing.assert_array_equal(steps[0][steps[0][:, 0] >= everything.sequences - 200], steps[1])


def test_a_window_must_hold_what_growth_compares():
    config = row("stream-levels").config
    with pytest.raises(ValueError, match="join_window is 60, window 100; allowed: a window of at least twice join_window"):
        simulation_for(config.with_settings({"join_window": 60}), 0, 1, Policy())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"levels": 1}, "levels is 1; allowed"),
        ({"levels": 5}, "levels is 5; allowed"),
        ({"failure": 0.0}, "failure is 0.0; allowed"),
        ({"time_scale": 0.0}, "time_scale is 0.0; allowed"),
        ({"join_window": 0}, "join_window is 0; allowed"),
    ],
)
def test_refuses(given, told):
    with pytest.raises(ValueError, match=told):
        HierarchySettings(5, 5, **given)


def test_takes_symbols_only():
    with pytest.raises(ValueError, match="symbols is False"):
        Hierarchy(SETTINGS[0])
