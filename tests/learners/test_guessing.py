"""Random weight guessing: nets against a literal implementation, the search against a plain loop."""

from dataclasses import replace

import numpy as np
import pytest

from lstmsim.kernels.random import subkey, trial_keys, uniform
from lstmsim.learners.guessing import GuessingNets, GuessingSettings
from lstmsim.learners.search.equations import Strings, search
from lstmsim.learners.search.net import draw_strings
from lstmsim.paper import rows
from lstmsim.simulation.one_by_one import simulation_for
from lstmsim.simulation.policy import Policy
from lstmsim.tasks.adding import Adding
from lstmsim.tasks.latch import Latch, Parity
from lstmsim.tasks.two_sequence import TwoSequence
from lstmsim.trace.store import TrialFile, provenance

NETS = (
    GuessingSettings(2, 1, "A1", 3),
    GuessingSettings(1, 1, "A2", 10),
    GuessingSettings(1, 1, "A2 without self", 4),
    GuessingSettings(3, 1, "latch 1"),
    GuessingSettings(1, 1, "latch 2"),
)
every_net = pytest.mark.parametrize("settings", NETS, ids=lambda s: s.net)
ROWS = {name: row for name, row in rows().items() if row.config.learner == "guessing"}


def literal(settings, weights, inputs):
    """Activations (step, unit) with full matrices, hidden units first."""
    squash = np.tanh if settings.net.startswith("latch") else lambda x: 1.0 / (1.0 + np.exp(-x))
    hidden, output, result = np.zeros(settings.hidden), np.zeros(1), []
    for x in inputs:
        if settings.hidden:
            hidden = squash(weights["hidden"] @ np.concatenate([x, hidden, output, [1.0]]))
        output = squash(weights["output"] @ np.concatenate([x, hidden, output, [1.0]]))
        result.append(np.concatenate([hidden, output]))
    return np.array(result)


def random_sequences(settings, lengths):
    rng = np.random.default_rng(1)
    begins = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Strings(rng.normal(size=(begins[-1], settings.n_inputs)), begins, rng.uniform(size=len(lengths)))


@every_net
def test_nets_are_the_literal_ones(settings):
    net, data = GuessingNets(settings), random_sequences(settings, [7, 1, 12])
    net.net.weights[:] = np.random.default_rng(2).normal(size=net.net.weights.size)
    for n in (0, 1, 2):
        inputs = data.inputs[data.begins[n] : data.begins[n + 1]]
        expected = literal(settings, net.weights(), inputs)
        assert np.allclose(net.activations(data, n), expected, atol=1e-13, rtol=0)


@every_net
def test_connections_are_those_of_the_publication(settings):
    inputs, h = settings.n_inputs, settings.n_hidden
    counts = {
        "A1": h * (inputs + h + 2) + inputs + h + 1,
        "A2": h * (inputs + 3) + inputs + h + 1,
        "A2 without self": h * (inputs + 2) + inputs + h + 1,
    }
    assert settings.n_weights == counts.get(settings.net, 3)


def test_paper_sizes():
    assert GuessingSettings(1, 1).n_weights == 7
    assert GuessingSettings(1, 1, "A2", 10).n_weights == 52


def test_search_is_a_plain_loop():
    settings = GuessingSettings(1, 1, weight_range=3.0, accept=0.4)
    net, data, key = GuessingNets(settings), random_sequences(settings, [5, 9, 4, 6]), np.uint64(12345)

    def right(draw):
        own = np.uint64(subkey(key, draw))
        net.net.weights[:] = [3.0 * (2.0 * uniform(own, j) - 1.0) for j in range(7)]
        wrong = np.flatnonzero(net.judge(data)[:, 3] == 0)
        return int(wrong[0]) if len(wrong) else len(data.targets)

    runs = [right(draw) for draw in range(300)]

    def first(start, best):
        net.begin()
        net.net.counts[0] = start
        found = search(net.net, data, key, 300, 10**9, best, -1.0)
        return int(net.net.counts[0]) - 1 if found else 300

    for best in (-1, 0, 1, 2):
        expected = next((n for n, value in enumerate(runs) if value > best), 300)
        assert first(0, best) == expected
        if expected < 300:
            assert right(expected) == runs[expected] > best
    assert len(set(runs)) > 2
    assert first(17, 0) == next(n for n in range(17, 300) if runs[n] > 0)


def test_sequences_are_the_tasks():
    task = TwoSequence(20, 3)
    data = draw_strings(task, 5, int(trial_keys(4, 2)[0]))
    for n in range(5):
        inputs, targets = task.sequence(4, 2, n)
        assert np.array_equal(data.inputs[data.begins[n] : data.begins[n + 1]], inputs)
        assert data.targets[n] == targets[-1, 0]


def run(name, trial=0, seed=0, policy="default", **training):
    config = ROWS[name].config
    config = replace(config, stop=replace(config.stop, **training))
    simulation = simulation_for(config, seed, 1, Policy.parse(policy))
    return config, simulation.learner, next(simulation.run(iter([trial])))


