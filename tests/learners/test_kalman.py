"""Training by the extended Kalman filter against its equations in NumPy and its limits."""

import numpy as np
import pytest

from lstmsim.learners.block_rtrl import BlockRTRL, BlockRTRLSettings
from lstmsim.learners.elman import Elman, ElmanSettings
from lstmsim.learners.kalman import Kalman, KalmanSettings
from tests.learners.driving import change, difference, draw, examples, run, with_weights

SIZES = {"n_inputs": 2, "n_outputs": 2, "n_hidden": 3}
GROUPS = pytest.mark.parametrize("groups", ["global", "units"])


def derivatives(topology, weights, inputs):
    """Outputs of the last step and dy_k/dw, as a net learns it that is taught at this step alone."""
    rows = []
    for k in range(2):
        target = np.full((len(inputs), 2), np.nan)
        learner = with_weights(
            BlockRTRL(BlockRTRLSettings(**SIZES, topology=topology, learning_rate=1e-3, block=1)), weights
        )
        y = run(learner, [(inputs, target)], learn=False)["output"][-1]
        target[-1] = y + np.eye(2)[k]  # an error of 1 in one output
        run(learner, [(inputs, target)])
        rows.append({name: group / 1e-3 for name, group in change(weights, learner.weights(0)).items()})
    return y, [np.concatenate([row[name].ravel() for name in ("hidden", "output")]) for row in rows]


@GROUPS
@pytest.mark.parametrize("topology", ["layered", "full"])
def test_updates_follow_the_equations(groups, topology):
    settings = KalmanSettings(
        **SIZES,
        topology=topology,
        groups=groups,
        measurement_noise=(2.0, 0.5),
        process_noise=(0.01, 0.001),
        anneal=4,
        variance=3.0,
    )
    weights, sequences = draw(settings.exists), examples(2, 2, [4, 3, 5, 2, 4, 3], every=20)
    learner = with_weights(Kalman(settings), weights)
    widths = [weights["hidden"].shape[1]] * 3 + [weights["output"].shape[1]] * 2
    owner = np.repeat(np.arange(5), widths) if groups == "units" else np.zeros(sum(widths))
    same = owner[:, None] == owner
    P, w = 3.0 * np.eye(len(owner)), weights
    for n, (inputs, targets) in enumerate(sequences):
        y, rows = derivatives(topology, w, inputs)
        H, share = np.array(rows).T, min(n / 4, 1.0)
        A = np.linalg.inv(2.0 * (0.5 / 2.0) ** share * np.eye(2) + H.T @ P @ H)
        K = P @ H @ A
        packed = np.concatenate([w["hidden"].ravel(), w["output"].ravel()]) + K @ (targets[-1] - y)
        P = (P - K @ H.T @ P) * same + 0.01 * 0.1**share * np.eye(len(P))
        split = np.split(packed, [w["hidden"].size])
        w = {name: part.reshape(w[name].shape) for name, part in zip(("hidden", "output"), split, strict=True)}
        trace = run(learner, [(inputs, targets)])
        assert difference(learner.weights(0), w) < 1e-9
        assert trace["weight_variance"][-1] == pytest.approx(np.trace(P) / len(P))
    assert difference(w, weights) > 0.1


def test_a_linear_unit_is_fitted_by_recursive_least_squares():
    """Without process noise the weights are those of ridge regression on all that was seen."""
    settings = KalmanSettings(
        2,
        1,
        1,
        topology="late",
        unit="identity",
        groups="global",
        measurement_noise=(0.5, 0.5),
        process_noise=(0.0, 0.0),
        variance=10.0,
        init_range=0.0,
    )
    learner = Kalman(settings)
    learner.start(0, (0, 0))
    learner.reset()
    [(inputs, targets)] = examples(2, 1, [40])
    run(learner, [(inputs, targets)])
    X = np.column_stack([inputs, np.ones(40)])
    ridge = np.linalg.solve(X.T @ X + 0.05 * np.eye(3), X.T @ targets[:, 0])
    np.testing.assert_allclose(learner.weights(0)["output"][0], [*ridge[:2], 0.0, ridge[2]], atol=1e-12)


@GROUPS
def test_a_small_variance_is_a_step_along_the_gradient(groups):
    settings = KalmanSettings(
        **SIZES, groups=groups, variance=1e-7, measurement_noise=(1e-3, 1e-3), process_noise=(0.0, 0.0)
    )
    weights, sequences = draw(settings.exists), examples(2, 2, [6, 4])
    filtered = with_weights(Kalman(settings), weights)
    plain = with_weights(BlockRTRL(BlockRTRLSettings(**SIZES, block=1, learning_rate=1e-4)), weights)
    for learner in (filtered, plain):
        run(learner, sequences)
    one, other = (change(weights, learner.weights(0)) for learner in (filtered, plain))
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=2e-3, atol=1e-9)


def test_without_earlier_steps_the_gradient_is_elmans():
    settings = KalmanSettings(**SIZES, discount=0.0, variance=1e-7, measurement_noise=(1e-3, 1e-3), process_noise=(0.0, 0.0))
    weights, sequences = draw(ElmanSettings(**SIZES, bias=True).exists), examples(2, 2, [6, 4])
    filtered = with_weights(Kalman(settings), weights)  # both have the sources inputs, hidden units, bias
    plain = with_weights(Elman(ElmanSettings(**SIZES, bias=True, learning_rate=1e-4)), weights)
    for learner in (filtered, plain):
        run(learner, sequences)
    one, other = (change(weights, learner.weights(0)) for learner in (filtered, plain))
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=2e-3, atol=1e-9)


def test_what_outlives_a_sequence_can_be_taken_over():
    settings = KalmanSettings(**SIZES)
    sequences = examples(2, 2, [5, 4, 6])
    whole = with_weights(Kalman(settings), draw(settings.exists))
    run(whole, sequences[:2])
    taken = with_weights(Kalman(settings), whole.weights(0))
    taken.set_carried(0, whole.carried(0))
    fresh = with_weights(Kalman(settings), whole.weights(0))
    for learner in (whole, taken, fresh):
        run(learner, sequences[2:])
    assert difference(whole.weights(0), taken.weights(0)) == 0.0
    assert difference(whole.weights(0), fresh.weights(0)) > 0.0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"groups": "all"}, "groups is 'all'"),
        ({"measurement_noise": (0.0, 1.0)}, "measurement_noise is"),
        ({"variance": 0.0}, "variance is 0.0"),
        ({"discount": 1.5}, "discount is 1.5"),
    ],
)
def test_settings_are_checked(changes, named):
    with pytest.raises(ValueError, match=named):
        KalmanSettings(**SIZES, **changes)


def test_a_filter_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="covariances of the weights is"):
        Kalman(KalmanSettings(100, 100, 100, groups="global"))
