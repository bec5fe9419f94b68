"""Recurrent cascade-correlation: slopes against finite differences, Quickprop by hand, growth on the Reber grammar."""

from dataclasses import replace

import numpy as np
import pytest

from lstmsim import learners
from lstmsim.learners.cascade.equations import Pool, Quickprop, candidate_pass, centre, output_pass, quickprop, unit_values
from lstmsim.learners.cascade.net import Cascade, CascadeSettings, Strings
from lstmsim.learners.cascade.nets import CascadeNets
from lstmsim.paper import row
from lstmsim.simulation.one_by_one import simulation_for
from lstmsim.simulation.policy import Policy
from lstmsim.tasks.reber import Reber
from lstmsim.tasks.stream import Stream
from lstmsim.trace.store import TrialFile, provenance

SOLVED = 10  # the number of a trial that is solved early


def make_strings(count=12, room=2):
    return Strings(Reber(n_train=count).test_sets()[0], count, room)


def make_net(room=2, hidden=1):
    strings = make_strings(room=room)
    net = Cascade(CascadeSettings(7, 7, max_hidden=room), strings, np.random.default_rng(3))
    rng = np.random.default_rng(4)
    for _ in range(hidden):
        net.join(rng.normal(size=net.active), float(rng.normal()), rng.normal(size=7))
    return net


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def literal_values(strings, weights, self_weight, active):
    values = []
    for begin, length in zip(strings.begins, strings.lengths, strict=True):
        v = 0.0
        for t in range(begin, begin + length):
            v = sigmoid(weights @ strings.values[t, :active] + self_weight * v) - 0.5
            values.append(v)
    return np.array(values)


def literal_scores(strings, weights, active, errors):
    v = literal_values(strings, weights[:-1], weights[-1], active)
    return v @ (errors - errors.mean(axis=0)) / (errors**2).sum()


def test_strings_are_the_training_set_in_order():
    task = Reber(n_train=12).test_sets()[0]
    strings = make_strings()
    symbols, _, lengths = task.strings
    assert np.array_equal(strings.lengths, lengths - 1)
    for begin, length, shown in zip(strings.begins, strings.lengths, symbols, strict=True):
        assert np.array_equal(strings.values[begin : begin + length, :7].argmax(axis=1), shown[:length])
        assert np.array_equal(strings.targets[begin : begin + length].argmax(axis=1), shown[1 : length + 1])
    assert (strings.values[:, 7] == 1.0).all()


def test_hidden_unit_is_the_literal_recurrence():
    strings, rng = make_strings(), np.random.default_rng(0)
    weights, own = rng.normal(size=8), 1.7
    unit_values(strings.arrays, weights, own, 8)
    assert np.allclose(strings.values[:, 8], literal_values(strings, weights, own, 8), atol=1e-14, rtol=0)


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_output_slopes_against_finite_differences(offset):
    net = make_net()
    strings, active = net.strings, net.active
    slopes, errors, results = np.zeros_like(net.output), np.zeros_like(strings.targets), np.zeros((len(strings), 4))

    def squared(weights):
        y = sigmoid(strings.values[:, :active] @ weights[:, :active].T)
        return y, 0.5 * ((y - strings.targets) ** 2).sum()

    total = output_pass(strings.arrays, active, net.output, offset, errors, slopes, results)
    y, loss = squared(net.output)
    assert total == pytest.approx(2.0 * loss)
    assert np.allclose(errors, (y * (1 - y) + offset) * (y - strings.targets), atol=1e-14)
    extra = offset * (y - strings.targets).T @ strings.values[:, :active]
    for o, i in [(0, 0), (3, 7), (6, 8), (2, 4)]:
        step = np.zeros_like(net.output)
        step[o, i] = 1e-5
        numeric = (squared(net.output + step)[1] - squared(net.output - step)[1]) / 2e-5
        assert slopes[o, i] - extra[o, i] == pytest.approx(numeric, abs=1e-7)


