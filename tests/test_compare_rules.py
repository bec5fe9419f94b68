"""Rules against the exact gradient at frozen weights."""

import numpy as np
import pytest

from lstmsim import errorflow, plots
from lstmsim.learners.rules.net import Rules
from tests.learners.driving import examples
from tests.learners.rules_twin import Twin, made, settings

GIVEN = settings("rflo", leak=0.4)
[(X, D)] = examples(3, 2, [6], every=2)
WEIGHTS = made(GIVEN).weights(0)


def compared(*rules, given=GIVEN, **changes):
    return errorflow.compare_rules(given, X, D, rules, weights=WEIGHTS, **changes)


def test_deterministic_rules_are_those_of_the_twin():
    found = compared("exact", "snap-1", "rflo")
    exact, rflo = (Twin(settings(rule, leak=0.4), WEIGHTS) for rule in ("exact", "rflo"))
    for t, (x, d) in enumerate(zip(X, D, strict=True)):
        one, other = rflo.step(x, d, learn=False)["gradient"], exact.step(x, d, learn=False)["gradient"]
        here = found.sel(step=t)
        if np.isnan(d).any():
            assert all(np.isnan(values).all() for values in here.data_vars.values())
            continue
        a, b = np.linalg.norm(one), np.linalg.norm(other)
        np.testing.assert_allclose(here.alignment.sel(rule="rflo"), (one * other).sum() / (a * b), rtol=1e-9)
        np.testing.assert_allclose(here.norm_ratio.sel(rule="rflo"), a / b, rtol=1e-9)
        np.testing.assert_allclose(here.bias.sel(rule="rflo"), np.linalg.norm(one - other) / b, rtol=1e-7)
        np.testing.assert_allclose(here.alignment.sel(rule="exact"), 1.0, rtol=1e-12)
        assert here.bias.sel(rule="exact") < 1e-12
    assert (found.variance.dropna("step") < 1e-12).all()


def test_random_rules_have_little_bias_and_much_variance():
    few, many = (compared("uoro", "kf-rtrl", repeats=n).isel(step=slice(3, None, 2)) for n in (50, 1600))
    assert (many.bias < 0.3 * few.bias.max()).all()
    expected = np.sqrt(many.variance / 1600)
    assert (many.bias < 2.0 * expected).all(), "what is left is what so many draws leave"
    assert (many.draw_alignment < many.alignment).all()


def test_lags():
    found = compared("exact", "snap-1", "bptt-1", "bptt", lags=5, given=settings("exact", leak=0.4, horizon=3)).lag_alignment
    np.testing.assert_allclose(found.sel(rule="exact"), 1.0, rtol=1e-10)
    np.testing.assert_allclose(found.sel(lag=0), 1.0, rtol=1e-10)
    np.testing.assert_allclose(found.sel(rule="bptt")[:3], 1.0, rtol=1e-10)
    assert np.isnan(found.sel(rule="bptt")[3:]).all()
    assert np.isnan(found.sel(rule="bptt-1")[1:]).all()
    assert (found.sel(rule="snap-1")[1:] < 0.9999).all()


def test_a_net_is_not_changed():
    net = Rules(GIVEN)
    net.start(0, (1, 2))
    before, carried = net.weights(0), net.carried(0)
    found = errorflow.compare_rules(net, X, D, ["kernl"], repeats=2)
    assert found.draw_alignment.notnull().any()
    assert all(np.array_equal(before[name], values) for name, values in net.weights(0).items())
    np.testing.assert_array_equal(net.carried(0), carried)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((None, X, D), "net is None"),
        ((GIVEN, X[:, :2], D), "inputs has shape"),
        ((GIVEN, X, D[:4]), "targets has 4 steps; allowed: as many as inputs, 6"),
        ((GIVEN, X, D, ["rtrl"]), "rule is 'rtrl'"),
    ],
)
def test_arguments_are_checked(arguments, named):
    with pytest.raises(ValueError, match=named):
        errorflow.compare_rules(*arguments)
    with pytest.raises(ValueError, match="repeats is 0"):
        compared("uoro", repeats=0)
    with pytest.raises(ValueError, match="lags is 7; allowed: at most the number of steps, 6"):
        compared("uoro", lags=7)


def test_kept_entries_are_those_of_the_rule():
    ring = settings("snap-n", connections="ring", n=2)
    assert errorflow.kept_entries(ring).sum() == 10
    expected = {"exact": 25, "snap-1": 5, "rflo": 5, "bptt-1": 0, "uoro": 50}
    assert {rule: int(errorflow.kept_entries(settings(rule)).sum()) for rule in expected} == expected
    with pytest.raises(ValueError, match="settings is 3; allowed: RuleSettings"):
        errorflow.kept_entries(3)
    ax = plots.kept_entries(errorflow.kept_entries(ring))
    assert ax.get_title(loc="left") == "SnAp-2"
    np.testing.assert_array_equal(ax.collections[0].get_array().reshape(5, 5), errorflow.kept_entries(ring))
    with pytest.raises(ValueError, match="kept must have the dimensions"):
        plots.kept_entries(errorflow.kept_entries(ring).rename(unit="k"))
