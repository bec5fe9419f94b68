"""The adapter for River: its own checks, a stream that ships with it, and what it promises."""

import math
import pickle

import numpy as np
import pytest

pytest.importorskip("river")
pytest.importorskip("sklearn")  # which its checks use

from river import checks, datasets, dummy, evaluate, linear_model, metrics, preprocessing, stats

from lstmsim.river import LSTMRegressor

SAMPLES = [({"a": math.sin(t), "b": math.cos(t)}, math.sin(t - 1.0)) for t in range(60)]


def trained(samples=SAMPLES, **options):
    model = LSTMRegressor(**options)
    for x, y in samples:
        model.learn_one(x, y)
    return model


@pytest.mark.parametrize("check", list(checks.yield_checks(LSTMRegressor())), ids=lambda check: check.__name__)
def test_rivers_own_checks(check):
    check(LSTMRegressor(n_blocks=2, block_size=1))


def score(regressor, data):
    model = preprocessing.StandardScaler() | preprocessing.TargetStandardScaler(regressor)
    return evaluate.progressive_val_score(data, model, metrics.MAE()).get()


def test_it_learns_a_stream_that_ships_with_river():
    data = datasets.TrumpApproval()
    mean = evaluate.progressive_val_score(data, dummy.StatisticRegressor(stats.Mean()), metrics.MAE()).get()
    linear, ours = score(linear_model.LinearRegression(), data), score(LSTMRegressor(), data)
    assert ours < 0.85 * linear < 0.3 * mean


def test_predicting_leaves_the_net_as_it_is_and_tells_what_it_answers():
    quiet, asked = trained(), LSTMRegressor()
    for x, y in SAMPLES:
        answers = {asked.predict_one(x) for _ in range(3)}
        asked.predict_one({"a": 9.0})
        assert len(answers) == 1
        asked.learn_one(x, y)
    for name, group in quiet.net.weights.items():
        np.testing.assert_array_equal(group, asked.net.weights[name])
    answer = asked.predict_one({"a": 0.5, "b": -0.5})
    assert answer == asked.net.step([0.5, -0.5])[0]


def test_a_feature_that_appears_leaves_weights_and_state_as_they_are():
    model = trained()
    before, state, weights = model.predict_one({"a": 0.3, "b": 0.1}), model.net.state, model.net.weights
    model._add(["c"])
    assert model.predict_one({"a": 0.3, "b": 0.1}) == pytest.approx(before, rel=1e-12)
    np.testing.assert_array_equal(model.net.state["cell_state"], state["cell_state"])
    np.testing.assert_array_equal(model.net.weights["cell"][:, :2], weights["cell"][:, :2])
    np.testing.assert_array_equal(model.net.weights["output"], weights["output"])
    assert (model.net.weights["cell"][:, 2] != 0).all()
    model.learn_one({"c": True}, np.float32(0.5))
    assert list(model.features) == ["a", "b", "c"]


@pytest.mark.parametrize("settings", [{}, {"shortcuts": True}, {"topology": "B"}])
def test_features_in_any_order_and_shortcuts_to_outputs(settings):
    one = trained(**settings)
    other = trained([(dict(reversed(x.items())), y) for x, y in SAMPLES], **settings)
    for model in (one, other):
        model.learn_one({"a": 0.1, "c": 0.2, "b": 0.3}, 0.0)
    assert one.predict_one(SAMPLES[0][0]) == other.predict_one(SAMPLES[0][0])


def test_a_pickle_goes_on_with_the_same_bits():
    model = trained()
    copied = pickle.loads(pickle.dumps(model))
    for x, y in SAMPLES:
        assert model.predict_one(x) == copied.predict_one(x)
        model.learn_one(x, y)
        copied.learn_one(x, y)


def test_before_anything_is_learned_the_answer_is_0_and_reset_is_allowed():
    model = LSTMRegressor()
    model.reset()
    assert model.predict_one({"a": 1.0}) == 0.0


def test_what_is_not_allowed_is_refused_by_name():
    with pytest.raises(ValueError, match="learning_rate is -1"):
        LSTMRegressor(learning_rate=-1)
    with pytest.raises(ValueError, match="unknown argument 'n_hiden'; did you mean 'n_hidden'"):
        LSTMRegressor(n_hiden=2)
    model = trained()
    for x, y, said in (
        ({"a": "red"}, 0, r"x\['a'\] is 'red'"),
        ({"a": math.nan}, 0, r"x\['a'\] is nan"),
        ({}, None, "y is None"),
    ):
        before = model.net.weights["cell"]
        with pytest.raises(ValueError, match=said):
            model.learn_one(x, y)
        np.testing.assert_array_equal(before, model.net.weights["cell"])