def test_verdicts_are_rankings_per_string():
    net = make_net()
    strings = net.strings
    results = net.test(strings)
    y = sigmoid(strings.values[:, : net.active] @ net.output[:, : net.active].T)
    for n, (begin, length) in enumerate(zip(strings.begins, strings.lengths, strict=True)):
        part, judged = y[begin : begin + length], strings.judged[begin : begin + length]
        right = all(a[d > 0].min() > a[d == 0].max() for a, d in zip(part, judged, strict=True))
        error = np.abs(part - judged)
        assert results[n] == pytest.approx([error.max(), error.mean(), (error**2).mean(), float(right)])


def test_candidate_slopes_against_finite_differences():
    net = make_net()
    strings, active, rng = net.strings, net.active, np.random.default_rng(5)
    errors = rng.normal(size=strings.targets.shape)
    weights = rng.normal(size=(active + 1, 8))
    expected = np.stack([literal_scores(strings, w, active, errors) for w in weights.T], axis=1)
    centred = errors.copy()
    squares = centre(centred)
    assert squares == pytest.approx((errors**2).sum())
    signs, scores, slopes = np.zeros((7, 8)), np.zeros((7, 8)), np.zeros_like(weights)
    pool = Pool(weights, np.zeros((active + 2, 8)), signs, scores, slopes)
    for _ in range(2):  # the second pass has the signs of the first
        signs[:] = np.sign(scores)
        candidate_pass(strings.arrays, active, centred, squares, pool)
    assert np.allclose(scores, expected, atol=1e-13)
    for c, i in [(0, 0), (3, 7), (5, active - 1), (6, active), (7, active)]:
        step = np.zeros(active + 1)
        step[i] = 1e-5
        up, down = (np.abs(literal_scores(strings, weights[:, c] + s, active, errors)).sum() for s in (step, -step))
        assert -slopes[i, c] == pytest.approx((up - down) / 2e-5, abs=1e-8)


def test_quickprop_on_a_parabola_by_hand():
    """E = (w - 3)**2 and its mirror image: a gradient step, a step cut at mu, then the parabola's jump with the gradient."""
    w = np.zeros((1, 2))
    before, steps = np.zeros_like(w), np.zeros_like(w)
    course = []
    for _ in range(4):
        slopes = 2.0 * (w - np.array([[3.0, -3.0]]))
        quickprop(Quickprop(w, slopes, before, steps, 0.1, 2.0, 0.0), 1, 2)
        course.append(w[0, 0])
        assert w[0, 1] == pytest.approx(-w[0, 0])
    assert course[:3] == pytest.approx([0.6, 2.28, 3.144])
    # Past the minimum the slope has changed its sign: the parabola alone, which is exact here.
    assert course[3] == pytest.approx(3.0)


def test_quickprop_decay_pulls_to_zero():
    w = np.full((1, 1), 2.0)
    quickprop(Quickprop(w, np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)), 0.1, 2.0, 0.5), 1, 1)
    assert w[0, 0] == pytest.approx(1.9)


def test_weight_counts():
    settings = CascadeSettings(7, 7)
    assert [settings.weights_with(h) for h in (7, 8, 9)] == [189, 212, 236]
    assert settings.n_weights == settings.weights_with(15)


def test_joining_freezes_what_there_is():
    net = make_net(room=2, hidden=1)
    net.look(net.strings, net.errors, np.zeros_like(net.output), net.results)
    before, values = net.weights(), net.strings.values.copy()
    net.train_candidates(lambda: False)
    after = net.weights()
    assert net.n_hidden == 2
    assert np.array_equal(after["hidden"][0], before["hidden"][0])
    assert np.array_equal(net.strings.values[:, :9], values[:, :9])
    assert after["score"][1] > 0
    assert (after["hidden"][1, :9] != 0).all()
    assert np.array_equal(after["output"][:, :8], before["output"][:, :8])
    expected = literal_values(net.strings, net.hidden[1, :9], net.hidden[1, -1], 9)
    assert np.allclose(net.strings.values[:, 9], expected, atol=1e-14)


def test_the_best_candidate_follows_the_error_better_than_at_first():
    net = make_net(room=2, hidden=1)
    net.train_outputs(lambda: False)
    errors = net.errors.copy()
    first = np.random.default_rng(9).uniform(-1, 1, (200, net.active + 1))
    drawn = max(np.abs(literal_scores(net.strings, w, net.active, errors)).sum() for w in first)
    net.train_candidates(lambda: False)
    assert net.score[1] > drawn


