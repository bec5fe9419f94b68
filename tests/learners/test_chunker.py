"""The sequence chunker: against a literal twin, its gradients against finite differences, and the task it was made for."""

from dataclasses import replace

import numpy as np
import pytest

from lstmsim.kernels.recording import HEAD
from lstmsim.learners.chunker.nets import ChunkerNets, ChunkerSettings
from lstmsim.paper import row
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.tasks.stream import Stream
from tests.learners.driving import change, descent, difference, draw, logistic, run, with_weights

SETTINGS = (
    ChunkerSettings(5, 5, failure=0.5),
    ChunkerSettings(5, 6, n_hidden=3, chunker_hidden=2, learning_rate=0.7, failure=0.5, imitated="state"),
    ChunkerSettings(5, 5, n_hidden=2, chunker_hidden=3, failure=0.5, chunker_shortcuts=False),
)
every_net = pytest.mark.parametrize("settings", SETTINGS, ids=["one unit", "state", "no shortcuts"])


class Literal:
    """One net written from the equations, with the partials of every weight of the hidden units."""

    def __init__(self, hidden, output):
        self.hidden, self.output = hidden.copy(), output.copy()
        self.forget()

    def forget(self):
        self.h = np.zeros(len(self.hidden))
        self.p = np.zeros_like(self.hidden)

    def read(self, symbol):
        """Take a symbol, or a whole input."""
        n = self.hidden.shape[1] - 1
        self.x = symbol if np.ndim(symbol) else np.eye(n)[symbol]
        own = self.hidden[:, n]
        z = np.concatenate([np.tile(self.x, (len(self.h), 1)), self.h[:, None]], axis=1)
        self.h = logistic((self.hidden * z).sum(axis=1))
        self.p = (self.h * (1 - self.h))[:, None] * (z + own[:, None] * self.p)
        self.y = logistic(self.output @ np.concatenate([self.x, self.h]))

    def learn(self, target, alpha, mask):
        e = self.y * (1 - self.y) * (target - self.y)
        back = self.output[:, len(self.x) :].T @ e
        self.output += np.where(mask, alpha * np.outer(e, np.concatenate([self.x, self.h])), 0.0)
        self.hidden += alpha * back[:, None] * self.p


def literal(settings, weights, sequences):
    """Learn the sequences step by step; the weights and which inputs C read."""
    a, c = (Literal(weights[f"{n}_hidden"], weights[f"{n}_output"]) for n in ("automatizer", "chunker"))
    exists, reads = settings.exists, []
    for inputs, targets in sequences:
        a.forget()
        c.forget()
        unexpected = True
        for symbol, target in zip(inputs, targets, strict=True):
            reads.append(unexpected)
            if unexpected:
                c.read(symbol)
            a.read(symbol)
            unexpected = np.abs(target - a.y[: len(target)]).max() >= settings.failure
            state = np.concatenate([c.h, c.y if settings.imitated == "state" else []])
            a.learn(np.concatenate([target, state]), settings.learning_rate, exists["automatizer_output"])
            if unexpected:
                c.learn(target, settings.learning_rate, exists["chunker_output"])
    names = settings.exists
    return dict(zip(names, (a.hidden, a.output, c.hidden, c.output), strict=True)), np.array(reads)


def sequences_for(settings, lengths):
    rng = np.random.default_rng(2)
    return [(rng.integers(settings.n_inputs, size=n), rng.uniform(0.1, 0.9, (n, settings.n_outputs))) for n in lengths]


@every_net
def test_learns_like_the_literal_twin(settings):
    learner = with_weights(ChunkerNets(settings, 1, symbols=True), draw(settings.exists))
    sequences = sequences_for(settings, (9, 1, 14, 6))
    expected, reads = literal(settings, draw(settings.exists), sequences)
    recorded = run(learner, sequences)
    assert np.array_equal(recorded["unexpected"], reads)
    assert 4 < reads.sum() < len(reads)
    assert difference(expected, learner.weights(0)) < 1e-12


