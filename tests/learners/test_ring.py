"""Transition hierarchies: a literal twin, the gradient by finite differences, and growth."""

import numpy as np
import pytest

from lstmsim import simulate
from lstmsim.learners.ring import Ring, RingSettings
from lstmsim.paper import rows
from lstmsim.simulation.one_by_one import simulation_for
from lstmsim.simulation.policy import Policy
from lstmsim.tasks.gap import Gap
from tests.learners.driving import examples, run


def no_errors(n):
    return np.zeros(n)


def hierarchy(n_inputs, n_outputs, places, *, symbols=False, seed=1, **settings):
    """A net with units on given connections (unit, source), and random weights."""
    learner = Ring(RingSettings(n_inputs, n_outputs, **settings), symbols=symbols)
    rng, sources = np.random.default_rng(seed), len(learner.settings.sources)
    weights = {name: rng.uniform(-0.5, 0.5, mask.shape) for name, mask in learner.settings.exists.items()}
    weights["hidden"][len(places) :] = 0.0
    weights["place"][:] = 0.0
    weights["place"][: len(places)] = [1 + unit * sources + source for unit, source in places]
    learner.set_weights(0, weights)
    learner.reset(0)
    return learner


def literal(w, places, n_outputs, inputs):
    """Outputs (step, output) of the equations: a dict of the weights that units stand on."""
    above = {place: n_outputs + n for n, place in enumerate(places)}
    before, result = np.zeros(len(w)), []
    for x in inputs:
        now = w + np.array([[before[above[i, j]] if (i, j) in above else 0.0 for j in range(len(x))] for i in range(len(w))])
        before = now @ x
        result.append(before[:n_outputs])
    return np.array(result)


PLACES = [(0, 1), (2, 0), (1, 1), (3, 2), (4, 1)]  # of 2 outputs and 3 inputs: levels 1, 2, 1, 3, 2


@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_activations_and_gradient_are_those_of_the_equations(symbols, bias):
    """The change of the weights is alpha times minus the gradient of half the squared error of one target, however old."""
    settings = {"max_hidden": 6, "bias": bias, "learning_rate": 1.0}
    for length in (1, 2, 3, 6):
        (example,) = examples(3, 2, [length], symbols=symbols, every=length)
        learner = hierarchy(3, 2, PLACES, symbols=symbols, **settings)
        given = learner.weights(0)
        recorded = run(learner, [example])
        inputs = np.eye(3)[example[0]] if symbols else example[0]
        inputs = np.concatenate([inputs, np.ones((length, int(bias)))], axis=1)
        w = np.concatenate([given["output"], given["hidden"][:5]])
        np.testing.assert_allclose(recorded["output"], literal(w, PLACES, 2, inputs), atol=1e-13)

        def half_error(w, inputs=inputs, target=example[1][-1]):
            return 0.5 * ((target - literal(w, PLACES, 2, inputs)[-1]) ** 2).sum()

        slopes = np.zeros(w.shape)
        for at in np.ndindex(w.shape):
            e = np.zeros(w.shape)
            e[at] = 1e-5
            slopes[at] = (half_error(w + e) - half_error(w - e)) / 2e-5
        found = learner.weights(0)
        changed = np.concatenate([found["output"], found["hidden"][:5]]) - w
        np.testing.assert_allclose(changed, -slopes, atol=1e-9)
        assert recorded["update_norm"][-1] == pytest.approx(np.linalg.norm(slopes), rel=1e-6)
        if length == 6 and not symbols:
            assert (np.abs(slopes).max(axis=1) > 0).all()


def test_running_means_are_those_of_the_changes():
    """Of a net without units, with inputs that are sometimes 0: those changes are passed over."""
    settings = {"max_hidden": 1, "learning_rate": 0.3, "smoothing": 0.4, "threshold": 0.9, "epsilon": 0.05}
    learner = hierarchy(2, 1, [], **settings)
    (inputs, targets), w = examples(2, 1, [40])[0], learner.weights(0)["output"][0]
    inputs[::3, 0] = 0.0
    run(learner, [(inputs, targets)])
    mean, size = np.zeros(2), np.zeros(2)
    for x, d in zip(inputs, targets[:, 0], strict=True):
        dw = 0.3 * (d - w @ x) * x
        w, changed = w + dw, dw != 0
        mean[changed] += 0.4 * (dw - mean)[changed]
        size[changed] += 0.4 * (np.abs(dw) - size)[changed]
    np.testing.assert_allclose(learner.carried(0)[[0, 1, 4, 5]], [*mean, *size], rtol=1e-12)
    ratio = size / (0.05 + np.abs(mean))
    expected = np.flatnonzero(ratio > 0.9)[:1] + 1
    assert len(expected) == learner.grow(0, no_errors, 0)
    assert learner.weights(0)["place"][: len(expected)].tolist() == expected.tolist()


def test_a_new_unit_changes_no_output():
    learner = hierarchy(3, 2, PLACES[:2], max_hidden=50, threshold=1e-3)
    data = examples(3, 2, [9, 5])
    run(learner, data)
    learner.reset(0)
    before = run(learner, data, learn=False)["output"]
    assert learner.grow(0, no_errors, 0) > 3
    learner.reset(0)
    np.testing.assert_array_equal(run(learner, data, learn=False)["output"], before)
    run(learner, data)
    assert np.count_nonzero(learner.weights(0)["hidden"][2:]), "new units learn"