def run(trial, seed=0, cap=400_000, **settings):
    config = row("1-rcc").config
    config = replace(
        config,
        task=config.task.for_trial(trial),
        settings=replace(config.settings, **settings),
        stop=replace(config.stop, max_sequences=cap),
    )
    simulation = simulation_for(config, seed, 1, Policy())
    return config, simulation.learner, next(simulation.run(iter([trial])))


def test_a_trial_depends_on_seed_and_trial():
    one, two, other, fresh = (run(t, s, 30_000)[2] for t, s in ((0, 0), (0, 0), (3, 0), (0, 1)))
    for name in one.final:
        assert np.array_equal(one.final[name], two.final[name])
        assert not np.array_equal(one.final[name], other.final[name])
        assert not np.array_equal(one.final[name], fresh.final[name])
    assert one.status == "gave_up"
    assert one.sequences % 256 == 0
    assert 30_000 - 256 < one.sequences <= 30_000
    assert one.joined
    assert np.all(np.diff(one.joined) > 0)


def test_gives_up_when_the_units_do_not_suffice():
    _, _, result = run(0, max_hidden=1)
    assert result.status == "gave_up"
    assert len(result.joined) == 1
    assert "training" not in result.stages


def test_learns_the_embedded_grammar_and_fills_a_file(tmp_path):
    config, learner, result = run(SOLVED)
    assert result.status == "solved"
    assert result.stages == {"training": result.sequences, "solved": result.sequences}
    assert 1 <= len(result.joined) <= 15
    assert result.progress[-1, 3] == 1.0
    assert result.milestones["correct_100"] == result.sequences
    assert len(result.test) == 512
    assert result.test[:, 3].all()
    width = learner.layout.width
    assert result.rows
    assert all(rows.shape[1] == width for rows in [*result.rows, result.test_rows])
    first, last = result.rows[0], result.rows[-1]
    assert np.isnan(first[:, -15:]).all()
    assert np.isfinite(last[:, -15 : -15 + len(result.joined)]).all()
    assert {n for n, _ in result.snapshots} >= set(result.joined)
    with TrialFile(tmp_path / "trial-0000.nc", learner.layout, config.task) as file:
        file.finish("1-rcc", config, learner, result, provenance())


@pytest.mark.parametrize("final_test", [0, 1])
def test_the_final_test_may_be_left_out_or_short(final_test):
    config = row("1-rcc").config.with_settings({"max_hidden": 1, "max_sequences": 2000, "final_test": final_test})
    (result,) = simulation_for(config, 0, 1, Policy()).run(iter([0]))
    assert result.test.shape == (2 * final_test, 4)


def test_stops_when_told(tmp_path):
    config = row("1-rcc").config
    driver = simulation_for(config, 0, 1, Policy())
    seen = []

    def stop(simulation):
        seen.append(simulation.progress()[0].sequences)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(driver.run(iter([0]), on_progress=stop))
    assert seen == [256 * (n + 1) for n in range(5)]


def test_streams_rows_and_goes_on_with_the_next_trial():
    config = replace(row("1-rcc").config, settings=CascadeSettings(7, 7, max_hidden=1))
    driver, taken = simulation_for(config, 0, 1, Policy()), []
    results = list(driver.run(iter([0, 1]), on_rows=lambda trial, rows: taken.append(trial)))
    assert [r.trial for r in results] == [0, 1]
    assert sorted(set(taken)) == [0, 1]
    assert all(r.rows == [] for r in results)


@pytest.mark.parametrize("change", [{"pool": 0}, {"growth": 0.0}, {"decay": -1.0}, {"max_hidden": 2.5}, {"offset": np.nan}])
def test_refuses(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} is .*; allowed"):
        CascadeSettings(7, 7, **change)


def test_is_in_the_table_and_takes_fixed_sets_of_symbols_only():
    assert learners.learner("cascade") is CascadeNets
    with pytest.raises(ValueError, match="symbols is False"):
        CascadeNets(CascadeSettings(7, 7), 1)
    with pytest.raises(ValueError, match="task is 'stream'; allowed: one with fixed"):
        CascadeNets(CascadeSettings(7, 7), symbols=True).check(Stream())
