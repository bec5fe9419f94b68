"""Multigrid search and simulated annealing: literal twins, and the searches that they become at their limits."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lstmsim.kernels.random import subkey, trial_keys, uniform
from lstmsim.learners.annealing import AnnealingNets, AnnealingSettings
from lstmsim.learners.multigrid import MultigridNets, MultigridSettings
from lstmsim.learners.search.net import draw_strings
from lstmsim.paper import rows
from lstmsim.simulation.config import Experiment, StoppingRule
from lstmsim.simulation.one_by_one import simulation_for
from lstmsim.simulation.policy import Policy
from lstmsim.tasks.latch import Latch
from lstmsim.tasks.two_sequence import TwoSequence

TASK = TwoSequence(12, 2)
STRINGS = draw_strings(TASK, 7, 5)
KEY = np.uint64(77)
SMALL = {"n_inputs": 1, "n_outputs": 1, "n_hidden": 2, "weight_range": 3.0, "n_train": 7}
POLICY = Policy.parse("default")


def run(name, settings, cap, trial=0, task=TASK):
    """One trial of a search."""
    config = Experiment(task, (name, settings), StoppingRule(max_sequences=cap))
    return next(simulation_for(config, 0, 1, POLICY).run(iter([trial])))


def cost(learner, weights):
    """Sum of the squared errors of a net, and whether all its sequences are right; the learner's weights are left alone."""
    before = learner.net.weights.copy()
    learner.net.weights[:] = weights
    verdict = learner.judge(STRINGS)
    learner.net.weights[:] = before
    return verdict[:, 2].sum(), bool(verdict[:, 3].all())


@pytest.mark.parametrize("temperature", [0.0, 0.02, 1.0])
def test_annealing_is_metropolis_rule_along_one_weight_at_a_time(temperature):
    settings = AnnealingSettings(**SMALL, accept=1e-6, temperature=temperature, cooling=0.5, cycles=3)
    learner = AnnealingNets(settings)
    learner.begin()
    assert learner.go_on(STRINGS, KEY, 10**9)
    w, n = learner.net.weights.copy(), settings.n_weights
    energy, reach, draw, taken, kinds = cost(learner, w)[0], np.full(n, 3.0), 1, np.zeros(n), set()
    for _ in range(12):
        assert learner.go_on(STRINGS, KEY, 10**9)
        taken[:] = 0
        for j in list(range(n)) * 3:
            own = np.uint64(subkey(KEY, draw))
            moved, draw = w.copy(), draw + 1
            moved[j] += reach[j] * (2.0 * uniform(own, 0) - 1.0)
            new = cost(learner, moved)[0]
            chance = math.exp(-(new - energy) / (7 * temperature)) if new > energy and temperature else 0.0
            kept = new <= energy or 1.0 - uniform(own, 1) < chance
            kinds.add((bool(new <= energy), kept))
            if kept:
                w, energy = moved, new
                taken[j] += 1
        np.testing.assert_allclose(learner.net.weights, w, rtol=1e-12)
        share, temperature = taken / 3, temperature / 2
        reach = reach * np.where(share > 0.6, 1 + 5 * (share - 0.6), 1) / np.where(share < 0.4, 1 + 5 * (0.4 - share), 1)
        reach = np.minimum(reach, 6.0)
    assert kinds == {(True, True), (False, False)} | ({(False, True)} if settings.temperature else set())


def test_annealing_at_temperature_0_climbs_hills_only():
    learner = AnnealingNets(AnnealingSettings(**SMALL, accept=1e-6, temperature=0.0))
    learner.begin()
    costs = []
    for _ in range(40):
        learner.go_on(STRINGS, KEY, 10**9)
        costs.append(cost(learner, learner.net.weights)[0])
        assert costs[-1] == pytest.approx(learner.net.cost[0], rel=1e-12)
    assert (np.diff(costs) <= 0).all()
    assert costs[-1] < costs[0]