# Training sets of both strings, and units built: what Ring published and what another program found with alpha 0.2.
GAPS = {2: ((4, 9), (8, 10)), 4: ((6, 9), (12, 15))}


@pytest.mark.parametrize("gap", GAPS)
def test_gaps_are_learned_in_as_few_sets_and_units_as_published(gap):
    learner = Ring(RingSettings(13, 13, learning_rate=0.2, epsilon=0.1 * 0.2 / 1.5), symbols=True)
    learner.start(0, (0, 0))
    strings = {}
    for n in range(20):
        inputs, targets = Gap(gap).sequence(0, 0, n)
        strings[int(inputs[0].argmax())] = (inputs.argmax(axis=1), targets)
    pair = [strings[0], strings[1]]
    sets, right = 0, False
    while sets < 30 and not right:
        sets += 1
        for one in pair:
            run(learner, [one])
            learner.grow(0, no_errors, 0)
        tested = run(learner, pair, learn=False)
        right = (tested["output"].argmax(axis=1) == tested["target"].argmax(axis=1)).all()
    units = np.count_nonzero(learner.weights(0)["place"])
    assert GAPS[gap][0][0] <= sets <= GAPS[gap][0][1]
    assert GAPS[gap][1][0] <= units <= GAPS[gap][1][1]


def test_the_published_step_width_diverges():
    """Alpha times the number of levels must be below 2; with 0.15 it is."""
    row = rows()["gap-2-ring"]
    found = simulate(row.id, trials=3, record="none", progress=False, learning_rate=1.5, epsilon=0.1)[row.id]
    assert (found.status == "diverged").all()
    found = simulate(row.id, trials=3, record="none", progress=False)[row.id]
    assert (found.status == "solved").all()
    assert ((found.joined >= 8) & (found.joined <= 10)).all()


@pytest.mark.parametrize(("alpha", "status"), [(0.15, "solved"), (0.2, "diverged")])
def test_alpha_times_the_number_of_levels_must_stay_below_2(alpha, status):
    """At gap 10 there are 11 levels."""
    settings = {"learning_rate": alpha, "epsilon": alpha * 0.1 / 1.5}
    found = simulate("gap-10-ring", trials=1, record="none", progress=False, **settings)["gap-10-ring"]
    assert (found.status == status).all()


def test_noise_builds_units_up_to_the_limit():
    learner = Ring(RingSettings(4, 4, max_hidden=30), symbols=True)
    learner.start(0, (0, 0))
    counts = []
    for _ in range(60):
        assert learner.growth_window(0) == (not counts or counts[-1] < 30)
        run(learner, examples(4, 4, [30], symbols=True))
        learner.grow(0, no_errors, 0)
        counts.append(np.count_nonzero(learner.weights(0)["place"]))
    assert counts[-1] == 30
    assert learner.growth_window(0) == 0


def test_growth_is_replayed_and_counted():
    """The last sequences, repeated from before units joined, are those of the trial; `joined` has an entry for each unit."""
    config = rows()["gap-4-ring"].config
    everything, last = (
        next(simulation_for(config, 0, 1, Policy.parse(policy)).run(iter([0]))) for policy in ("all", "last:40")
    )
    assert len(everything.joined) == np.count_nonzero(everything.final["place"]) == 12
    assert len(set(everything.joined)) < 12, "several units join after one sequence"
    assert everything.joined == last.joined
    assert max(everything.joined) > everything.sequences - 40
    steps = [np.concatenate(result.rows) for result in (everything, last)]
    np.testing.assert_array_equal(steps[0][steps[0][:, 0] >= everything.sequences - 40], steps[1])


@pytest.mark.parametrize("place", [[1, 1], [7, 0], [0, 1], [1.5, 0], [-1, 0], [1, 10]])
def test_refuses_units_that_stand_nowhere(place):
    """Of 2 outputs and 3 inputs connections 1 to 6 are the outputs', 7 to 9 the first unit's."""
    learner = hierarchy(3, 2, PLACES[:1], max_hidden=2)
    before = learner.weights(0)
    with pytest.raises(ValueError, match=r"weights\['place'\] is .*; allowed: numbers of different connections"):
        learner.set_weights(0, before | {"place": np.array(place, float)})
    assert all(np.array_equal(learner.weights(0)[name], before[name]) for name in before)
    learner.set_weights(0, before | {"place": np.array([6.0, 9.0])})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"max_hidden": 0}, "max_hidden is 0; allowed"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; allowed"),
        ({"smoothing": 1.5}, "smoothing is 1.5; allowed"),
        ({"threshold": 0.0}, "threshold is 0.0; allowed"),
        ({"epsilon": 0.0}, "epsilon is 0.0; allowed"),
        ({"n_inputs": 9000, "max_hidden": 9000}, "max_hidden=9000 make too large a net"),
    ],
)
def test_refuses(given, told):
    with pytest.raises(ValueError, match=told):
        RingSettings(**{"n_inputs": 3, "n_outputs": 2} | given)