@pytest.mark.parametrize("name", ["guess-latch-1", "guess-latch-2", "guess-parity-a2-bare"])
def test_solves_what_can_be_guessed(name, tmp_path):
    config, learner, result = run(name)
    assert result.status == "solved"
    assert result.stages == {"solved": result.sequences}
    assert result.progress[-1, 0] == result.sequences
    assert result.progress[-1, 3] == 1.0
    assert np.all(np.diff(result.progress[:, 0]) > 0)
    assert result.test.shape == (100, 4)
    assert result.test[:, 3].mean() > 0.9
    assert len(result.snapshots) == len(result.progress)
    assert all(rows.shape[1] == learner.layout.width for rows in [*result.rows, result.test_rows])
    with TrialFile(tmp_path / "trial-0000.nc", learner.layout, config.task) as file:
        file.finish(name, config, learner, result, provenance())


def test_every_draw_is_made_whatever_is_searched_in_one_go(monkeypatch):
    """A piece in which nothing was found ends before the draw that the next piece begins with."""
    results = []
    for block in (1, 7, 10_000):
        monkeypatch.setattr(GuessingNets, "block", block)
        results.append(run("guess-adding-a1", max_sequences=200)[2])
    for result in results[:2]:
        np.testing.assert_array_equal(result.progress, results[2].progress)
        assert (result.sequences, result.steps) == (results[2].sequences, results[2].steps)


def test_adding_is_out_of_reach():
    _, _, result = run("guess-adding-a1", max_sequences=2_000)
    assert result.status == "gave_up"
    assert result.sequences == 2_000
    assert result.test[:, 3].mean() < 0.3


def test_recorded_rows_show_the_net_at_work():
    config, _, result = run("guess-latch-1")
    rows = result.test_rows
    ends = np.flatnonzero(~np.isnan(rows[:, 5]))
    inputs, targets = config.task.sequence(0, 0, 0, testing=True)
    assert np.array_equal(rows[: len(inputs), 2:5], inputs)
    assert rows[ends[0], 5] == targets[-1, 0]
    assert rows[ends[0], 7] == pytest.approx(rows[ends[0], 5] - rows[ends[0], 6])
    assert np.allclose(rows[: len(inputs), 6:7], literal(config.settings, result.final, inputs), atol=1e-12)


def test_a_trial_depends_on_seed_and_trial():
    one, two, other, fresh = (run("guess-latch-2", t, s)[2] for t, s in ((0, 0), (0, 0), (1, 0), (0, 1)))
    assert np.array_equal(one.final["output"], two.final["output"])
    assert one.sequences == two.sequences
    assert one.steps == two.steps
    assert not np.array_equal(one.final["output"], other.final["output"])
    assert not np.array_equal(one.final["output"], fresh.final["output"])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"net": "A3"}, "net is 'A3'; allowed"),
        ({"weight_range": 0.0}, "weight_range is 0.0; allowed"),
        ({"n_outputs": 2}, "n_outputs is 2; allowed: 1"),
        ({"net": "latch 1"}, "n_inputs is 1; allowed"),
        ({"n_train": 0}, "n_train is 0; allowed"),
    ],
)
def test_refuses(given, told):
    with pytest.raises(ValueError, match=told):
        GuessingSettings(**{"n_inputs": 1, "n_outputs": 1, **given})


def test_layout_without_hidden_units():
    assert dict(GuessingNets(NETS[3], 1).layout.columns).keys() == {"input", "target", "output", "output_error"}


def test_parity_and_latch_targets():
    for n in range(20):
        inputs, targets = Parity(9).sequence(0, 0, n)
        assert set(np.unique(inputs)) <= {-1.0, 1.0}
        assert targets[-1, 0] == (inputs == 1.0).sum() % 2
        assert 9 <= len(inputs) <= 10
        inputs, targets = Latch(9, 2).sequence(0, 0, n)
        assert targets[-1, 0] == inputs[0, 0]
        inputs, targets = Latch(9, 1).sequence(0, 0, n)
        assert inputs[0, 0] == 0.0
        assert targets[-1, 0] == 0.8 * (inputs[0, 1] - inputs[0, 2])
        assert (inputs[1:, 1:] == 0).all()
        assert (inputs[1:, 0] != 0).all()
    noisy, clean = Parity(9, 0.2).sequence(0, 0, 3), Parity(9).sequence(0, 0, 3)
    assert np.array_equal(noisy[1], clean[1], equal_nan=True)
    assert 0 < np.abs(noisy[0] - clean[0]).max() <= 0.2


def test_adding_targets_are_judged_at_the_end():
    data = draw_strings(Adding(20), 3, 1)
    assert data.targets.shape == (3,)
    assert ((data.targets >= 0) & (data.targets <= 1)).all()