@every_net
def test_changes_against_finite_differences(settings):
    """Of the last step after steps with fixed weights: A's error at it, and C's for its latest output, both with E/2."""
    [(inputs, targets)] = sequences_for(settings, (8,))
    targets[-1] = np.arange(settings.n_outputs) % 2  # some output is wrong by a half
    weights = draw(settings.exists)
    learner = with_weights(ChunkerNets(settings, 1, symbols=True), weights)
    still = run(learner, [(inputs, targets)], learn=False, ends=False)
    failed = np.abs(targets - still["output"]).max(axis=1) >= settings.failure
    assert failed[-1], "C learns at the last step"
    assert not failed[:-1].all(), "C has stood still before"
    reads = np.concatenate([[True], failed[:-1]])
    state = [still["chunker_hidden"][-1]]
    if settings.imitated == "state":
        state.append(still["chunker_output"][-1])
    goal = np.concatenate([targets[-1], *state])

    def error(changed):
        a, c = (Literal(changed[f"{n}_hidden"], changed[f"{n}_output"]) for n in ("automatizer", "chunker"))
        for symbol, unexpected in zip(inputs, reads, strict=True):
            if unexpected:
                c.read(symbol)
            a.read(symbol)
        return 0.5 * ((goal - a.y) ** 2).sum() + 0.5 * ((targets[-1] - c.y) ** 2).sum()

    learner = with_weights(learner, weights)
    run(learner, [(inputs[:-1], targets[:-1])], learn=False, ends=False)
    # The last step alone: what was unexpected before it still counts.
    recorded = run(learner, [(inputs[-1:], targets[-1:])], ends=False)
    changes = change(weights, learner.weights(0))
    slopes = descent(error, weights, settings.exists)
    scaled = {name: settings.learning_rate * values for name, values in slopes.items()}
    assert difference(scaled, changes) < 1e-9
    norm = np.sqrt(sum((values**2).sum() for values in changes.values()))
    assert recorded["update_norm"][-1] == pytest.approx(norm, rel=1e-12)


def test_weight_counts():
    settings = row("2a-chunker").config.settings
    assert settings.weights_shown() == (10506,)
    assert settings.n_weights == 10506 + 10404


def test_paper_rows_have_the_papers_settings():
    for name in ("2a-chunker", "2b-chunker"):
        config = row(name).config
        s = config.settings
        assert (s.n_hidden, s.chunker_hidden, s.learning_rate, s.init_range) == (1, 1, 1.0, 0.2)
        assert config.task.p == 100
        assert config.task.tolerance == 0.25


def control(trial=0, seed=0, policy="default", **training):
    config = row("chunker-control").config
    config = replace(config, stop=replace(config.stop, **training))
    simulation = Simulation(config, seed, 1, Policy.parse(policy))
    return next(simulation.run(iter([trial])))


def test_learns_the_20_step_stream_and_the_automatizer_takes_over():
    result = control(policy="every:1")
    assert result.status == "solved"
    assert result.sequences <= 500
    rows = np.concatenate(result.rows)
    place = HEAD + 1 + 4 * Stream().n_outputs
    read = rows[:, place].reshape(-1, 10, 21)  # sequence, string, step
    assert read[0].all(), "at first everything is unexpected"
    assert (read[:, :, 0] == 1).all(axis=0)[0], "the first input always is"
    late = read[-20:]
    assert late[:, :, 0].mean() > 0.95, "a and x stay unpredictable"
    assert late[:, :, 1:].mean() < 0.01, "nothing else does"
    # Before that C alone has known the class: it was asked where A had failed.
    h_a, h_c = rows[:, place + 1 : place + 5], rows[:, place + 5 : place + 9]
    assert np.ptp(h_a[-210:][20::21], axis=0).max() > 0.5, "A's hidden units hold the class at the last steps"
    assert np.isfinite(h_c).all()


def test_without_the_chunker_the_automatizer_does_not_learn_it():
    """The same net never failing in C's eyes: C reads the first input only, and A imitates nothing of use."""
    config = row("chunker-control").config
    settings = replace(config.settings, failure=1.0)
    config = replace(config, settings=settings, stop=replace(config.stop, max_sequences=500))
    result = next(Simulation(config, 0, 1, Policy.parse("none")).run(iter([0])))
    assert result.status == "gave_up"


def test_a_trial_depends_on_seed_and_trial():
    how = {"policy": "none", "max_sequences": 20}
    one, two, other, fresh = control(**how), control(**how), control(1, **how), control(0, 1, **how)
    assert difference(one.final, two.final) == 0.0
    assert difference(one.final, other.final) > 0.0
    assert difference(one.final, fresh.final) > 0.0


def test_absent_shortcuts_stay_absent():
    settings = SETTINGS[2]
    learner = with_weights(ChunkerNets(settings, 1, symbols=True), draw(settings.exists))
    run(learner, sequences_for(settings, (20,)))
    assert (learner.weights(0)["chunker_output"][:, :5] == 0).all()


@pytest.mark.parametrize(
    "given", [{"n_hidden": 0}, {"failure": 0.0}, {"imitated": "all"}, {"learning_rate": np.nan}, {"chunker_shortcuts": 1}]
)
def test_refuses(given):
    with pytest.raises(ValueError, match=f"{next(iter(given))} is .*; allowed"):
        ChunkerSettings(5, 5, **given)


def test_takes_symbols_only():
    with pytest.raises(ValueError, match="symbols is False"):
        ChunkerNets(SETTINGS[0], 1)