def test_multigrid_draws_from_boxes_that_shrink_around_each_better_net():
    settings = MultigridSettings(**SMALL, accept=1e-6)
    learner, n = MultigridNets(settings), settings.n_weights
    learner.begin()
    low, high, best, draw, better = np.full(n, -3.0), np.full(n, 3.0), math.inf, 0, 0
    while draw < 600:
        own = np.uint64(subkey(KEY, draw))
        w = (low + high) / 2 + (high - low) / 2 * np.array([2.0 * uniform(own, j) - 1.0 for j in range(n)])
        draw += 1
        if (new := cost(learner, w)[0]) < best:
            best, side, better = new, (high - low) / 2, better + 1
            low = np.clip(w - side / 2, low, high - side)
            high = low + side
            while not learner.go_on(STRINGS, KEY, 10**9):
                assert learner.net.counts[0] < draw
            assert learner.net.counts[0] == draw
            np.testing.assert_allclose(learner.net.weights, w, atol=1e-12)
            assert learner.net.cost[0] == pytest.approx(best, rel=1e-12)
    assert better > 5


def test_multigrid_with_a_box_that_never_shrinks_is_guessing():
    """The draw that gets all right is the same, to the bit; guessing counts it, multigrid what was presented until then."""
    config = rows()["guess-latch-2"].config
    for trial in range(3):
        guessed = run("guessing", config.settings, 5000, trial, config.task)
        settings = MultigridSettings(**vars(config.settings), shrink=1.0)
        found = run("multigrid", settings, 10**6, trial, config.task)
        assert guessed.status == found.status == "solved"
        assert all(np.array_equal(guessed.final[name], found.final[name]) for name in guessed.final)
        np.testing.assert_array_equal(guessed.test, found.test)
        assert found.sequences > guessed.sequences
        assert found.steps > guessed.steps


@pytest.mark.parametrize(("name", "kind"), [("multigrid", MultigridSettings), ("annealing", AnnealingSettings)])
def test_presentations_are_counted_to_the_cap(name, kind):
    """Steps are those of the sequences presented; a net whose presentation the cap cuts short is not taken."""
    settings = kind(**SMALL, accept=1e-6)
    first = draw_strings(TASK, 7, int(trial_keys(0, 0)[0]))
    for cap in (1, 6, 7, 40):
        result = run(name, settings, cap)
        assert (result.status, result.sequences) == ("gave_up", cap)
        assert result.progress[-1, 0] <= cap
        if cap <= 7:
            assert result.steps == first.begins[cap]
    few, more = run(name, settings, 400), run(name, settings, 500)
    assert 400 * 12 <= few.steps < more.steps <= 500 * 13


def test_what_can_be_guessed_is_found():
    task = Latch(20, 2)
    settings = {"net": "latch 2", "accept": 0.3, "n_train": 20, "n_inputs": 1, "n_outputs": 1}
    solved = [run("annealing", AnnealingSettings(**settings), 50_000, trial, task).status for trial in range(5)]
    assert solved.count("solved") >= 2
    result = run("annealing", AnnealingSettings(**settings), 50_000, solved.index("solved"), task)
    assert result.stages == {"solved": result.sequences}
    assert result.progress[-1, 3] == 1.0


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        (MultigridSettings, {"shrink": 0.0}, "shrink is 0.0; allowed"),
        (MultigridSettings, {"shrink": 1.5}, "shrink is 1.5; allowed"),
        (AnnealingSettings, {"temperature": -1.0}, r"temperature is -1.0; allowed"),
        (AnnealingSettings, {"cooling": 0.0}, "cooling is 0.0; allowed"),
        (AnnealingSettings, {"cycles": 0}, "cycles is 0; allowed"),
        (AnnealingSettings, {"n_outputs": 2}, "n_outputs is 2; allowed: 1"),
    ],
)
def test_refuses(kind, given, told):
    with pytest.raises(ValueError, match=told):
        replace(kind(**SMALL), **given)
